"""Moving tasks, undoing it, and tasks done domain by domain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.engine.outcomes import Kind, Verdict
from onboarding.errors import MovedMeanwhile, NotYours, OnboardingError
from onboarding.models import Plan, Task, TaskState
from onboarding.plans.moves import Mover
from onboarding.plans.task_acts import (
    confirm_task,
    end_acceptances,
    end_exemption,
    exempt_domain,
    make_move,
    undo_act,
    withdraw_confirmation,
)
from onboarding.services import follow_profile
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cast import Look, MakeTenant, task_of

OPEN = "end-user-asset-library"  # the client's, and no check can see it
DKIM = "dkim-update"  # per domain, and its check only supports it
CLIENT = Mover("client", may_steer=False)
STEERS = Mover("mimecast", may_steer=True)


def state(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).state


def acts(tenant: Tenant) -> list[str]:
    return list(ActivityLine.objects.filter(tenant=tenant).values_list("act", flat=True))


def move(tenant: Tenant, key: str, what: str, by: User, mover: Mover, **words: Any) -> None:
    make_move(task_of(tenant, key), what, by=by, mover=mover, **words)


def test_a_blocked_task_says_why_and_goes_on(tenant: Tenant, owner: User) -> None:
    move(tenant, OPEN, "block", owner, CLIENT, because=" The printer is broken. ")

    task = task_of(tenant, OPEN)
    assert (task.state, task.mark_because) == (TaskState.BLOCKED, "The printer is broken.")
    assert (task.marked_by, acts(tenant)[0]) == (owner, "task-moved")

    move(tenant, OPEN, "resume", owner, CLIENT)

    assert (state(tenant, OPEN), task_of(tenant, OPEN).mark_because) == (TaskState.TODO, "")


def test_waiting_names_the_side_that_is_waited_for(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    move(tenant, OPEN, "wait", owner, CLIENT, because="Which notices do you advise?")
    assert task_of(tenant, OPEN).mark_side == "mimecast"

    move(tenant, OPEN, "resume", consultant, STEERS)
    move(tenant, OPEN, "wait", consultant, STEERS, because="Please choose.")
    assert task_of(tenant, OPEN).mark_side == "client"


def test_a_risk_is_accepted_for_a_time_and_then_open_again(
    tenant: Tenant, consultant: User
) -> None:
    until = timezone.now() + timedelta(days=3)
    before = Plan.objects.get(tenant=tenant).tasks_complete

    move(tenant, OPEN, "accept", consultant, STEERS, because="Small company.", until=until)

    assert state(tenant, OPEN) == TaskState.ACCEPTED
    assert Plan.objects.get(tenant=tenant).tasks_complete == before + 1
    assert end_acceptances(tenant.plan, now=until - timedelta(seconds=1)) == 0
    assert end_acceptances(tenant.plan, now=until) == 1
    assert (state(tenant, OPEN), acts(tenant)[0]) == (TaskState.TODO, "acceptance-ended")
    assert end_acceptances(tenant.plan, now=until) == 0


def test_a_client_cannot_accept_a_risk(tenant: Tenant, owner: User) -> None:
    with pytest.raises(NotYours, match="Only a consultant"):
        move(tenant, OPEN, "accept", owner, CLIENT, because="Never mind.")

    assert state(tenant, OPEN) == TaskState.TODO


def test_declined_add_ons_no_longer_count(tenant: Tenant, owner: User) -> None:
    key = "awareness-training"
    total = Plan.objects.get(tenant=tenant).tasks_total

    move(tenant, key, "decline", owner, CLIENT, because="We train our people ourselves.")

    assert state(tenant, key) == TaskState.DECLINED
    assert Plan.objects.get(tenant=tenant).tasks_total == total
    with pytest.raises(OnboardingError, match="take it up again first"):
        confirm_task(task_of(tenant, key), by=owner, side="client")

    move(tenant, key, "take-up", owner, CLIENT)
    assert state(tenant, key) == TaskState.TODO


def test_the_second_of_two_people_is_told_what_the_first_did(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    move(tenant, OPEN, "start", consultant, STEERS, seen="todo")

    with pytest.raises(MovedMeanwhile, match="In progress") as told:
        move(tenant, OPEN, "block", owner, CLIENT, because="No time.", seen="todo")

    assert consultant.name in str(told.value)
    assert state(tenant, OPEN) == TaskState.IN_PROGRESS


def test_confirming_ends_the_mark(tenant: Tenant, owner: User) -> None:
    move(tenant, OPEN, "start", owner, CLIENT)

    confirm_task(task_of(tenant, OPEN), by=owner, side="client")
    withdraw_confirmation(task_of(tenant, OPEN), by=owner, side="client")

    assert state(tenant, OPEN) == TaskState.TODO


def test_a_hard_gate_cannot_be_confirmed_before_its_turn(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    side = "client" if task_of(tenant, "mx-record-cutover").responsibility == "client" else "both"
    by, said = (owner, "client") if side in ("client", "both") else (consultant, "mimecast")

    with pytest.raises(OnboardingError, match="going ahead before that can lose mail"):
        confirm_task(task_of(tenant, "mx-record-cutover"), by=by, side=said)

    Task.objects.filter(plan=tenant.plan).exclude(key="mx-record-cutover").update(state="done")
    confirm_task(task_of(tenant, "mx-record-cutover"), by=by, side=said)
    assert getattr(task_of(tenant, "mx-record-cutover"), f"{said}_confirmed_by") == by


# --- Undoing


def test_a_wrong_tick_is_taken_back_by_who_made_it(
    tenant: Tenant, owner: User, member: User
) -> None:
    confirm_task(task_of(tenant, OPEN), by=owner, side="client")

    with pytest.raises(OnboardingError, match="nothing of yours"):
        undo_act(task_of(tenant, OPEN), by=member, may_steer=False)
    undo_act(task_of(tenant, OPEN), by=owner, may_steer=False)

    assert state(tenant, OPEN) == TaskState.TODO
    with pytest.raises(OnboardingError, match="nothing of yours"):
        undo_act(task_of(tenant, OPEN), by=owner, may_steer=False)


def test_undoing_puts_back_the_mark_with_its_words(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    move(tenant, OPEN, "block", owner, CLIENT, because="No budget yet.")
    before = task_of(tenant, OPEN)
    move(tenant, OPEN, "set-aside", consultant, STEERS, because="Not theirs.")

    undo_act(task_of(tenant, OPEN), by=consultant, may_steer=True)

    after = task_of(tenant, OPEN)
    assert (after.mark_because, after.marked_by, after.marked_at, after.state) == (
        "No budget yet.",
        owner,
        before.marked_at,
        TaskState.BLOCKED,
    )


def test_undoing_never_takes_a_proof_away(tenant: Tenant, owner: User, look: Look) -> None:
    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")
    look(tenant, Kind.OWNERSHIP, Verdict.PASS)

    undo_act(task_of(tenant, "domain-ownership"), by=owner, may_steer=False)

    assert state(tenant, "domain-ownership") == TaskState.PROVEN


# --- Domain by domain


def add_domain(tenant: Tenant, name: str) -> Domain:
    return Domain.objects.create(tenant=tenant, name=name, role=Domain.Role.SECONDARY)


def confirm_both(tenant: Tenant, key: str, owner: User, consultant: User) -> None:
    Task.objects.filter(plan=tenant.plan, key=key).update(responsibility="both")
    confirm_task(task_of(tenant, key), by=owner, side="client")
    confirm_task(task_of(tenant, key), by=consultant, side="mimecast")


def test_a_domain_added_late_opens_the_task_for_itself_alone(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    assert state(tenant, DKIM) == TaskState.DONE

    late = add_domain(tenant, "late.test")
    follow_profile(tenant)
    assert state(tenant, DKIM) == TaskState.TODO

    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=late)
    assert state(tenant, DKIM) == TaskState.HALF
    confirm_task(task_of(tenant, DKIM), by=consultant, side="mimecast", domain=late)
    assert state(tenant, DKIM) == TaskState.DONE


def test_an_exempt_domain_holds_nothing_up(tenant: Tenant, owner: User, consultant: User) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    late = add_domain(tenant, "late.test")
    follow_profile(tenant)

    with pytest.raises(OnboardingError, match="Say why"):
        exempt_domain(task_of(tenant, DKIM), late, by=consultant, because=" ")
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, because="Parked.")
    assert state(tenant, DKIM) == TaskState.DONE

    end_exemption(task_of(tenant, DKIM), late, by=consultant)
    assert state(tenant, DKIM) == TaskState.TODO


def test_a_check_of_an_exempt_domain_no_longer_decides(
    tenant: Tenant, consultant: User, look: Look
) -> None:
    look(tenant, Kind.SPF, Verdict.PASS)
    late = add_domain(tenant, "late.test")
    follow_profile(tenant)
    assert state(tenant, "spf-update") == TaskState.TODO

    exempt_domain(task_of(tenant, "spf-update"), late, by=consultant, because="Never sends.")

    assert state(tenant, "spf-update") == TaskState.PROVEN


def test_undoing_an_exemption_brings_the_domain_back(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    confirm_both(tenant, DKIM, owner, consultant)
    late = add_domain(tenant, "late.test")
    follow_profile(tenant)
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, because="Parked.")

    undo_act(task_of(tenant, DKIM), by=consultant, may_steer=True)

    assert state(tenant, DKIM) == TaskState.TODO


def test_a_domain_of_another_tenant_is_no_part_of_the_task(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    other = make_tenant("Other")
    with pytest.raises(OnboardingError, match="no part of its own"):
        confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=other.domains.get())


def test_undoing_leaves_out_a_domain_that_was_removed_meanwhile(
    tenant: Tenant, owner: User
) -> None:
    late = add_domain(tenant, "late.test")
    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=late)
    confirm_task(
        task_of(tenant, DKIM),
        by=owner,
        side="client",
        domain=tenant.domains.get(name="northwind.test"),
    )
    late.delete()

    undo_act(task_of(tenant, DKIM), by=owner, may_steer=False)

    assert state(tenant, DKIM) == TaskState.TODO
    assert not task_of(tenant, DKIM).parts.exists()
