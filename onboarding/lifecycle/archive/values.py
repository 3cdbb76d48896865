"""The values of columns as JSON, and back with strict types. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Field

# Later times overflow, or count the working days of centuries, also on pages with other tenants.
_FIRST_YEAR, _LAST_YEAR = 2000, 2099

if TYPE_CHECKING:
    AnyField = Field[Any, Any]
else:
    AnyField = Field


class InvalidColumnValue(ValueError):
    """The value is not one of the column. The message completes the name of the column."""


def to_json(field: AnyField, value: Any) -> Any:
    """The value of a column as plain JSON. Times are UTC with microseconds."""
    if isinstance(field, models.BinaryField):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


def from_json(field: AnyField, value: Any) -> Any:
    """The value of a column. Raises InvalidColumnValue for a wrong type, length or choice."""
    if isinstance(field, models.JSONField):
        # JSON's null in a column that permits it is the database's NULL, as Django stores None.
        return value
    if value is None:
        if not field.null:
            raise InvalidColumnValue("must not be null")
        return None
    read = next((read for kind, read in _READERS.items() if isinstance(field, kind)), None)
    assert read is not None, f"no reader for {field}"
    found = read(value)
    _validate(field, found)
    return found


def _validate(field: AnyField, value: Any) -> None:
    known = {each for each, _ in field.flatchoices} if field.choices else {value}
    if value not in known and not (value == "" and field.blank):
        raise InvalidColumnValue("is no known choice")
    try:
        field.run_validators(value)
    except ValidationError as error:
        raise InvalidColumnValue(f"is invalid: {error.messages[0]}") from error


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidColumnValue("is not true or false")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidColumnValue("is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidColumnValue("is no text")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as error:
        raise InvalidColumnValue("is no base64 text") from error


def _datetime(value: Any) -> datetime:
    found: datetime = _within_years(_parsed(datetime.fromisoformat, value))
    if found.utcoffset() is None:
        raise InvalidColumnValue("is a time without its offset from UTC")
    return found.astimezone(UTC)


def _date(value: Any) -> date:
    found: date = _within_years(_parsed(date.fromisoformat, value))
    return found


def _within_years(value: Any) -> Any:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise InvalidColumnValue(f"is not in the years from {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def _parsed(parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(_text(value))
    except ValueError as error:
        raise InvalidColumnValue("is no date or time in ISO 8601") from error


# DateTimeField is a subclass of DateField, so it comes first.
_READERS: Mapping[type[AnyField], Callable[[Any], Any]] = MappingProxyType(
    {
        models.BooleanField: _boolean,
        models.IntegerField: _integer,
        models.CharField: _text,
        models.TextField: _text,
        models.DateTimeField: _datetime,
        models.DateField: _date,
        models.TimeField: lambda value: _parsed(time.fromisoformat, value),
        models.BinaryField: _bytes,
    }
)
