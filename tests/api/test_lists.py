"""Lists: cursors, order, filters, sparse fields, expansion and query counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from onboarding.models import Contact, Task
from tenants.models import Tenant, User
from tenants.rest.schema import SCHEMA
from tests.access_matrix import create_one_of_each
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant


def results(api: ApiClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(path).json()["results"]
    return found


@pytest.fixture
def tasks(tenant: Tenant) -> str:
    return f"tenants/{tenant.public_id}/tasks/"


def test_cursor_visits_every_task_once(api: ApiClient, tasks: str, tenant: Tenant) -> None:
    seen, path = [], f"{tasks}?page_size=7&ordering=status&fields=id"
    while path:
        page = api.get(path).json()
        seen += [each["id"] for each in page["results"]]
        path = (page["next"] or "").removeprefix("http://testserver")

    stored = Task.objects.filter(plan__tenant=tenant).values_list("public_id", flat=True)
    assert sorted(seen) == sorted(stored)


def test_sparse_fields_are_the_requested_ones(api: ApiClient, tasks: str) -> None:
    found = results(api, f"{tasks}?fields=id,status&page_size=1")

    assert [sorted(each) for each in found] == [["id", "status"]]


def test_expansion_adds_checks(api: ApiClient, tasks: str) -> None:
    plain = results(api, f"{tasks}?page_size=200")
    found = results(api, f"{tasks}?page_size=200&expand=checks")

    assert not any("checks" in each for each in plain)
    assert {each["kind"] for task in found for each in task["checks"]} >= {"spf", "mx"}


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("status=todo", {"status": "todo"}),
        ("status=todo&status=not_applicable", {"status__in": ["todo", "not_applicable"]}),
        ("waiting_on=client", {"waiting_on__in": ["client", "both"]}),
        ("due_before=2100-01-01", {"due_on__lt": "2100-01-01"}),
        ("phase=onboarding-review", {"phase__key": "onboarding-review"}),
    ],
)
def test_filters_select_the_stored_rows(
    api: ApiClient, tasks: str, tenant: Tenant, query: str, condition: dict[str, Any]
) -> None:
    wanted = Task.objects.filter(plan__tenant=tenant, **condition)

    found = {each["id"] for each in results(api, f"{tasks}?{query}&page_size=200")}

    assert found == set(wanted.values_list("public_id", flat=True))
    assert found


def test_changed_since_excludes_earlier_changes(api: ApiClient, tasks: str) -> None:
    now = timezone.now().isoformat().replace("+", "%2B")

    assert results(api, f"{tasks}?changed_since={now}") == []


def test_times_are_utc(api: ApiClient, tasks: str) -> None:
    (first,) = results(api, f"{tasks}?page_size=1")

    assert first["status_changed_at"].endswith("Z")


def test_ids_are_public(api: ApiClient, tasks: str, tenant: Tenant) -> None:
    keys = set(Task.objects.filter(plan__tenant=tenant).values_list("pk", flat=True))

    found = results(api, f"{tasks}?page_size=200&expand=checks,domains,transitions")

    assert not keys & {each["id"] for each in found}


# The literal number of queries, the same for one row and for fifty.
QUERIES = {
    "tasks/?page_size={}": 2,
    "tenants/{{}}/tasks/?page_size={}&expand=checks,transitions": 14,
    "tenants/{{}}/tasks/?page_size={}&expand=checks": 8,
    "tenants/{{}}/tasks/?page_size={}&fields=id": 5,
    "tenants/{{}}/activity/?page_size={}": 3,
    "tenants/{{}}/checks/?page_size={}": 3,
    "tenants/?page_size={}": 3,
}


@pytest.mark.parametrize("path", QUERIES)
def test_query_count_is_constant(
    api: ApiClient, tenant: Tenant, make_tenant: MakeTenant, path: str
) -> None:
    make_tenant("Other", domains=(("other.test", "primary"),))
    api.get("me/")
    counts = [_count(api, path.format(size).format(tenant.public_id)) for size in (1, 50)]

    assert counts == [QUERIES[path]] * 2


def _count(api: ApiClient, path: str) -> int:
    cache.clear()  # of safe times, which the first request stores
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert api.get(path).status_code == 200
    return len(captured)


def test_lists_filter_by_status_and_changes() -> None:
    """Every list whose rows have a status or the time of their last change."""
    names = {"status": "status", "changed_at": "changed_since"}
    stored = json.loads(SCHEMA.read_text(encoding="utf-8"))
    missing = []
    for path, operations in stored["paths"].items():
        parameters = {each["name"] for each in operations.get("get", {}).get("parameters", [])}
        if "cursor" in parameters:
            fields = set(_fields_of_rows(stored, operations["get"])) & set(names)
            missing += [path for each in fields if names[each] not in parameters]

    assert missing == []


def _fields_of_rows(stored: Any, operation: Any) -> list[str]:
    media = operation["responses"]["200"]["content"]["application/json"]
    schemas = stored["components"]["schemas"]
    page = schemas[media["schema"]["$ref"].rpartition("/")[2]]
    row = page["properties"]["results"]["items"]["$ref"].rpartition("/")[2]
    return list(schemas[row]["properties"])


def test_messages_are_filtered_by_status(
    tenant: Tenant, consultant: User, administrator: User, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path
    ids = create_one_of_each(tenant, consultant)
    path = f"webhooks/{ids['common_webhook_id']}/messages/"
    api = client_for(administrator, "administer")

    found = {
        status: [each["id"] for each in results(api, f"{path}?status={status}")]
        for status in ("delivered", "failed")
    }

    assert found == {"delivered": [ids["common_message_id"]], "failed": []}


def test_contacts_are_filtered_by_their_change(api: ApiClient, tenant: Tenant) -> None:
    Contact.objects.create(tenant=tenant, role="dns", name="Dana North", email="d@one.test")

    found = [
        results(api, f"tenants/{tenant.public_id}/contacts/?changed_since={day}")
        for day in ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
    ]

    assert [len(each) for each in found] == [1, 0]
