"""The services of transitions, undo and per-domain tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.services import (
    confirm_task,
    end_exemption,
    exempt_domain,
    expire_accepted_risks,
    make_transition,
    undo_last_action,
    withdraw_confirmation,
)
from onboarding.plans.transitions import Actor
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.factories import MakeTenant, RunCheck, task_of

OPEN = "end-user-asset-library"  # the client's, without a check
DKIM = "dkim-update"  # per domain; the tests remove its check
CLIENT = Actor("client", may_manage_plan=False)
STEERS = Actor("mimecast", may_manage_plan=True)


def status(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).status


def actions(tenant: Tenant) -> list[str]:
    return list(ActivityLine.objects.filter(tenant=tenant).values_list("action", flat=True))


def transition(tenant: Tenant, key: str, what: str, by: User, actor: Actor, **words: Any) -> None:
    make_transition(task_of(tenant, key), what, by=by, actor=actor, **words)


def test_block_and_resume(tenant: Tenant, owner: User) -> None:
    transition(tenant, OPEN, "block", owner, CLIENT, reason=" The printer is broken. ")

    task = task_of(tenant, OPEN)
    assert (task.status, task.status_reason) == (TaskStatus.BLOCKED, "The printer is broken.")
    assert (task.status_set_by, actions(tenant)[0]) == (owner, "task-status-changed")

    transition(tenant, OPEN, "resume", owner, CLIENT)

    assert (status(tenant, OPEN), task_of(tenant, OPEN).status_reason) == (TaskStatus.TODO, "")


def test_wait_sets_other_side(tenant: Tenant, owner: User, consultant: User) -> None:
    transition(tenant, OPEN, "wait", owner, CLIENT, reason="Which notices do you advise?")
    assert task_of(tenant, OPEN).status_waiting_on == "mimecast"

    transition(tenant, OPEN, "resume", consultant, STEERS)
    transition(tenant, OPEN, "wait", consultant, STEERS, reason="Please choose.")
    assert task_of(tenant, OPEN).status_waiting_on == "client"


def test_accepted_risk_expires(tenant: Tenant, consultant: User) -> None:
    until = timezone.now() + timedelta(days=3)
    before = Plan.objects.get(tenant=tenant).tasks_complete

    transition(
        tenant, OPEN, "accept-risk", consultant, STEERS, reason="Small company.", until=until
    )

    assert status(tenant, OPEN) == TaskStatus.ACCEPTED_RISK
    assert Plan.objects.get(tenant=tenant).tasks_complete == before + 1
    assert expire_accepted_risks(tenant.plan, now=until - timedelta(seconds=1)) == 0
    assert expire_accepted_risks(tenant.plan, now=until) == 1
    assert (status(tenant, OPEN), actions(tenant)[0]) == (
        TaskStatus.TODO,
        "risk-acceptance-expired",
    )
    assert expire_accepted_risks(tenant.plan, now=until) == 0


def test_client_cannot_accept_risk(tenant: Tenant, owner: User) -> None:
    with pytest.raises(NotPermitted, match="Only a consultant"):
        transition(tenant, OPEN, "accept-risk", owner, CLIENT, reason="Never mind.")

    assert status(tenant, OPEN) == TaskStatus.TODO


def test_declined_task_is_not_counted(tenant: Tenant, owner: User) -> None:
    key = "awareness-training"
    total = Plan.objects.get(tenant=tenant).tasks_total

    transition(tenant, key, "decline", owner, CLIENT, reason="We train our people ourselves.")

    assert status(tenant, key) == TaskStatus.DECLINED
    assert Plan.objects.get(tenant=tenant).tasks_total == total
    with pytest.raises(OnboardingError, match="Reconsider it first"):
        confirm_task(task_of(tenant, key), by=owner, side="client")

    transition(tenant, key, "reconsider", owner, CLIENT)
    assert status(tenant, key) == TaskStatus.TODO


def test_second_transition_is_a_conflict(tenant: Tenant, owner: User, consultant: User) -> None:
    transition(tenant, OPEN, "start", consultant, STEERS, expected="todo")

    with pytest.raises(ConflictingChange, match="In progress") as refusal:
        transition(tenant, OPEN, "block", owner, CLIENT, reason="No time.", expected="todo")

    assert consultant.name in str(refusal.value)
    assert status(tenant, OPEN) == TaskStatus.IN_PROGRESS


def test_confirm_clears_manual_status(tenant: Tenant, owner: User) -> None:
    transition(tenant, OPEN, "start", owner, CLIENT)

    confirm_task(task_of(tenant, OPEN), by=owner, side="client")
    withdraw_confirmation(task_of(tenant, OPEN), by=owner, side="client")

    assert status(tenant, OPEN) == TaskStatus.TODO


def test_closed_gate_refuses_confirm(tenant: Tenant, owner: User, consultant: User) -> None:
    side = "client" if task_of(tenant, "mx-record-cutover").responsibility == "client" else "both"
    by, first_side = (owner, "client") if side in ("client", "both") else (consultant, "mimecast")

    with pytest.raises(OnboardingError, match="Going ahead before that can lose mail"):
        confirm_task(task_of(tenant, "mx-record-cutover"), by=by, side=first_side)

    Task.objects.filter(plan=tenant.plan).exclude(key="mx-record-cutover").update(status="done")
    confirm_task(task_of(tenant, "mx-record-cutover"), by=by, side=first_side)
    assert getattr(task_of(tenant, "mx-record-cutover"), f"{first_side}_confirmed_by") == by


# --- Undo


def test_undo_by_same_user_only(tenant: Tenant, owner: User, member: User) -> None:
    confirm_task(task_of(tenant, OPEN), by=owner, side="client")

    with pytest.raises(OnboardingError, match="nothing of yours"):
        undo_last_action(task_of(tenant, OPEN), by=member)
    undo_last_action(task_of(tenant, OPEN), by=owner)

    assert status(tenant, OPEN) == TaskStatus.TODO
    with pytest.raises(OnboardingError, match="nothing of yours"):
        undo_last_action(task_of(tenant, OPEN), by=owner)


def test_undo_restores_status_and_reason(tenant: Tenant, owner: User, consultant: User) -> None:
    transition(tenant, OPEN, "block", owner, CLIENT, reason="No budget yet.")
    before = task_of(tenant, OPEN)
    transition(tenant, OPEN, "mark-not-needed", consultant, STEERS, reason="Not theirs.")

    undo_last_action(task_of(tenant, OPEN), by=consultant)

    after = task_of(tenant, OPEN)
    assert (after.status_reason, after.status_set_by, after.status_set_at, after.status) == (
        "No budget yet.",
        owner,
        before.status_set_at,
        TaskStatus.BLOCKED,
    )


def test_undo_keeps_proof(tenant: Tenant, owner: User, run_check: RunCheck) -> None:
    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    undo_last_action(task_of(tenant, "domain-ownership"), by=owner)

    assert status(tenant, "domain-ownership") == TaskStatus.VERIFIED


# --- Domains


def add_domain(tenant: Tenant, name: str) -> Domain:
    return Domain.objects.create(tenant=tenant, name=name, role=Domain.Role.SECONDARY)


def confirm_both(tenant: Tenant, key: str, owner: User, consultant: User) -> None:
    Task.objects.filter(plan=tenant.plan, key=key).update(responsibility="both", check_kinds=[])
    confirm_task(task_of(tenant, key), by=owner, side="client")
    confirm_task(task_of(tenant, key), by=consultant, side="mimecast")


def test_new_domain_needs_own_confirmation(tenant: Tenant, owner: User, consultant: User) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    assert status(tenant, DKIM) == TaskStatus.DONE

    late = add_domain(tenant, "late.test")
    apply_profile(tenant)
    assert status(tenant, DKIM) == TaskStatus.TODO

    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=late)
    assert status(tenant, DKIM) == TaskStatus.PARTLY_CONFIRMED
    confirm_task(task_of(tenant, DKIM), by=consultant, side="mimecast", domain=late)
    assert status(tenant, DKIM) == TaskStatus.DONE


def test_exempt_domain_does_not_block(tenant: Tenant, owner: User, consultant: User) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    late = add_domain(tenant, "late.test")
    apply_profile(tenant)

    with pytest.raises(OnboardingError, match="Enter a reason"):
        exempt_domain(task_of(tenant, DKIM), late, by=consultant, reason=" ")
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, reason="Parked.")
    assert status(tenant, DKIM) == TaskStatus.DONE

    end_exemption(task_of(tenant, DKIM), late, by=consultant)
    assert status(tenant, DKIM) == TaskStatus.TODO


def test_check_of_exempt_domain_is_ignored(
    tenant: Tenant, consultant: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    late = add_domain(tenant, "late.test")
    apply_profile(tenant)
    assert status(tenant, "spf-update") == TaskStatus.TODO

    exempt_domain(task_of(tenant, "spf-update"), late, by=consultant, reason="Never sends.")

    assert status(tenant, "spf-update") == TaskStatus.VERIFIED


def test_undo_of_exemption(tenant: Tenant, owner: User, consultant: User) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    late = add_domain(tenant, "late.test")
    apply_profile(tenant)
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, reason="Parked.")

    undo_last_action(task_of(tenant, DKIM), by=consultant)

    assert status(tenant, DKIM) == TaskStatus.TODO


def test_confirm_foreign_domain_is_refused(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    other = make_tenant("Other")
    with pytest.raises(OnboardingError, match="not in the scope of this task"):
        confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=other.domains.get())


def test_undo_ignores_removed_domain(tenant: Tenant, owner: User) -> None:
    late = add_domain(tenant, "late.test")
    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=late)
    confirm_task(
        task_of(tenant, DKIM),
        by=owner,
        side="client",
        domain=tenant.domains.get(name="northwind.test"),
    )
    late.delete()

    undo_last_action(task_of(tenant, DKIM), by=owner)

    assert status(tenant, DKIM) == TaskStatus.TODO
    assert not task_of(tenant, DKIM).domain_progress.exists()
