"""The errors of this app. Each message is a sentence for the user who entered the data."""

from __future__ import annotations

# The sentences of forms and of the API for an unknown role.
CHOOSE_ROLE = "Choose owner, member or viewer. Nothing was changed."
CHOOSE_STAFF_ROLE = "Choose a staff role from the list. Nothing was changed."


class TenantError(Exception):
    """Base of all errors of this app. Pages show the message."""


class BadName(TenantError):
    """The text is no domain or host name. `suggestion` is the probable name, or empty."""

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        super().__init__(message)
        self.suggestion = suggestion
