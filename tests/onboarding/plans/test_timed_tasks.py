"""A timed task: the days between the outbound and the inbound cutover."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.cutovers.planning import plan_cutover
from onboarding.cutovers.window_confirmation import WindowConfirmation, confirm_window
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tasks import reconcile
from onboarding.management import sample
from onboarding.models import Cutover, Plan, Task, TaskStatus
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans.evaluation import complete_waits
from onboarding.plans.forms.transitions import TransitionForm
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.rows import Shape
from onboarding.plans.services import (
    actor_for,
    confirm_task,
    make_transition,
    set_responsibility,
)
from onboarding.plans.tasks import complete_waits as complete_waits_task
from onboarding.plans.transitions import TRANSITIONS, available_status_changes
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn, task_of
from tests.markup import texts

WAIT, OUTBOUND = "outbound-days", "outbound-cutover"


def _prove_outbound(tenant: Tenant, at: datetime | None) -> None:
    """Verify the outbound cutover at this time; None regresses it."""
    regressed_at = None if at else timezone.now()
    Task.objects.filter(plan=tenant.plan, key=OUTBOUND).update(
        verified_at=at, regressed_at=regressed_at
    )
    recompute_rollup(tenant.plan)


def _days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def test_period_starts_at_outbound_proof(tenant: Tenant) -> None:
    verified_at = _days_ago(1)

    _prove_outbound(tenant, verified_at)

    task = task_of(tenant, WAIT)
    assert (task.wait_started_at, task.wait_ends_at) == (
        verified_at,
        verified_at + timedelta(days=3),
    )
    assert (task.status, task.waiting_on) == (TaskStatus.TODO, "")


@pytest.mark.parametrize(
    ("manual_status", "starts"), [("accepted_risk", False), ("declined", False), ("", True)]
)
def test_only_done_outbound_cutover_starts_period(
    tenant: Tenant, manual_status: str, starts: bool
) -> None:
    Task.objects.filter(plan=tenant.plan, key=OUTBOUND).update(
        manual_status=manual_status,
        accepted_until=_days_ago(-9),
        client_confirmed_at=_days_ago(5),
        confirmation_suffices=True,
    )

    recompute_rollup(tenant.plan)
    complete_waits(tenant.plan, now=timezone.now() + timedelta(days=9))

    task = task_of(tenant, WAIT)
    assert (task.wait_started_at is not None) is starts
    assert task.status == ("verified" if starts else "todo")


@pytest.mark.parametrize(
    ("key", "transition", "text"),
    [
        (OUTBOUND, "accept-risk", "the outbound days do not start"),
        ("dkim-update", "decline", "no check can verify the outbound cutover"),
        (OUTBOUND, "block", ""),
    ],
)
def test_form_states_consequence(tenant: Tenant, key: str, transition: str, text: str) -> None:
    form = TransitionForm(
        transition=TRANSITIONS[transition], tenant=tenant, task=task_of(tenant, key)
    )

    shown = form.fields["reason"].help_text
    assert text in shown
    assert bool(text) is bool(shown)


def test_timed_task_completes_on_time(tenant: Tenant) -> None:
    verified_at = _days_ago(3)
    _prove_outbound(tenant, verified_at)
    plan = tenant.plan

    assert complete_waits(plan, now=verified_at + timedelta(days=3, minutes=-1)) == 0
    assert task_of(tenant, WAIT).status == TaskStatus.TODO
    before = Plan.objects.get(pk=plan.pk)

    complete_waits_task()

    after = Plan.objects.get(pk=plan.pk)
    assert task_of(tenant, WAIT).status == TaskStatus.VERIFIED
    assert (after.tasks_complete, after.revision) == (
        before.tasks_complete + 1,
        before.revision + 1,
    )
    assert list(
        ActivityLine.objects.filter(action="wait-ended").values_list("tenant", flat=True)
    ) == [tenant.pk]
    assert complete_waits(plan, now=timezone.now()) == 0


def test_reconcile_completes_timed_task(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan, key=OUTBOUND).update(check_kinds=[])
    _prove_outbound(tenant, _days_ago(4))

    reconcile()

    assert task_of(tenant, WAIT).status == TaskStatus.VERIFIED


@pytest.mark.parametrize("days", [1, 9])
def test_outbound_regression_restarts_period(tenant: Tenant, days: int) -> None:
    _prove_outbound(tenant, _days_ago(days))
    complete_waits(tenant.plan, now=timezone.now())

    _prove_outbound(tenant, None)
    broken = task_of(tenant, WAIT)
    again = timezone.now()
    _prove_outbound(tenant, again)

    assert (broken.status, broken.verified_at, broken.wait_started_at) == (
        TaskStatus.TODO,
        None,
        None,
    )
    task = task_of(tenant, WAIT)
    assert (task.status, task.wait_started_at) == (TaskStatus.TODO, again)


def test_proof_keeps_period_of_confirmation(tenant: Tenant) -> None:
    confirmed_at = _days_ago(5)
    Task.objects.filter(plan=tenant.plan, key=OUTBOUND).update(
        client_confirmed_at=confirmed_at,
        confirmation_suffices=True,
        status="done",
        status_changed_at=confirmed_at,
    )
    recompute_rollup(tenant.plan)

    _prove_outbound(tenant, timezone.now())

    assert task_of(tenant, WAIT).wait_started_at == confirmed_at


def test_timed_task_cannot_be_confirmed(tenant: Tenant, consultant: User, owner: User) -> None:
    for user, side in ((consultant, "mimecast"), (owner, "client")):
        with pytest.raises(OnboardingError, match="completes automatically on its date"):
            confirm_task(task_of(tenant, WAIT), by=user, side=side)
    with pytest.raises(OnboardingError, match="completes automatically on its date"):
        set_responsibility(task_of(tenant, WAIT), "client", by=consultant)

    offered = [
        transition.key
        for transition in available_status_changes(
            task_of(tenant, WAIT), actor_for(consultant, tenant)
        )
    ]
    assert offered == ["accept-risk", "mark-not-needed"]
    assert available_status_changes(task_of(tenant, WAIT), actor_for(owner, tenant)) == []
    assert set(TRANSITIONS) > set(offered)


def test_consultant_accepts_shorter_period(tenant: Tenant, consultant: User) -> None:
    _prove_outbound(tenant, _days_ago(1))

    make_transition(
        task_of(tenant, WAIT),
        "accept-risk",
        by=consultant,
        actor=actor_for(consultant, tenant),
        reason="The old gateway ends tomorrow.",
        until=timezone.now() + timedelta(days=9),
    )

    task = task_of(tenant, WAIT)
    assert (task.status, task.blocks_dependents) == (TaskStatus.ACCEPTED_RISK, False)


def test_timed_task_after_excluded_task(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan, key=OUTBOUND).update(applies=False)

    recompute_rollup(tenant.plan)

    task = task_of(tenant, WAIT)
    assert (task.status, task.blocks_dependents) == (TaskStatus.NOT_APPLICABLE, False)


def test_agreed_days_set_period(
    tenant: Tenant, consultant: User, django_capture_on_commit_callbacks: Any
) -> None:
    verified_at = _days_ago(4)
    _prove_outbound(tenant, verified_at)
    complete_waits(tenant.plan, now=timezone.now())
    planned = timezone.now() + timedelta(days=6)

    def agree(days: int) -> Task:
        cutover = Cutover.objects.get(plan=tenant.plan)
        with django_capture_on_commit_callbacks(execute=True):
            window = WindowConfirmation(planned, cutover.round, 240, days, "so")
            confirm_window(cutover, window, blockers=[], by=consultant)
        return task_of(tenant, WAIT)

    plan_cutover(tenant.plan, "inbound", planned, tenant.domains.all(), by=consultant)
    longer, shorter = agree(7), agree(2)

    assert (longer.status, longer.wait_ends_at) == (
        TaskStatus.TODO,
        verified_at + timedelta(days=7),
    )
    assert shorter.status == TaskStatus.VERIFIED


def test_mx_cutover_waits_for_timed_task(tenant: Tenant, owner: User) -> None:
    Task.objects.filter(plan=tenant.plan).exclude(key__in=["mx-record-cutover", WAIT]).update(
        status="done"
    )

    with pytest.raises(OnboardingError, match="Outbound mail runs through Mimecast for some days"):
        confirm_task(task_of(tenant, "mx-record-cutover"), by=owner, side="client")


def _shown(client: Client, context: str) -> str:
    (text,) = texts(client.get(context).content.decode(), f"#{WAIT}")
    return text


def test_plan_page_shows_end_of_period(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    context = reverse("onboarding:plan-show", args=[tenant.public_id])
    context += "?phase=outbound-cutover-phase"
    before = _shown(client, context)
    _prove_outbound(tenant, datetime(2031, 3, 3, 10, 0, tzinfo=timezone.get_current_timezone()))

    during = _shown(client, context)
    row = next(r for r in client.get(context).context["page"].rows if r.task.key == WAIT)

    assert "Its wait starts when Outbound Cutover is done." in before
    assert "This task completes automatically on Thu 6 Mar 2031, 10:00 UTC" in during
    assert "Mark as done" not in during
    assert row.shape is Shape.WAITING


def test_client_page_shows_timed_task(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    _prove_outbound(tenant, timezone.now())

    shown = signed_in(owner).get(reverse("onboarding:my-tasks", args=[tenant.public_id]))

    tasks = shown.context["client_tasks"]
    assert WAIT in [row.task.key for row in tasks.verifying]
    assert WAIT not in [row.task.key for row in (*tasks.now, *tasks.upcoming)]


@pytest.mark.slow
def test_sample_accepts_risk_of_outbound_days(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    register_builtin_templates()
    monkeypatch.setattr(sample, "SAMPLE", sample.SAMPLE[-1:])

    sample.load_sample(smtp_port=2525, ldaps_port=6636)

    assert Task.objects.get(key=WAIT).status == TaskStatus.ACCEPTED_RISK
