"""What can go wrong with a tenant's own data, in sentences for the person who typed it."""

from __future__ import annotations


class TenantError(Exception):
    """Base of all errors of this app; the message is fit to be shown."""


class BadName(TenantError):
    """The text is not a domain or host name; `suggestion` is what was probably meant, or empty."""

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        super().__init__(message)
        self.suggestion = suggestion
