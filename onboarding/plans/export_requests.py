"""When Gangway asks for a new export of the mail platform. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.sources.rules import MAX_AGE_DAYS


class ReasonForExport(StrEnum):
    """The reason for a new export."""

    NONE_YET = "none_yet"
    BEFORE_SWITCH = "before_switch"  # the cutover has changed what the export shows
    OUTDATED = "outdated"


def export_request(
    obtained_at: datetime | None, switched_at: datetime | None, *, now: datetime
) -> ReasonForExport | None:
    """The reason for a new export, or None.

    `obtained_at` is the time of the newest facts, `switched_at` the last observed MX switch.
    """
    if obtained_at is None:
        return ReasonForExport.NONE_YET
    if switched_at is not None and obtained_at <= switched_at:
        return ReasonForExport.BEFORE_SWITCH
    is_old = now - obtained_at > timedelta(days=MAX_AGE_DAYS)
    return ReasonForExport.OUTDATED if is_old else None
