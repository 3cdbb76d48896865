"""Errors of services. Each message is a sentence for the person who reads the page."""

from __future__ import annotations


class OnboardingError(Exception):
    """Base of all errors of this app. `field` names the form field that the error concerns."""

    field = ""


class NotPermitted(OnboardingError):
    """The person's role or side may not do this. Views answer 403."""


class ConflictingChange(OnboardingError):
    """Another person changed the object after this person opened the page."""
