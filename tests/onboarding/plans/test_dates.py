"""Due dates, slip, and the side that a task waits for."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.cutovers.planning import change_cutover, plan_cutover
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tenants import record_profile_change
from onboarding.models import Cutover, Holiday, Plan, Task, WaitingPeriod
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import (
    calendar_of,
    days_late,
    due_date_shifts,
    save_original_schedule,
    set_due_date,
    slip,
    update_due_dates,
)
from onboarding.plans.services import confirm_task, make_transition
from onboarding.plans.transitions import Actor
from onboarding.plans.waiting_on import waiting_days_by_side
from tenants.models import Tenant, User
from tests.factories import SignIn, fill_fields, task_of

# A Thursday evening in the tenant's time zone.
OUTBOUND = datetime(2027, 3, 4, 19, 0, tzinfo=UTC)
LIBRARY = "end-user-asset-library"
UTC_CALENDAR = Calendar(zoneinfo.ZoneInfo("UTC"))


def due(tenant: Tenant, key: str) -> date | None:
    return task_of(tenant, key).due_on


def plan_of(tenant: Tenant) -> Plan:
    return Plan.objects.get(tenant=tenant)


def plan_outbound(tenant: Tenant, *, by: User) -> Cutover:
    return plan_cutover(plan_of(tenant), "outbound", OUTBOUND, tenant.domains.all(), by=by)


def move(cutover: Cutover, days: int, *, by: User) -> None:
    cutover.refresh_from_db()
    domains = list(cutover.domains.all())
    later = OUTBOUND + timedelta(days=days)
    change_cutover(cutover, later, domains, expected_round=cutover.round, by=by)


def test_due_dates_follow_cutovers(tenant: Tenant, consultant: User) -> None:
    assert due(tenant, "spf-update") is None

    plan_outbound(tenant, by=consultant)

    assert due(tenant, "outbound-cutover") == date(2027, 3, 4)
    assert due(tenant, "spf-update") == date(2027, 3, 1)
    assert due(tenant, "mx-record-cutover") is None


def test_cutover_edit_previews_due_dates(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = plan_outbound(tenant, by=consultant)
    url = reverse("onboarding:cutover-edit", args=[tenant.public_id, cutover.public_id])
    chosen = tenant.domains.get().public_id
    later = {"planned_at": "2027-03-09T19:00", "domains": chosen, "round": "1"}

    preview = signed_in(consultant).post(url, later)

    text = preview.content.decode()
    assert "Nothing has changed yet." in text
    assert "Thu 4 Mar 2027" in text
    assert "Tue 9 Mar 2027" in text
    assert due(tenant, "outbound-cutover") == date(2027, 3, 4)

    shown = preview.context["window"].preview.fingerprint
    signed_in(consultant).post(url, later | {"confirmed": shown})
    assert due(tenant, "outbound-cutover") == date(2027, 3, 9)


def test_manual_due_date_until_reset(tenant: Tenant, consultant: User) -> None:
    cutover = plan_outbound(tenant, by=consultant)
    set_due_date(task_of(tenant, "spf-update"), date(2027, 2, 1), by=consultant)

    move(cutover, 7, by=consultant)
    assert due(tenant, "spf-update") == date(2027, 2, 1)

    set_due_date(task_of(tenant, "spf-update"), None, by=consultant)
    assert due(tenant, "spf-update") == date(2027, 3, 8)


def test_holiday_moves_due_dates(tenant: Tenant, consultant: User) -> None:
    plan_outbound(tenant, by=consultant)
    Holiday.objects.create(tenant=tenant, day=date(2027, 3, 2), name="Carnival")

    assert update_due_dates(plan_of(tenant)) > 0

    assert due(tenant, "spf-update") == date(2027, 2, 26)
    assert due_date_shifts(plan_of(tenant)) == []


def test_slip_from_original_schedule(tenant: Tenant, consultant: User) -> None:
    Task.objects.filter(plan__tenant=tenant).update(due_on=None)
    with pytest.raises(OnboardingError, match="Plan the cutovers first"):
        save_original_schedule(plan_of(tenant), by=consultant)

    cutover = plan_outbound(tenant, by=consultant)
    save_original_schedule(plan_of(tenant), by=consultant)
    move(cutover, 4, by=consultant)

    task = task_of(tenant, "outbound-cutover")
    assert slip(task, calendar_of(tenant)) == 2
    assert days_late(task, date(2027, 3, 10), UTC_CALENDAR) == 2


# --- Waiting on


def waiting_on(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).waiting_on


def test_waiting_on_follows_confirmations(tenant: Tenant, owner: User, consultant: User) -> None:
    assert waiting_on(tenant, "initial-conversation") == "both"
    assert waiting_on(tenant, LIBRARY) == ""  # it waits for other tasks

    fill_fields(task_of(tenant, "initial-conversation"))
    confirm_task(task_of(tenant, "initial-conversation"), by=owner, side="client")
    assert waiting_on(tenant, "initial-conversation") == "mimecast"

    confirm_task(task_of(tenant, "initial-conversation"), by=consultant, side="mimecast")
    assert waiting_on(tenant, "initial-conversation") == ""
    sides = WaitingPeriod.objects.filter(
        task__key="initial-conversation", task__plan__tenant=tenant
    )
    assert list(sides.values_list("side", flat=True)) == ["both", "mimecast"]
    assert not sides.filter(ended_at=None).exists()


def test_question_and_wait_set_waiting_on(tenant: Tenant, owner: User, consultant: User) -> None:
    task = task_of(tenant, "initial-conversation")
    question = add_comment(
        task, NewComment("Who owns DNS?", asked_side="client"), by=consultant, side="mimecast"
    )
    assert waiting_on(tenant, task.key) == "client"

    add_comment(task, NewComment("Jo."), by=owner, side="client", reply_to=question)
    assert waiting_on(tenant, task.key) == "both"

    actor = Actor("mimecast", may_manage_plan=True)
    make_transition(task, "wait", by=consultant, actor=actor, reason="Send us the list.")
    assert waiting_on(tenant, task.key) == "client"


def test_question_on_done_task_waits(tenant: Tenant, owner: User, consultant: User) -> None:
    confirm_task(task_of(tenant, LIBRARY), by=owner, side="client")
    assert task_of(tenant, LIBRARY).waiting_on == ""

    task = task_of(tenant, LIBRARY)
    question = add_comment(
        task, NewComment("Where?", asked_side="client"), by=consultant, side="mimecast"
    )
    assert (task_of(tenant, LIBRARY).waiting_on, task_of(tenant, LIBRARY).status) == (
        "client",
        "done",
    )

    add_comment(task, NewComment("There."), by=owner, side="client", reply_to=question)
    assert task_of(tenant, LIBRARY).waiting_on == ""


def test_waiting_days_by_side(
    tenant: Tenant,
) -> None:
    task = task_of(tenant, LIBRARY)
    monday = datetime(2026, 12, 7, 9, 0, tzinfo=UTC)
    periods = [
        WaitingPeriod(
            task=task, side="both", started_at=monday, ended_at=monday + timedelta(days=1)
        ),
        WaitingPeriod(task=task, side="client", started_at=monday + timedelta(days=1)),
    ]

    days = waiting_days_by_side(periods, UTC_CALENDAR, now=monday + timedelta(days=2))

    assert days == {(task.phase_id, "mimecast"): 1.0, (task.phase_id, "client"): 2.0}


def test_schedule_page(
    tenant: Tenant, consultant: User, signed_in: SignIn, django_assert_num_queries: Any
) -> None:
    plan_outbound(tenant, by=consultant)
    client = signed_in(consultant)

    with django_assert_num_queries(40):
        text = client.get(reverse("onboarding:schedule", args=[tenant.public_id])).content.decode()

    assert "Thu 4 Mar 2027" in text
    assert "Forecast: all tasks done by" in " ".join(text.split())


def test_invalid_working_time_is_refused(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    response = signed_in(consultant).post(
        reverse("onboarding:working-time", args=[tenant.public_id]),
        {"weekdays": ["0", "1"], "opens": "17:00", "closes": "09:00"},
    )

    assert response.status_code == 422
    assert "The end of the day must be after its start." in response.content.decode()


# --- Assignee


def test_assign_to_member_only(
    tenant: Tenant, owner: User, member: User, outsider: User, signed_in: SignIn
) -> None:
    task = task_of(tenant, LIBRARY)
    url = reverse("onboarding:task-assign", args=[tenant.public_id, task.public_id])

    signed_in(owner).post(url, {"person": member.public_id})
    assert task_of(tenant, LIBRARY).assignee == member

    signed_in(owner).post(url, {"person": outsider.public_id})
    assert task_of(tenant, LIBRARY).assignee == member

    signed_in(owner).post(url, {"person": ""})
    assert task_of(tenant, LIBRARY).assignee is None
    assert timezone.now() > task.status_changed_at


def test_time_zone_changes_due_dates(tenant: Tenant, consultant: User) -> None:
    """The evening of the 4th in London is the morning of the 5th in Auckland."""
    plan_outbound(tenant, by=consultant)
    before = due(tenant, "outbound-cutover")

    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Auckland")
    record_profile_change(
        Tenant.objects.get(pk=tenant.pk), before={"time_zone": "UTC"}, by=consultant
    )

    assert (before, due(tenant, "outbound-cutover")) == (date(2027, 3, 4), date(2027, 3, 5))


def test_included_task_has_due_date(tenant: Tenant, consultant: User) -> None:
    key = "gsuite-whitelist"
    plan_outbound(tenant, by=consultant)
    assert due(tenant, key) is None

    Tenant.objects.filter(pk=tenant.pk).update(platform="google_workspace")
    record_profile_change(
        Tenant.objects.get(pk=tenant.pk), before={"platform": "microsoft_365"}, by=consultant
    )

    assert task_of(tenant, key).applies
    assert due(tenant, key) is not None
