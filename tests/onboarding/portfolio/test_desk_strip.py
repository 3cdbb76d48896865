"""The strip of the next 14 days: local days, and the readiness of each cutover."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.cutovers.planning_facts import load_planning_facts
from onboarding.cutovers.readiness import open_tasks_of
from onboarding.models import Cutover, CutoverStatus, Task
from onboarding.portfolio import risk_updates
from onboarding.portfolio.desk.strip import Strip, strip_of
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck
from tests.onboarding.portfolio.test_desk import DAY, HOUR, lead


@pytest.fixture
def led(make_tenant: MakeTenant, consultant: User, fixed_monday: Clock) -> Tenant:
    return lead(make_tenant(), consultant)


def strip(user: User) -> Strip:
    now = timezone.now()
    return strip_of(user, today=timezone.localdate(), now=now)


def shown(user: User) -> list[tuple[str, str, str]]:
    """The day, the shape and the label of each cutover."""
    return [
        (f"{day.day:%a} {day.day.day}", str(row.shape), row.label)
        for day in strip(user).days
        for row in day.cutovers
    ]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "Thu 3"), ("Pacific/Auckland", "Fri 4"), ("America/New_York", "Thu 3")],
)
def test_day_is_that_of_the_tenant(led: Tenant, consultant: User, zone: str, day: str) -> None:
    Tenant.objects.filter(pk=led.pk).update(time_zone=zone)
    cutover_of(led, "outbound", at("Thu 18:00"))

    assert [each[0] for each in shown(consultant)] == [day]


def test_strip_has_fourteen_days(led: Tenant, consultant: User) -> None:
    Tenant.objects.filter(pk=led.pk).update(time_zone="UTC")
    for days in (13, 14):
        cutover_of(led, "outbound" if days == 13 else "inbound", timezone.now() + days * DAY)

    assert len(strip(consultant).days) == 14
    assert [each[0] for each in shown(consultant)] == ["Sun 13"]


def test_open_window_of_last_night_is_today(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() - 3 * HOUR)

    assert [each[0] for each in shown(consultant)] == ["Mon 30"]


def test_past_window_is_not_shown(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() - 5 * HOUR)

    assert shown(consultant) == []


def test_open_tasks_are_counted(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() + 9 * DAY)

    ((_, shape, label),) = shown(consultant)

    assert (shape, label.split(maxsplit=1)[1]) == ("todo", "open tasks")
    assert int(label.split()[0]) > 3


def test_label_counts_the_tasks_of_the_room(led: Tenant, consultant: User) -> None:
    """The desk, the stored label of the calendar and the lists, and the room agree."""
    cutover = cutover_of(led, "outbound", timezone.now() + DAY)
    risk_updates.update([led.pk])

    ((_, shape, label),) = shown(consultant)

    facts, _ = load_planning_facts(cutover, list(cutover.domains.all()), now=timezone.now())
    assert label == f"{len(open_tasks_of(facts))} open tasks"
    assert CutoverStatus.objects.get(cutover=cutover).label == label
    assert shape == "fail"


def finish(tenant: Tenant, role: str) -> None:
    """Complete every task except the switch, with checks that pass."""
    Task.objects.filter(plan__tenant=tenant).exclude(role=role).update(status="done")
    Check.objects.filter(tenant=tenant).exclude(kind=CheckKind.MESSAGE).update(is_active=False)


def test_ready_cutover_passes(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() + DAY)
    finish(led, "switches-outbound")

    assert [each[1:] for each in shown(consultant)] == [("pass", "Ready")]


def test_stale_check_is_not_ready(led: Tenant, consultant: User, run_check: RunCheck) -> None:
    cutover_of(led, "outbound", timezone.now() + DAY)
    run_check(led, CheckKind.SPF, Verdict.PASS)
    finish(led, "switches-outbound")
    checked_at = timezone.now() - 9 * DAY
    Check.objects.filter(tenant=led, kind=CheckKind.SPF).update(
        is_active=True, checked_at=checked_at
    )

    assert [each[1:] for each in shown(consultant)] == [("unknown", "Unknown")]


def test_cutover_of_a_colleague_is_shown_to_the_approver(led: Tenant, consultant: User) -> None:
    colleague = User.objects.create_user("c@x.test", "pw", name="C", staff_role="consultant")
    cutover = cutover_of(led, "outbound", timezone.now() + 3 * DAY)
    assert shown(colleague) == []

    Cutover.objects.filter(pk=cutover.pk).update(mimecast_approver=colleague)

    assert [each[0] for each in shown(colleague)] == ["Thu 3"]


def test_next_window_is_the_first_one_ahead(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() - HOUR)
    cutover_of(led, "inbound", timezone.now() + 9 * DAY)

    assert strip(consultant).next_at == datetime(2026, 12, 9, 8, 0, tzinfo=UTC)
