"""A strict reading of iCalendar: the rules that lenient programs skip, and two parsers."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import vobject
from icalendar import Calendar

MOST_OCTETS = 75
_LINE = re.compile(r"[A-Z0-9-]+(;[A-Z0-9-]+=[^\";:,]+)*:[^\x00-\x08\x0a-\x1f\x7f]*")
_REQUIRED = ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "STATUS", "SEQUENCE")


def read_strictly(content: bytes) -> dict[str, dict[str, Any]]:
    """The events by UID, as values of Python. Fails at the first violation."""
    assert content.endswith(b"END:VCALENDAR\r\n")
    lines = content.split(b"\r\n")[:-1]
    assert [line for line in lines if b"\r" in line or b"\n" in line] == []
    assert [line for line in lines if len(line) > MOST_OCTETS] == []
    # A fold never divides a character: each line is valid UTF-8 alone.
    unfolded = "\r\n".join(line.decode("utf-8") for line in lines).replace("\r\n ", "")
    assert [line for line in unfolded.split("\r\n") if not _LINE.fullmatch(line)] == []
    calendar = Calendar.from_ical(content)
    assert [str(calendar[name]) for name in ("version", "prodid")] == [
        "2.0",
        "-//Gangway//Calendar feeds//EN",
    ]
    events = [_values(event) for event in calendar.walk("VEVENT")]
    assert [event.errors for event in calendar.walk("VEVENT") if event.errors] == []
    found = {event["UID"]: event for event in events}
    assert len(found) == len(events)
    _compare(content, found)
    return found


def _values(event: Any) -> dict[str, Any]:
    assert [name for name in _REQUIRED if name not in event] == []
    values = {name: str(event[name]) for name in ("UID", "SUMMARY", "STATUS")}
    starts, ends = event["DTSTART"].dt, event["DTEND"].dt
    assert type(starts) is type(ends)
    assert starts < ends
    if isinstance(starts, datetime):
        assert starts.utcoffset() is not None
    else:
        assert isinstance(starts, date)
    return {
        **values,
        "SEQUENCE": int(event["SEQUENCE"]),
        "DTSTART": starts,
        "DTEND": ends,
        "DESCRIPTION": str(event.get("DESCRIPTION", "")),
        "URL": str(event.get("URL", "")),
    }


def _compare(content: bytes, found: dict[str, dict[str, Any]]) -> None:
    """A second parser, written by others, reads the same values."""
    calendar = vobject.readOne(content.decode())
    events = getattr(calendar, "vevent_list", [])
    read = {event.uid.value: (event.summary.value, event.dtstart.value) for event in events}
    assert {uid: (each["SUMMARY"], each["DTSTART"]) for uid, each in found.items()} == read
