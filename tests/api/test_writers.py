"""Writers of lists have the results of the serializers of Django REST framework."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers

from tenants.models import User
from tenants.rest import writers
from tenants.rest.schema import SCHEMA
from tenants.rest.serializers import PersonSerializer, ResourceSerializer
from tests.access_matrix import create_one_of_each
from tests.api.clients import ApiClient, client_for
from tests.api.people_examples import is_for_administrators, prepare
from tests.factories import MakeTenant

PATHS: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["paths"]
LISTS = [
    path
    for path, operations in PATHS.items()
    if any(each["name"] == "cursor" for each in operations.get("get", {}).get("parameters", []))
]


def _drf(serializer: Any, rows: Iterable[Any]) -> Any:
    many = type(serializer)(list(rows), many=True, context=serializer.context)
    return json.loads(json.dumps(many.data, default=str))


def _all_of(client: ApiClient, url: str) -> str:
    """The address with every expandable field."""
    refused = client.get(f"{url}?expand=*").json()["errors"]["expand"][0]
    known = refused.partition("Known: ")[2].removesuffix(".")
    return f"{url}?page_size=200" + ("" if known == "none" else f"&expand={known}")


@pytest.mark.slow
def test_every_list_is_that_of_its_serializer(
    make_tenant: MakeTenant,
    consultant: User,
    administrator: User,
    tmp_path: Any,
    settings: Any,
    monkeypatch: Any,
) -> None:
    settings.FILES_DIR = tmp_path / "files"
    tenant = make_tenant("Northwind", domains=(("one.test", "primary"),))
    ids = create_one_of_each(tenant, consultant)
    prepare(tenant)
    usual, widest = (client_for(each, "administer") for each in (consultant, administrator))
    expected: list[Any] = []
    write: Callable[[Any, Any], Any] = writers.rows_of

    def both(serializer: Any, rows: Any) -> Any:
        expected.append(_drf(serializer, rows))
        return write(serializer, rows)

    monkeypatch.setattr(writers, "rows_of", both)
    different, lengths = {}, {}
    for path in LISTS:
        url = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)
        client = widest if is_for_administrators(path) else usual
        response = client.get(_all_of(client, url))
        assert response.status_code == 200, path
        found = response.json()["results"]
        lengths[path] = len(found)
        if found != expected[-1]:
            different[path] = (found, expected[-1])

    assert different == {}
    assert sum(length > 0 for length in lengths.values()) > len(LISTS) * 0.7


class _Everything(ResourceSerializer):
    """A field of each kind, with each kind of missing value."""

    text = serializers.CharField(read_only=True)
    number_as_text = serializers.CharField(source="number", read_only=True)
    number = serializers.IntegerField(read_only=True)
    flag = serializers.BooleanField(read_only=True)
    at = serializers.DateTimeField(read_only=True)
    day = serializers.DateField(read_only=True)
    by = PersonSerializer(read_only=True, allow_null=True)
    people = PersonSerializer(many=True, read_only=True)
    names = serializers.ListField(child=serializers.CharField(), read_only=True)
    deep = serializers.CharField(source="by.name", read_only=True, default=None, allow_null=True)
    optional = serializers.CharField(read_only=True, required=False)
    called = serializers.CharField(source="method", read_only=True)
    whole = serializers.SerializerMethodField()

    def get_whole(self, row: Any) -> str:
        return f"{self.context['prefix']}{type(row).__name__}"


PERSON = SimpleNamespace(public_id="x", name="Ada")
VALUES: dict[str, Any] = {
    "text": "a",
    "number": 7,
    "flag": True,
    "at": datetime(2026, 12, 1, 9, 30, 1, 5, tzinfo=UTC),
    "day": datetime(2026, 12, 1, tzinfo=UTC).date(),
    "by": PERSON,
    "people": [PERSON],
    "names": ["b"],
    "method": lambda: "result",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"by": None, "people": [], "names": []},
        {"text": None, "number": None, "flag": None, "at": None, "day": None},
        {"at": datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=5)))},
        {"flag": "no", "text": 5, "number": "8", "optional": "here"},
    ],
)
@pytest.mark.parametrize("kind", [SimpleNamespace, dict])
def test_fields_are_those_of_the_serializer(kind: Any, changes: dict[str, Any]) -> None:
    row = kind(**(VALUES | changes))
    context = {"prefix": ">"}

    found = writers.rows_of(_Everything(context=context), [row])

    assert found == [dict(_Everything(row, context=context).data)]
