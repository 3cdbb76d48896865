"""Read an export: one object with a table for each cmdlet, as JSON or Clixml.

Only the listed properties remain. A property with a value of another type counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from checks.engine.sources.exports.clixml import TEXT_KEY, ClixmlError, read_clixml
from checks.engine.sources.exports.texts import MAX_BYTES, decode
from checks.engine.sources.facts import Listed, PropertyType, Row

# A tenant with more connectors or rules cannot be judged here.
MAX_ROWS = 2_000
MAX_ITEMS = 5_000
MAX_TEXT = 1_000
GENERATED_AT = "GeneratedAt"
# No export is older. The year before year 1 that an offset gives cannot be read from a database.
_FIRST_YEAR = 2000

# How PowerShell prints a value below its depth limit.
_TRUNCATED = re.compile(r"System\.(Object\[\]|Collections\.|String\[\])|@\{|Microsoft\.Exchange\.")
_FORMAT_LIST = re.compile(r"\s*[A-Za-z]\w*[ ]{0,60}: ", re.ASCII)


@dataclass(frozen=True)
class UnreadableExport:
    """The reason why nothing of the export was stored: a stable code, and a detail for the page."""

    problem: str
    detail: str = ""


@dataclass(frozen=True)
class Export:
    """The tables of a readable export. `generated_at` is the time that the script wrote."""

    tables: Mapping[str, tuple[Row, ...]]
    generated_at: datetime | None = None


class _TooShallow(ValueError):
    """The export was written with too small a depth."""


class _TooLong(ValueError):
    """A table, a list or all rows together are longer than the limits."""


class _Allowance:
    """The length of all values that are read, in characters and items.

    A reference of Clixml repeats a value without its length in the file.
    """

    def __init__(self) -> None:
        self._left = MAX_BYTES

    def charge(self, value: Any) -> None:
        """Count a value. Raises _TooLong if all values together are longer than MAX_BYTES."""
        if isinstance(value, str | list | dict):
            self._left -= len(value)
        if isinstance(value, list):
            self._left -= sum(len(item) for item in value if isinstance(item, str))
        if self._left < 0:
            raise _TooLong


def read_export(content: bytes, listed: Listed) -> Export | UnreadableExport:
    """The listed tables of the export, or the reason why it is unreadable. Never raises."""
    if len(content) > MAX_BYTES:
        return UnreadableExport("too-large")
    text = decode(content)
    if text is None:
        return UnreadableExport("encoding")
    document = _document(text.strip())
    if isinstance(document, UnreadableExport):
        return document
    by_name = {str(name).lower(): value for name, value in document.items()}
    tables = _tables(by_name, listed)
    if isinstance(tables, UnreadableExport):
        return tables
    return Export(tables, _generated_at(by_name.get(GENERATED_AT.lower())))


def _tables(
    by_name: Mapping[str, Any], listed: Listed
) -> dict[str, tuple[Row, ...]] | UnreadableExport:
    tables: dict[str, tuple[Row, ...]] = {}
    allowance = _Allowance()
    for table, properties in listed.items():
        try:
            rows = _rows(by_name.get(table.lower()), properties, allowance)
        except _TooShallow as error:
            return UnreadableExport("depth", f"{table}: {error}")
        except _TooLong:
            return UnreadableExport("too-many", table)
        if rows is not None:
            tables[table] = _distinct(rows)
    return tables or UnreadableExport("no-tables")


def _distinct(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows without repetitions: the script asks for some objects with several commands."""
    found: dict[bytes, Row] = {}
    for row in rows:
        text = json.dumps(row, sort_keys=True)
        found.setdefault(hashlib.sha256(text.encode()).digest(), row)
    return tuple(found.values())


def _document(text: str) -> Mapping[str, Any] | UnreadableExport:
    if not text:
        return UnreadableExport("empty")
    if text.startswith("<"):
        return _clixml_document(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        is_list = _FORMAT_LIST.match(text) is not None
        return UnreadableExport("format-list" if is_list else "not-json")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else UnreadableExport("no-tables")


def _clixml_document(text: str) -> Mapping[str, Any] | UnreadableExport:
    if "<Objs" not in text[:500]:
        return UnreadableExport("html")
    try:
        objects = read_clixml(text)
    except ClixmlError:
        return UnreadableExport("clixml")
    if len(objects) == 1 and isinstance(objects[0], dict):
        return objects[0]
    return UnreadableExport("no-tables")


def _rows(
    value: Any, properties: Mapping[str, PropertyType], allowance: _Allowance
) -> tuple[Row, ...] | None:
    """The rows of a table; None if the export does not have it.

    PowerShell prints a single object without a list, and an empty result as `[null]`. A plain null
    is no result: the cmdlet may have failed.
    """
    value = _unwrapped(value)
    if value is None:
        return None
    if isinstance(value, str):
        raise _TooShallow("the table is text")
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_ROWS:
        raise _TooLong
    rows: list[Row] = []
    for item in items:
        if item is None:
            continue
        if isinstance(item, str):
            raise _TooShallow("a row is text")
        if not isinstance(item, dict):
            return None
        rows.append(_row(item, properties, allowance))
    return tuple(rows)


def _row(
    item: Mapping[str, Any], properties: Mapping[str, PropertyType], allowance: _Allowance
) -> Row:
    allowance.charge(item)
    by_name = {str(name).lower(): value for name, value in item.items()}
    row: dict[str, Any] = {}
    for name, kind in properties.items():
        if name.lower() not in by_name:
            continue
        stored = by_name[name.lower()]
        allowance.charge(stored)
        unwrapped = _unwrapped(stored)
        if unwrapped is not stored:
            allowance.charge(unwrapped)
        value = _READERS[kind](name, unwrapped)
        if value is not None:
            row[name] = value
    return row


def _unwrapped(value: Any) -> Any:
    """Windows PowerShell 5.1 writes some lists as `{"value": […], "Count": n}`."""
    if isinstance(value, dict) and {str(key) for key in value} == {"value", "Count"}:
        return value["value"]
    return value


def _flag(name: str, value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = _as_text(value)
    return {"true": True, "false": False}.get(text.lower()) if text is not None else None


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return ""
    text = _as_text(value)
    if text is not None and _TRUNCATED.match(text):
        raise _TooShallow(name)
    return text


def _texts(name: str, value: Any) -> list[str] | None:
    """The texts of a list. A null is absent: Select-Object prints it for a property that an older
    version does not have."""
    if isinstance(value, str):
        # Below its depth limit, PowerShell joins the items of a list with spaces.
        if " " in value.strip() or _TRUNCATED.match(value):
            raise _TooShallow(name)
        text = _clean(value)
        return [text] if text else None
    if not isinstance(value, list):
        return None
    if len(value) > MAX_ITEMS:
        raise _TooLong
    texts = [_as_text(item) for item in value if item is not None]
    if any(text is None for text in texts):
        return None
    found = [text for text in texts if text]
    if any(_TRUNCATED.match(text) for text in found):
        raise _TooShallow(name)
    return found


def _as_text(value: Any) -> str | None:
    """A text, the name of an enumeration value, or the text of an object; None otherwise."""
    if isinstance(value, dict):
        value = value.get("Value", value.get(TEXT_KEY))
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _clean(str(value)[: MAX_TEXT + 1])


def _clean(text: str) -> str | None:
    """The text on one line, without invisible characters. A cut text would be another value."""
    if len(text) > MAX_TEXT:
        return None
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _count(name: str, value: Any) -> int | None:
    return len([item for item in value if item is not None]) if isinstance(value, list) else None


def _is_set(name: str, value: Any) -> bool | None:
    text = _text(name, value)
    return text not in ("", "<>") if text is not None else None


def _mail_domain(name: str, value: Any) -> str | None:
    text = _text(name, value)
    return text.lower().rpartition("@")[2].rstrip(">") if text is not None else None


def _generated_at(value: Any) -> datetime | None:
    """The time in UTC; None without an offset or a possible year."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_YEAR else None


_READERS = {
    PropertyType.FLAG: _flag,
    PropertyType.TEXT: _text,
    PropertyType.TEXTS: _texts,
    PropertyType.COUNT: _count,
    PropertyType.IS_SET: _is_set,
    PropertyType.MAIL_DOMAIN: _mail_domain,
}
