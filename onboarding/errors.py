from __future__ import annotations


class OnboardingError(Exception):
    """Something about a plan that a person should read."""


class NotYours(OnboardingError):
    """The act belongs to the other side."""


class MovedMeanwhile(OnboardingError):
    """Somebody else moved it between the reading and the act."""
