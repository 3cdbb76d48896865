from __future__ import annotations


class OnboardingError(Exception):
    """Something about a plan that a person should read."""


class NotPermitted(OnboardingError):
    """The act belongs to the other side."""


class ConflictingChange(OnboardingError):
    """Somebody else moved it between the reading and the act."""
