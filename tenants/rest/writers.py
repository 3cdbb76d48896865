"""Writers of lists: the representation of a serializer, prepared once instead of for each row.

DRF builds a serializer for each nested object and asks each field for its value in three calls. A
writer has one callable for each field. Its results are those of the serializer: a test compares
them for every list of the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist
from rest_framework import serializers
from rest_framework.fields import SkipField

from tenants.rest.serializers import Selection

Write = Callable[[Any], Any]
_NONE = object()


def rows_of(
    serializer: serializers.BaseSerializer[Any], rows: Iterable[Any]
) -> list[dict[str, Any]]:
    """The representation of each row by this serializer."""
    selection = serializer.context.get("selection")
    found = cast(serializers.Serializer[Any], serializer)
    write = writer_of(found) if selection is None else _selected(type(found), selection)
    return [write(row) for row in rows]


@lru_cache(maxsize=256)
def _selected(kind: type[serializers.Serializer[Any]], selection: Selection) -> Write:
    """The writer for a selection of fields, on which alone the fields of a resource depend."""
    return writer_of(kind(context={"selection": selection}))


def writer_of(serializer: serializers.Serializer[Any]) -> Write:
    """The function from an object to its representation by this serializer."""
    fields = [(str(field.field_name), _value(field)) for field in serializer._readable_fields]

    def write(row: Any) -> dict[str, Any]:
        found = {}
        for name, value in fields:
            result = value(row)
            if result is not _NONE:
                found[name] = result
        return found

    return write


@cache
def writer_for(kind: type[serializers.Serializer[Any]]) -> Write:
    """The writer of a serializer that needs no context. It remains for the process."""
    return writer_of(kind())


def _value(field: Any) -> Write:
    """The function from an object to the value of this field in its representation."""
    if isinstance(field, serializers.SerializerMethodField):
        method: Write = getattr(field.parent, str(field.method_name))
        return method
    read, represent = _reader(field), _representation(field)

    def value(row: Any) -> Any:
        try:
            found = read(row)
        except SkipField:
            return _NONE
        return None if found is None else represent(found)

    return value


def _reader(field: Any) -> Write:
    """The function from an object to the attribute that is the source of this field."""
    if not field.source_attrs:
        return lambda row: row
    fast = attrgetter(".".join(field.source_attrs))

    def read(row: Any) -> Any:
        try:
            found = fast(row)
        except (AttributeError, KeyError, ObjectDoesNotExist):
            # A mapping, or a missing object with a default.
            return field.get_attribute(row)
        return field.get_attribute(row) if callable(found) else found

    return read


def _representation(field: Any) -> Write:
    """The function from a value that is not None to its representation."""
    represent: Write = field.to_representation
    if isinstance(field, serializers.ListSerializer):
        write = writer_of(cast(serializers.Serializer[Any], field.child))
        return lambda rows: [write(row) for row in (rows.all() if hasattr(rows, "all") else rows)]
    if isinstance(field, serializers.Serializer):
        return writer_of(field)
    match type(field):
        case serializers.CharField:
            return str
        case serializers.BooleanField:
            return lambda value: value if value is True or value is False else represent(value)
        case serializers.DateTimeField if not hasattr(field, "format"):
            return lambda value: _utc_text(value) or represent(value)
    return represent


def _utc_text(value: Any) -> str:
    """The time in UTC in ISO 8601 as DRF writes it; empty for a value without an offset."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return ""
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
