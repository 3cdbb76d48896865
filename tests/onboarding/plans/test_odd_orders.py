"""Acts in an odd order: pressed twice, by two people, too late, or round what they wait for."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import DomainPart, Task, TaskState
from onboarding.plans.moves import Mover
from onboarding.plans.standing import refresh_states
from onboarding.plans.task_acts import (
    confirm_task,
    end_exemption,
    exempt_domain,
    make_move,
    undo_act,
    withdraw_confirmation,
)
from onboarding.services import follow_profile
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cast import SignIn, task_of

OPEN = "end-user-asset-library"  # the client's, and no check can see it
DKIM = "dkim-update"  # per domain, and its check only supports it
GATE = "mx-record-cutover"
CLIENT = Mover("client", may_steer=False)


def state(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).state


def acts(tenant: Tenant) -> list[str]:
    return list(ActivityLine.objects.filter(tenant=tenant).values_list("act", flat=True))


def add_domain(tenant: Tenant, name: str) -> Domain:
    return Domain.objects.create(tenant=tenant, name=name, role=Domain.Role.SECONDARY)


def test_a_tick_pressed_twice_is_still_undone(tenant: Tenant, owner: User, member: User) -> None:
    for by in (owner, owner, member):
        confirm_task(task_of(tenant, OPEN), by=by, side="client")

    assert (task_of(tenant, OPEN).client_confirmed_by, acts(tenant).count("task-confirmed")) == (
        owner,
        1,
    )
    undo_act(task_of(tenant, OPEN), by=owner, may_steer=False)
    assert state(tenant, OPEN) == TaskState.TODO


def test_a_word_taken_back_twice_is_taken_back_once(tenant: Tenant, owner: User) -> None:
    confirm_task(task_of(tenant, OPEN), by=owner, side="client")
    for _ in range(2):
        withdraw_confirmation(task_of(tenant, OPEN), by=owner, side="client")

    assert acts(tenant).count("confirmation-withdrawn") == 1
    undo_act(task_of(tenant, OPEN), by=owner, may_steer=False)
    assert state(tenant, OPEN) == TaskState.DONE


def test_after_a_fault_the_same_side_confirms_again(tenant: Tenant, owner: User) -> None:
    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")
    rows = Task.objects.filter(plan=tenant.plan, key="domain-ownership")
    rows.update(proven_at=None, broken_at=timezone.now())
    refresh_states(tenant.plan)
    assert state(tenant, "domain-ownership") == TaskState.BROKEN

    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")

    assert state(tenant, "domain-ownership") == TaskState.CLAIMED


def test_after_a_fault_a_single_domain_can_be_confirmed_again(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    confirm_task(task_of(tenant, "spf-update"), by=owner, side="client")
    page = (
        reverse("onboarding:plan-show", args=[tenant.public_id])
        + "?phase="
        + (task_of(tenant, "spf-update").phase.key)
    )
    offer = 'aria-label="Confirm for northwind.test"'
    before = signed_in(owner).get(page).content.decode().count(offer)
    Task.objects.filter(key="spf-update").update(broken_at=timezone.now())

    assert signed_in(owner).get(page).content.decode().count(offer) == before + 1


def test_undoing_is_no_way_round_a_hard_gate(tenant: Tenant, consultant: User, owner: User) -> None:
    before = Task.objects.filter(plan=tenant.plan).exclude(key=GATE)
    before.update(mark="declined")
    refresh_states(tenant.plan)
    confirm_task(task_of(tenant, GATE), by=owner, side="client")
    withdraw_confirmation(task_of(tenant, GATE), by=owner, side="client")
    before.update(mark="")
    refresh_states(tenant.plan)

    with pytest.raises(OnboardingError, match="can lose mail"):
        undo_act(task_of(tenant, GATE), by=owner, may_steer=False)

    assert task_of(tenant, GATE).client_confirmed_at is None


def test_what_was_said_meanwhile_is_not_undone_unseen(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    make_move(task_of(tenant, OPEN), "start", by=owner, mover=CLIENT)
    undo = task_of(tenant, OPEN).undo
    assert undo is not None
    make_move(
        task_of(tenant, OPEN), "block", by=owner, mover=CLIENT, because="The printer is broken."
    )

    with pytest.raises(MovedMeanwhile):
        undo_act(task_of(tenant, OPEN), by=consultant, may_steer=True, seen=undo["at"])

    assert task_of(tenant, OPEN).mark_because == "The printer is broken."


def test_the_rest_of_the_domains_is_confirmed_without_writing_over_the_first(
    tenant: Tenant, owner: User, member: User
) -> None:
    Task.objects.filter(plan=tenant.plan, key=DKIM).update(responsibility="client")
    first = tenant.domains.get()
    add_domain(tenant, "late.test")
    follow_profile(tenant)
    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=first)

    confirm_task(task_of(tenant, DKIM), by=member, side="client")

    said = DomainPart.objects.filter(task__key=DKIM).order_by("domain__name")
    assert [(part.domain.name, part.client_confirmed_by) for part in said] == [
        ("late.test", member),
        ("northwind.test", owner),
    ]


def test_the_second_to_exempt_a_domain_is_told_of_the_first(
    tenant: Tenant, consultant: User, administrator: User, signed_in: SignIn
) -> None:
    late = add_domain(tenant, "late.test")
    follow_profile(tenant)
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, because="Parked.")
    ids = [tenant.public_id, task_of(tenant, DKIM).public_id, late.public_id]

    answer = signed_in(administrator).post(
        reverse("onboarding:part-exempt", args=ids), {"because": "It never sends mail."}
    )

    html = answer.content.decode()
    assert (answer.status_code, "Con Sultant exempted late.test meanwhile: “Parked.”" in html) == (
        422,
        True,
    )
    assert "It never sends mail." in html
    assert DomainPart.objects.get(domain=late).exempt_because == "Parked."


def test_bringing_back_what_was_never_exempt_leaves_no_line(
    tenant: Tenant, consultant: User
) -> None:
    end_exemption(task_of(tenant, DKIM), tenant.domains.get(), by=consultant)

    assert acts(tenant).count("exemption-ended") == 0
    assert task_of(tenant, DKIM).undo is None


def test_only_a_domain_that_the_task_is_done_for_is_exempted(
    tenant: Tenant, consultant: User
) -> None:
    parked = Domain.objects.create(tenant=tenant, name="parked.test", role=Domain.Role.PARKED)
    follow_profile(tenant)
    assert parked.role not in task_of(tenant, DKIM).domain_roles

    with pytest.raises(OnboardingError, match=r"not done for parked\.test"):
        exempt_domain(task_of(tenant, DKIM), parked, by=consultant, because="Parked.")


def test_the_last_domain_of_a_step_is_not_exempted(tenant: Tenant, consultant: User) -> None:
    late = add_domain(tenant, "late.test")
    follow_profile(tenant)
    exempt_domain(task_of(tenant, "spf-update"), late, by=consultant, because="Parked.")

    with pytest.raises(OnboardingError, match="say that the step does not apply"):
        exempt_domain(
            task_of(tenant, "spf-update"),
            tenant.domains.get(name="northwind.test"),
            by=consultant,
            because="Parked too.",
        )
