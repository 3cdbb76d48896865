"""The files of lists that a worker makes, for the CSV file of the dashboard."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from celery import current_app
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from onboarding.models import SavedView
from onboarding.portfolio import dashboard_rows, list_exports
from onboarding.portfolio.list_exports import ExportRequest
from onboarding.portfolio.tasks import make_list_file
from tenants.models import Membership, OutboxMessage, Tenant, User
from tests.factories import MakeTenant
from tests.markup import texts

SignIn = Callable[[User], Client]
ADDRESS = "onboarding:dashboard-csv"


@pytest.fixture
def tenants(
    make_tenant: MakeTenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> list[Tenant]:
    settings.REDIS_URL = "redis://cache.test"
    monkeypatch.setattr(list_exports, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(list_exports, "PART", 2)
    return [make_tenant(f"T{n}", domains=((f"t{n}.test", "primary"),)) for n in range(3)]


def _file_of(user: User) -> list[Any]:
    """The arguments of the task."""
    return [user.pk, "dashboard", "", "csv"]


def _replace_rows(monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    exported = replace(list_exports.LISTS["dashboard"], rows=rows)
    monkeypatch.setitem(list_exports.LISTS, "dashboard", exported)


def _queued() -> list[list[Any]]:
    payloads = OutboxMessage.objects.values_list("payload", flat=True)
    return [p["args"] for p in payloads if p.get("task") == make_list_file.name]


def test_large_export_is_queued_once(
    tenants: list[Tenant], manager: User, signed_in: SignIn
) -> None:
    client = signed_in(manager)

    pages = [client.get(reverse(ADDRESS) + "?q=T") for _ in range(2)]

    assert _queued() == [[manager.pk, "dashboard", "q=T", "csv"]]
    assert [texts(page.content.decode(), "#export-status") for page in pages] == [
        ["Waiting for a worker."]
    ] * 2


def test_finished_export_equals_streamed_file(
    tenants: list[Tenant], manager: User, signed_in: SignIn, settings: Any
) -> None:
    client = signed_in(manager)
    client.get(reverse(ADDRESS))

    make_list_file(*_file_of(manager))
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
    _replace_rows(monkeypatch, rows_with_poll)
    make_list_file(*_file_of(manager))
    finished = poll()

    assert shown == [["Waiting for a worker."], ["2 of 3 tenants written."]]
    assert texts(finished, "a") == ["Download CSV"]
    assert "hx-trigger" not in finished


def test_export_of_other_person_is_separate(
    tenants: list[Tenant], manager: User, administrator: User, signed_in: SignIn
) -> None:
    make_list_file(*_file_of(manager))

    page = signed_in(administrator).get(reverse(ADDRESS))

    assert "text/html" in page["Content-Type"]
    assert _queued() == [_file_of(administrator)]


def test_changed_role_makes_a_new_export(
    tenants: list[Tenant], manager: User, signed_in: SignIn
) -> None:
    make_list_file(*_file_of(manager))
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
    make_list_file(*_file_of(manager))
    made = list_exports.export_of(ExportRequest(manager, "dashboard", "", "csv"))
    _replace_rows(monkeypatch, None)

    make_list_file(*_file_of(manager))

    assert list_exports.export_of(ExportRequest(manager, "dashboard", "", "csv")) == made


def test_changed_access_or_view_makes_a_new_file(
    tenants: list[Tenant], manager: User, consultant: User
) -> None:
    view = SavedView.objects.create(owner=manager, name="Mine", query="q=a")
    by_view = ExportRequest(manager, "tenants", f"view={view.public_id}", "csv")
    keys = [by_view.key]

    SavedView.objects.filter(pk=view.pk).update(query="q=b")
    keys.append(by_view.key)
    manager.followed_consultants.add(consultant)
    keys.append(by_view.key)
    Membership.objects.create(tenant=tenants[0], user=manager, role="member")
    keys.append(by_view.key)

    assert (len(set(keys)), by_view.key) == (4, keys[-1])


def test_message_with_the_earlier_name_makes_the_file(tenants: list[Tenant], manager: User) -> None:
    current_app.tasks["onboarding.make_dashboard_csv"](manager.pk, "")

    made = list_exports.export_of(ExportRequest(manager, "dashboard", "", "csv"))
    assert made is not None
    assert made.content
