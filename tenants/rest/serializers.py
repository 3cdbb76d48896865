"""Base classes of serializers: sparse fields, expansion, and the rejection of unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import QueryDict
from rest_framework import serializers

from tenants.rest.problems import invalid


@dataclass(frozen=True)
class Selection:
    """The requested fields of a resource, and its expanded ones. Empty `fields` means all."""

    fields: frozenset[str] = frozenset()
    expand: frozenset[str] = frozenset()

    @classmethod
    def read(cls, query: QueryDict, serializer: type[ResourceSerializer]) -> Selection:
        """Read `fields` and `expand`. Raises a 422 error that names each unknown one."""
        known = set(serializer._declared_fields)
        fields = _names(query, "fields", known)
        expand = _names(query, "expand", set(serializer.expandable))
        return cls(fields, expand)

    def includes(self, name: str, *, is_expandable: bool) -> bool:
        if is_expandable and name not in self.expand:
            return False
        return not self.fields or name in self.fields or name in self.expand


def _names(query: QueryDict, parameter: str, known: set[str]) -> frozenset[str]:
    names = {each.strip() for each in query.get(parameter, "").split(",")} - {""}
    unknown = sorted(names - known)
    if unknown:
        choices = ", ".join(sorted(known)) or "none"
        raise invalid({parameter: [f"Unknown: {', '.join(unknown)}. Known: {choices}."]})
    return frozenset(names)


class ResourceSerializer(serializers.Serializer[Any]):
    """A resource in a response. Its `expandable` fields appear only on request."""

    expandable: ClassVar[frozenset[str]] = frozenset()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        selection = self.context.get("selection")
        if selection is None or not self._is_root:
            is_nested = selection is not None
            return {k: f for k, f in fields.items() if not (is_nested and k in self.expandable)}
        return {
            name: field
            for name, field in fields.items()
            if selection.includes(name, is_expandable=name in self.expandable)
        }

    @property
    def _is_root(self) -> bool:
        parent: Any = self.parent
        is_in_list = isinstance(parent, serializers.ListSerializer)
        return parent is None or (is_in_list and parent.parent is None)


class InputSerializer(serializers.Serializer[Any]):
    """The body of a request. Rejects unknown fields by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name: ["Unknown field."] for name in unknown})
            wrong = {
                name: [sentence]
                for name, value in data.items()
                if (sentence := _type_error(self.fields[name], value))
            }
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


# DRF would convert a number to a text, and "no" to false.
_TYPES: tuple[tuple[Any, type, str], ...] = (
    (serializers.BooleanField, bool, "Enter true or false."),
    (serializers.IntegerField, int, "Enter a whole number."),
    (serializers.ChoiceField, str, "Enter a text."),
    (serializers.CharField, str, "Enter a text."),
)


def _type_error(field: Any, value: Any) -> str:
    """The sentence about a JSON type that the schema does not permit; empty for a permitted one."""
    if value is None:
        return ""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next(filter(None, (_type_error(field.child, each) for each in value)), "")
    if isinstance(field, serializers.DictField) and isinstance(value, dict):
        return next(filter(None, (_type_error(field.child, each) for each in value.values())), "")
    for kind, wanted, sentence in _TYPES:
        if isinstance(field, kind):
            is_boolean = isinstance(value, bool) and wanted is int
            return "" if isinstance(value, wanted) and not is_boolean else sentence
    return ""


class PersonSerializer(ResourceSerializer):
    """A person, by name."""

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
