"""The CSV file of the dashboard that a worker makes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from onboarding.portfolio import dashboard_csv, dashboard_rows
from onboarding.portfolio.tasks import make_dashboard_csv
from tenants.models import OutboxMessage, Tenant, User
from tests.factories import MakeTenant
from tests.markup import texts

SignIn = Callable[[User], Client]
ADDRESS = "onboarding:dashboard-csv"


@pytest.fixture
def tenants(
    make_tenant: MakeTenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> list[Tenant]:
    settings.REDIS_URL = "redis://cache.test"
    monkeypatch.setattr(dashboard_csv, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(dashboard_csv, "PART", 2)
    return [make_tenant(f"T{n}", domains=((f"t{n}.test", "primary"),)) for n in range(3)]


def _queued() -> list[list[Any]]:
    payloads = OutboxMessage.objects.values_list("payload", flat=True)
    return [p["args"] for p in payloads if p.get("task") == make_dashboard_csv.name]


def test_large_export_is_queued_once(
    tenants: list[Tenant], manager: User, signed_in: SignIn
) -> None:
    client = signed_in(manager)

    pages = [client.get(reverse(ADDRESS) + "?q=T") for _ in range(2)]

    assert _queued() == [[manager.pk, "q=T"]]
    assert [texts(page.content.decode(), "#export-status") for page in pages] == [
        ["Waiting for a worker."]
    ] * 2


def test_finished_export_equals_streamed_file(
    tenants: list[Tenant], manager: User, signed_in: SignIn, settings: Any
) -> None:
    client = signed_in(manager)
    client.get(reverse(ADDRESS))

    make_dashboard_csv(manager.pk, "")
    made = client.get(reverse(ADDRESS))
    settings.REDIS_URL = ""
    streamed = client.get(reverse(ADDRESS))

    assert made["Content-Type"] == streamed["Content-Type"] == "text/csv; charset=utf-8"
    assert made.content == streamed.getvalue()
    assert [row["Tenant"] for row in csv.DictReader(made.content.decode().splitlines())] == [
        "T0",
        "T1",
        "T2",
    ]


def test_open_page_shows_progress_and_link(
    tenants: list[Tenant], manager: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, shown = signed_in(manager), []

    def poll() -> str:
        return client.get(reverse(ADDRESS), headers={"HX-Request": "true"}).content.decode()

    rows = dashboard_rows.dashboard_rows

    def rows_with_poll(part: list[Tenant]) -> Any:
        shown.append(texts(poll(), "#export-status"))
        return rows(part)

    poll()
    monkeypatch.setattr(dashboard_csv, "dashboard_rows", rows_with_poll)
    make_dashboard_csv(manager.pk, "")
    finished = poll()

    assert shown == [["Waiting for a worker."], ["2 of 3 tenants written."]]
    assert texts(finished, "a") == ["Download CSV"]
    assert "hx-trigger" not in finished


def test_export_of_other_person_is_separate(
    tenants: list[Tenant], manager: User, administrator: User, signed_in: SignIn
) -> None:
    make_dashboard_csv(manager.pk, "")

    page = signed_in(administrator).get(reverse(ADDRESS))

    assert "text/html" in page["Content-Type"]
    assert _queued() == [[administrator.pk, ""]]


def test_changed_role_makes_a_new_export(
    tenants: list[Tenant], manager: User, signed_in: SignIn
) -> None:
    make_dashboard_csv(manager.pk, "")
    manager.staff_role = User.StaffRole.ADMINISTRATOR
    manager.save(update_fields=["staff_role"])

    page = signed_in(manager).get(reverse(ADDRESS))

    assert "text/html" in page["Content-Type"]


def test_lost_export_is_queued_again(
    tenants: list[Tenant], manager: User, signed_in: SignIn
) -> None:
    client = signed_in(manager)
    client.get(reverse(ADDRESS))
    # The entry has expired without a report of the worker.
    cache.clear()

    client.get(reverse(ADDRESS))

    assert len(_queued()) == 2


def test_second_worker_keeps_a_finished_file(
    tenants: list[Tenant], manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dashboard_csv(manager.pk, "")
    made = dashboard_csv.export_of(manager, "")
    monkeypatch.setattr(dashboard_csv, "dashboard_rows", None)

    make_dashboard_csv(manager.pk, "")

    assert dashboard_csv.export_of(manager, "") == made
