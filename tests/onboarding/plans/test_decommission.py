"""The old gateway is switched off after the MX cutover, and after old answers have expired."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.errors import OnboardingError
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plans import reminders
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task, undo_last_action, withdraw_confirmation
from onboarding.plans.tasks import complete_waits
from onboarding.progress import apply_runs
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.factories import SignIn, fill_fields, task_of
from tests.markup import texts
from tests.onboarding.plans.test_transitions import observe_mx, row_for, switch_mx

KEY = "decommission-gateway"
# Old answers with a TTL of two hours until Monday 07:00, plus four hours.
SAFE_AT = at("Mon 13:00")
UNKNOWN = (
    "ns1.test (192.0.2.1) of northwind.test does not answer, so Gangway cannot compute when"
    " switching off the old gateway is safe."
)
SENTENCE = "Switching off the old gateway is safe from Mon 30 Nov, 13:00 UTC."


@pytest.fixture
def gateway(tenant: Tenant, fixed_monday: Clock) -> Task:
    """The task, with its date, behind a verified MX cutover whose old answers still live."""
    Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND).update(
        verified_at=at("Mon 07:00"), status=TaskStatus.VERIFIED
    )
    switch_mx(tenant, at("Mon 07:00"))
    recompute_rollup(tenant.plan)
    task = fill_fields(task_of(tenant, KEY))
    task.field_values["switched-off-on"]["value"] = SAFE_AT.date().isoformat()
    task.save()
    return task


def test_gateway_waits_for_mx_cutover(tenant: Tenant, owner: User) -> None:
    task = fill_fields(task_of(tenant, KEY))

    with pytest.raises(OnboardingError) as refused:
        confirm_task(task, by=owner, side="client")

    assert str(refused.value) == (
        "This task waits for “MX Record Cutover”. Going ahead before that can lose mail."
    )


def test_gateway_waits_for_safe_time(
    tenant: Tenant, gateway: Task, owner: User, fixed_monday: Clock
) -> None:
    fixed_monday.move_to(SAFE_AT - timedelta(seconds=1))

    with pytest.raises(OnboardingError) as refused:
        confirm_task(gateway, by=owner, side="client")
    fixed_monday.move_to(SAFE_AT)
    confirm_task(gateway, by=owner, side="client")

    assert str(refused.value) == (
        f"{SENTENCE} Before that time, senders may still use the old route."
        " Going ahead before that can lose mail."
    )
    assert task_of(tenant, KEY).status == TaskStatus.DONE


def test_gateway_waits_on_neither_side(
    tenant: Tenant, gateway: Task, consultant: User, fixed_monday: Clock
) -> None:
    before = task_of(tenant, KEY)
    with pytest.raises(OnboardingError) as refused:
        reminders.create_reminders(tenant.plan, [before], by=consultant)
    fixed_monday.move_to(SAFE_AT)
    complete_waits()

    after = task_of(tenant, KEY)
    assert (before.waiting_on, before.safe_from) == ("", SAFE_AT)
    assert str(refused.value) == f"{SENTENCE} No reminder was sent."
    assert (after.waiting_on, after.safe_from) == ("client", None)


def test_page_shows_safe_time_and_refusal(
    tenant: Tenant, gateway: Task, owner: User, signed_in: SignIn
) -> None:
    address = reverse("onboarding:plan-show", args=[tenant.public_id])

    html = signed_in(owner).get(f"{address}?phase=closure").content.decode()

    (row,) = texts(html, f"#{KEY}")
    assert row.startswith("Waiting for its safe time Decommission the old gateway")
    assert "Decommissioning safe in 5 h" in row
    assert f"{SENTENCE} Before that time, senders may still use the old route." in row


@pytest.fixture
def silent(tenant: Tenant, gateway: Task, fixed_monday: Clock) -> Task:
    """The task after its safe time, with a name server that no longer answers."""
    fixed_monday.move_to(SAFE_AT + timedelta(minutes=10))
    observe_mx(tenant, SAFE_AT + timedelta(minutes=5), None)
    recompute_rollup(tenant.plan)
    return task_of(tenant, KEY)


def test_silent_name_server_refuses_confirmation(tenant: Tenant, silent: Task, owner: User) -> None:
    with pytest.raises(OnboardingError) as refused:
        confirm_task(silent, by=owner, side="client")

    assert str(refused.value) == (
        f"{UNKNOWN} Going ahead before that can lose mail."
        " Repair the name server or remove it from the delegation, then check northwind.test"
        " again. Otherwise a consultant can accept the risk of this task."
    )
    assert task_of(tenant, KEY).status == TaskStatus.TODO


def test_unknown_safe_time_waits_on_the_client(
    tenant: Tenant, silent: Task, consultant: User, owner: User, fixed_monday: Clock
) -> None:
    """No time ends it: the client repairs the name server, and the reminder asks for that."""
    before = task_of(tenant, KEY)
    (reminder,) = reminders.create_reminders(tenant.plan, [before], by=consultant)
    asked = reminders.sentences_of(tenant.plan, [before])
    answered_at = SAFE_AT + timedelta(minutes=30)
    observe_mx(tenant, answered_at, [f"10 {host}" for host in tenant.region_values.mx])
    fixed_monday.move_to(SAFE_AT + timedelta(minutes=70))
    complete_waits()

    after = task_of(tenant, KEY)
    assert (before.waiting_on, before.safe_from) == ("client", SAFE_AT + timedelta(minutes=70))
    assert (reminder.recipient, asked) == (
        owner,
        {
            before.pk: f"{UNKNOWN} Repair the name server or remove it from the delegation, then"
            " check northwind.test again. Otherwise a consultant can accept the risk of this task."
        },
    )
    assert (after.waiting_on, after.safe_from) == ("client", None)
    assert confirm_task(after, by=owner, side="client") == TaskStatus.DONE


def test_run_that_leaves_the_safe_time_unknown_changes_the_side(
    tenant: Tenant, gateway: Task, fixed_monday: Clock
) -> None:
    """The MX task stays verified, so only the run itself can lead to the roll-up."""
    before = task_of(tenant, KEY)
    observe_mx(tenant, SAFE_AT - timedelta(hours=2), None)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    Check.objects.filter(pk=check.pk).update(unevaluated_since=SAFE_AT - timedelta(hours=2))

    apply_runs(tenant.pk, [check.pk])

    assert (before.waiting_on, task_of(tenant, KEY).waiting_on) == ("", "client")


def test_pages_show_unknown_safe_time(
    tenant: Tenant, silent: Task, consultant: User, owner: User, signed_in: SignIn
) -> None:
    where = [tenant.public_id]
    plan = reverse("onboarding:plan-show", args=where)

    shown = signed_in(owner).get(f"{plan}?phase=closure").content.decode()
    mine = signed_in(owner).get(reverse("onboarding:my-tasks", args=where)).content.decode()
    schedule = signed_in(consultant).get(reverse("onboarding:schedule", args=where))

    (row,) = texts(shown, f"#{KEY}")
    assert row.startswith("Safe time unknown Decommission the old gateway")
    assert texts(mine, f"#verifying-{KEY}") == []
    assert len(texts(mine, f"#{KEY}")) == 1
    assert UNKNOWN in row
    assert "Repair the name server" in row
    assert any(UNKNOWN in text for text in texts(mine, "main"))
    rows = texts(schedule.content.decode(), "tr")
    assert any("Decommission" in text and "Safe time unknown" in text for text in rows)


def test_done_task_ignores_silent_name_server(
    tenant: Tenant, gateway: Task, owner: User, fixed_monday: Clock
) -> None:
    fixed_monday.move_to(SAFE_AT)
    confirm_task(gateway, by=owner, side="client")
    observe_mx(tenant, SAFE_AT + timedelta(minutes=5), None)

    row = row_for(tenant, KEY, owner)

    assert (row.task.status, row.safety) == (TaskStatus.DONE, None)


def test_undo_keeps_gate_of_silent_name_server(
    tenant: Tenant, gateway: Task, owner: User, fixed_monday: Clock
) -> None:
    fixed_monday.move_to(SAFE_AT)
    confirm_task(gateway, by=owner, side="client")
    withdraw_confirmation(task_of(tenant, KEY), by=owner, side="client")
    observe_mx(tenant, SAFE_AT + timedelta(minutes=5), None)

    with pytest.raises(OnboardingError, match="does not answer"):
        undo_last_action(task_of(tenant, KEY), by=owner)
