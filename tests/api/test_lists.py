"""Lists: cursors, order, filters, sparse fields, expansion and query counts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from onboarding.models import Task
from tenants.models import Tenant
from tests.api.clients import ApiClient
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
