"""The stored risks: tile, filter, list, badge, CSV file and API agree, and follow the facts."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import F
from django.test import Client
from django.utils import timezone

from checks.models import Check
from onboarding.models import Cutover, Drift, Plan, PlanRisk, Task
from onboarding.plans.rollup import recompute_rollup
from onboarding.portfolio import risk_updates
from onboarding.portfolio.risk_list import shown_risks
from onboarding.portfolio.risks import risks_of
from tenants.models import Tenant, User
from tests.api.clients import client_for
from tests.clock import frozen
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn

DAY = timedelta(days=1)
READS = 27


def codes(tenant: Tenant) -> list[str]:
    return list(PlanRisk.objects.filter(plan=tenant.plan).values_list("code", flat=True))


def regress(tenant: Tenant) -> None:
    task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[1]
    Task.objects.filter(pk=task.pk).update(regressed_at=timezone.now())
    recompute_rollup(Plan.objects.get(tenant=tenant))


def _fail(tenant: Tenant) -> None:
    Check.objects.filter(tenant=tenant, kind="spf").update(
        settled_verdict="fail", is_misconfigured=True, checked_at=timezone.now()
    )


def _drift(tenant: Tenant) -> None:
    Drift.objects.create(
        tenant=tenant,
        kind=Drift.Kind.REGION_CHANGED,
        subject=tenant.region,
        opened_at=timezone.now(),
    )


def _overdue(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", timezone.now() - DAY)


def _soon(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", timezone.now() + DAY)


def _close(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())


CHANGES = (regress, _fail, _drift, _overdue, _soon, _close)


@pytest.mark.slow
def test_every_place_agrees(make_tenant: MakeTenant, consultant: User, signed_in: SignIn) -> None:
    chosen = random.Random(7)
    tenants = [make_tenant(f"T{number}", ((f"t{number}.test", "primary"),)) for number in range(12)]
    for tenant in tenants:
        for change in chosen.sample(CHANGES, chosen.randint(0, 3)):
            change(tenant)
    Plan.objects.update(revision=F("revision") + 1)
    client = signed_in(consultant)

    page = client.get("/dashboard/?show=risk").content.decode()
    everything = client.get("/dashboard/").content.decode()
    closed = client.get("/dashboard/?show=closed").content.decode()
    assert "data-at-risk" not in closed
    rows = client_for(consultant).get("risks/?page_size=200").json()["results"]

    expected = set(PlanRisk.objects.values_list("plan__tenant__public_id", flat=True))
    tile = re.search(r"At risk</span>\s*<span class=\"figure-number\">(\d+)<", page)
    assert tile is not None
    assert 3 < len(expected) < 12
    assert int(tile[1]) == len(expected)
    assert {row["tenant"] for row in rows} == expected
    listed = page[page.index('id="at-risk"') : page.index('id="phases-title"')]
    assert set(re.findall(r'class="name" href="/t/([^/]+)/"', listed)) <= expected
    table = page[page.index('id="list"') :]
    assert set(re.findall(r'class="name" href="/t/([^/]+)/"', table)) == expected
    assert everything.count("data-at-risk") == len(expected)
    assert table.count("data-at-risk") == len(expected)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (regress, "regressed"),
        (_fail, "failing"),
        (_drift, "drift"),
        (_overdue, "overdue"),
        (_soon, "blocked"),
        (_soon, "late"),
        (_soon, "no-approver"),
        (_soon, "no-on-call"),
    ],
)
def test_fact_becomes_a_risk(tenant: Tenant, change: Any, code: str) -> None:
    risk_updates.update([tenant.pk])
    assert code not in codes(tenant)

    change(tenant)
    risk_updates.update([tenant.pk])

    assert code in codes(tenant)


def test_red_status_is_at_risk(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    """Every tenant with a red badge is in the list of risks."""
    for number, change in enumerate((regress, _fail, _drift, _overdue)):
        change(make_tenant(f"T{number}", ((f"t{number}.test", "primary"),)))
    Plan.objects.update(revision=F("revision") + 1)

    page = signed_in(consultant).get("/dashboard/?show=risk").content.decode()

    assert page[page.index('id="list"') :].count('data-verdict="fail"') >= 4
    assert page.count("data-at-risk") == 4


def test_reason_keeps_its_start_and_changes_the_page_once(tenant: Tenant) -> None:
    _overdue(tenant)
    risk_updates.update([tenant.pk])
    first = PlanRisk.objects.get(plan=tenant.plan, code="overdue").since
    revision = Plan.objects.get(tenant=tenant).revision

    risk_updates.update([tenant.pk])
    assert Plan.objects.get(tenant=tenant).revision == revision

    regress(tenant)
    risk_updates.update([tenant.pk])
    assert PlanRisk.objects.get(plan=tenant.plan, code="overdue").since == first
    Cutover.objects.filter(plan=tenant.plan).update(planned_at=timezone.now() + 90 * DAY)
    risk_updates.update([tenant.pk])
    assert codes(tenant) == ["regressed"]


def test_outdated_rows_are_computed_again(tenant: Tenant) -> None:
    def is_outdated() -> bool:
        return risk_updates.with_outdated_risks(Plan.objects.all(), now=timezone.now()).exists()

    assert is_outdated()
    risk_updates.update([tenant.pk])
    assert not is_outdated()
    tenant.plan.touch()
    assert is_outdated()
    risk_updates.update([tenant.pk])
    Plan.objects.update(risks_valid_until=timezone.now())
    assert is_outdated()


def test_change_during_the_computation_stays_outdated(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute_slowly(*facts: Any, **options: Any) -> Any:
        tenant.plan.touch()
        return risks_of(*facts, **options)

    monkeypatch.setattr(risk_updates, "risks_of", compute_slowly)
    risk_updates.update([tenant.pk])

    assert risk_updates.with_outdated_risks(Plan.objects.all(), now=timezone.now()).exists()


def test_page_survives_a_database_that_refuses_writes(
    tenant: Tenant, consultant: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise DatabaseError("read-only")

    monkeypatch.setattr(risk_updates, "_store", refuse)

    assert signed_in(consultant).get("/dashboard/").status_code == 200


@pytest.mark.parametrize("number", [1, 5])
def test_query_count_is_constant(
    make_tenant: MakeTenant, django_assert_num_queries: Any, number: int
) -> None:
    tenants = [make_tenant(f"T{n}", ((f"t{n}.test", "primary"),)) for n in range(number)]
    ids = [tenant.pk for tenant in tenants]
    risk_updates.update(ids)

    # Reading, and eight queries to store the unchanged result of each tenant.
    with django_assert_num_queries(READS + 8 * number):
        risk_updates.update(ids)


def test_manager_sees_risks_of_followed_consultants(
    make_tenant: MakeTenant, manager: User, consultant: User, client: Client
) -> None:
    other = User.objects.create_user("o@gangway.test", "pw", name="Other", staff_role="consultant")
    for owner in (consultant, other):
        tenant = make_tenant(owner.name, ((f"{owner.pk}.test", "primary"),))
        Tenant.objects.filter(pk=tenant.pk).update(consultant=owner)
        regress(tenant)
    manager.followed_consultants.add(consultant)

    rows = client_for(manager).get("risks/").json()["results"]

    names = {Tenant.objects.get(public_id=row["tenant"]).name for row in rows}
    assert names == {consultant.name}


def test_links_lead_to_pages(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    for change in (regress, _fail, _drift, _overdue):
        change(tenant)
    Task.objects.filter(plan__tenant=tenant, role="directory").update(
        waiting_on="client", waiting_since=timezone.now() - 30 * DAY
    )
    risk_updates.update([tenant.pk])
    client = signed_in(consultant)

    found = shown_risks(Tenant.objects.select_related("plan").get(pk=tenant.pk))

    assert {risk.code for risk in found} >= {"regressed", "failing", "drift", "overdue", "waiting"}
    assert {client.get(risk.url).status_code for risk in found} == {200}


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", 7), ("Asia/Tokyo", 8), ("Pacific/Kiritimati", 8)]
)
def test_calendar_has_the_day_of_the_tenant(
    tenant: Tenant, consultant: User, signed_in: SignIn, zone: str, day: int
) -> None:
    """A window on 8 December at 00:00 UTC begins on Monday evening in New York."""
    Tenant.objects.filter(pk=tenant.pk).update(time_zone=zone)
    with frozen(datetime(2026, 12, 1, 9, tzinfo=UTC)):
        cutover_of(tenant, "outbound", datetime(2026, 12, 8, tzinfo=UTC))
        client = signed_in(consultant)
        days = client.get("/dashboard/").content.decode()
        lists = {
            n: tenant.name in _table(client.get(f"/dashboard/?day=2026-12-{n:02}")) for n in (7, 8)
        }

    found = re.findall(r'first=2026-12-(\d+)&amp;days=1"', days)
    assert found == [f"{day:02}"]
    assert lists == {7: day == 7, 8: day == 8}


def _table(response: Any) -> str:
    page: str = response.content.decode()
    listed = page[page.index('id="list"') :]
    return listed[listed.index("<tbody>") :] if "<tbody>" in listed else ""
