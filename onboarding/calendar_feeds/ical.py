"""Write entries as iCalendar (RFC 5545). The library folds, escapes and encodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event

from onboarding.calendar_feeds.facts import EntryKind
from tenants.visible_text import visible

# Programs that respect it request the feed at most so often.
REFRESH_EVERY = timedelta(hours=1)
# RFC 5545, section 3.1 allows no control character except the tab in a value.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CATEGORIES = {
    EntryKind.CUTOVER: "Cutover",
    EntryKind.FREEZE: "Freeze",
    EntryKind.DUE_DATE: "Due date",
    EntryKind.SAFE_TIME: "Safe time",
}


def event_bytes(
    uid: str,
    values: Mapping[str, Any],
    *,
    sequence: int,
    changed_at: datetime,
    is_cancelled: bool,
    site: str,
) -> bytes:
    """One VEVENT. The same arguments return the same bytes."""
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", changed_at)
    event.add("last-modified", changed_at)
    event.add("sequence", sequence)
    event.add("dtstart", _moment(values["starts"]))
    event.add("dtend", _moment(values["ends"]))
    event.add("summary", _text(values["summary"]))
    if values["description"]:
        event.add("description", _text(values["description"]))
    if values["path"] and site:
        event.add("url", site + values["path"])
    event.add("categories", [_CATEGORIES[EntryKind(values["kind"])]])
    event.add("status", _status(values["is_confirmed"], is_cancelled=is_cancelled))
    is_busy = values["kind"] == EntryKind.CUTOVER and not is_cancelled
    event.add("transp", "OPAQUE" if is_busy else "TRANSPARENT")
    return bytes(event.to_ical())


def calendar_bytes(name: str, events: Iterable[bytes]) -> bytes:
    """A VCALENDAR with these events."""
    calendar = Calendar()
    calendar.add("prodid", "-//Gangway//Calendar feeds//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", _text(name))
    calendar.add("x-wr-calname", _text(name))
    calendar.add("refresh-interval", REFRESH_EVERY, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    head, end, _ = calendar.to_ical().partition(b"END:VCALENDAR\r\n")
    return b"".join([head, *events, end])


def _status(is_confirmed: bool, *, is_cancelled: bool) -> str:
    if is_cancelled:
        return "CANCELLED"
    return "CONFIRMED" if is_confirmed else "TENTATIVE"


def _moment(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _text(text: str) -> str:
    return visible(_CONTROLS.sub(" ", text))
