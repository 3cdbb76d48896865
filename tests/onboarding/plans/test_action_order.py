"""Transitions in an unusual order: twice, by two users, too late, or past a closed gate."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import DomainProgress, Task, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import (
    confirm_task,
    end_exemption,
    exempt_domain,
    make_transition,
    undo_last_action,
    withdraw_confirmation,
)
from onboarding.plans.transitions import Actor
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.factories import SignIn, task_of

OPEN = "end-user-asset-library"  # the client's, and no check can see it
DKIM = "dkim-update"  # per domain, and its check only supports it
GATE = "mx-record-cutover"
CLIENT = Actor("client", may_manage_plan=False)


def status(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).status


def actions(tenant: Tenant) -> list[str]:
    return list(ActivityLine.objects.filter(tenant=tenant).values_list("action", flat=True))


def add_domain(tenant: Tenant, name: str) -> Domain:
    return Domain.objects.create(tenant=tenant, name=name, role=Domain.Role.SECONDARY)


def test_second_confirmation_keeps_undo(tenant: Tenant, owner: User, member: User) -> None:
    for by in (owner, owner, member):
        confirm_task(task_of(tenant, OPEN), by=by, side="client")

    assert (task_of(tenant, OPEN).client_confirmed_by, actions(tenant).count("task-confirmed")) == (
        owner,
        1,
    )
    undo_last_action(task_of(tenant, OPEN), by=owner)
    assert status(tenant, OPEN) == TaskStatus.TODO


def test_second_withdrawal_changes_nothing(tenant: Tenant, owner: User) -> None:
    confirm_task(task_of(tenant, OPEN), by=owner, side="client")
    for _ in range(2):
        withdraw_confirmation(task_of(tenant, OPEN), by=owner, side="client")

    assert actions(tenant).count("confirmation-withdrawn") == 1
    undo_last_action(task_of(tenant, OPEN), by=owner)
    assert status(tenant, OPEN) == TaskStatus.DONE


def test_regressed_task_is_confirmed_again(tenant: Tenant, owner: User) -> None:
    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")
    rows = Task.objects.filter(plan=tenant.plan, key="domain-ownership")
    rows.update(verified_at=None, regressed_at=timezone.now())
    recompute_rollup(tenant.plan)
    assert status(tenant, "domain-ownership") == TaskStatus.REGRESSED

    confirm_task(task_of(tenant, "domain-ownership"), by=owner, side="client")

    assert status(tenant, "domain-ownership") == TaskStatus.AWAITING_VERIFICATION


def test_regressed_domain_offers_confirm(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    confirm_task(task_of(tenant, "spf-update"), by=owner, side="client")
    page = (
        reverse("onboarding:plan-show", args=[tenant.public_id])
        + "?phase="
        + (task_of(tenant, "spf-update").phase.key)
    )
    offer = 'aria-label="Mark as done for northwind.test"'
    before = signed_in(owner).get(page).content.decode().count(offer)
    Task.objects.filter(key="spf-update").update(regressed_at=timezone.now())

    assert signed_in(owner).get(page).content.decode().count(offer) == before + 1


def test_undo_respects_hard_gate(tenant: Tenant, consultant: User, owner: User) -> None:
    before = Task.objects.filter(plan=tenant.plan).exclude(key=GATE)
    before.update(manual_status="declined")
    recompute_rollup(tenant.plan)
    confirm_task(task_of(tenant, GATE), by=owner, side="client")
    withdraw_confirmation(task_of(tenant, GATE), by=owner, side="client")
    before.update(manual_status="")
    recompute_rollup(tenant.plan)

    with pytest.raises(OnboardingError, match="can lose mail"):
        undo_last_action(task_of(tenant, GATE), by=owner)

    assert task_of(tenant, GATE).client_confirmed_at is None


def test_undo_of_newer_action_is_refused(tenant: Tenant, owner: User, consultant: User) -> None:
    make_transition(task_of(tenant, OPEN), "start", by=owner, actor=CLIENT)
    undo = task_of(tenant, OPEN).undo
    assert undo is not None
    make_transition(
        task_of(tenant, OPEN), "block", by=owner, actor=CLIENT, reason="The printer is broken."
    )

    with pytest.raises(ConflictingChange):
        undo_last_action(task_of(tenant, OPEN), by=consultant, expected=undo["at"])

    assert task_of(tenant, OPEN).status_reason == "The printer is broken."


def test_confirm_keeps_earlier_domain_user(tenant: Tenant, owner: User, member: User) -> None:
    Task.objects.filter(plan=tenant.plan, key=DKIM).update(responsibility="client")
    first = tenant.domains.get()
    add_domain(tenant, "late.test")
    apply_profile(tenant)
    confirm_task(task_of(tenant, DKIM), by=owner, side="client", domain=first)

    confirm_task(task_of(tenant, DKIM), by=member, side="client")

    parts = DomainProgress.objects.filter(task__key=DKIM).order_by("domain__name")
    assert [(part.domain.name, part.client_confirmed_by) for part in parts] == [
        ("late.test", member),
        ("northwind.test", owner),
    ]


def test_second_exemption_names_the_first(
    tenant: Tenant, consultant: User, administrator: User, signed_in: SignIn
) -> None:
    late = add_domain(tenant, "late.test")
    apply_profile(tenant)
    exempt_domain(task_of(tenant, DKIM), late, by=consultant, reason="Parked.")
    ids = [tenant.public_id, task_of(tenant, DKIM).public_id, late.public_id]

    answer = signed_in(administrator).post(
        reverse("onboarding:task-domain-exempt", args=ids), {"reason": "It never sends mail."}
    )

    html = answer.content.decode()
    assert (
        answer.status_code,
        "Con Sultant has already exempted late.test: “Parked.”. Nothing was changed." in html,
    ) == (
        422,
        True,
    )
    assert "It never sends mail." in html
    assert DomainProgress.objects.get(domain=late).exempt_reason == "Parked."


def test_include_of_domain_in_scope_is_no_op(tenant: Tenant, consultant: User) -> None:
    end_exemption(task_of(tenant, DKIM), tenant.domains.get(), by=consultant)

    assert actions(tenant).count("exemption-removed") == 0
    assert task_of(tenant, DKIM).undo is None


def test_exempt_domain_without_role_is_refused(tenant: Tenant, consultant: User) -> None:
    parked = Domain.objects.create(tenant=tenant, name="parked.test", role=Domain.Role.PARKED)
    apply_profile(tenant)
    assert parked.role not in task_of(tenant, DKIM).domain_roles

    with pytest.raises(OnboardingError, match=r"not done for parked\.test"):
        exempt_domain(task_of(tenant, DKIM), parked, by=consultant, reason="Parked.")


def test_exempt_last_domain_is_refused(tenant: Tenant, consultant: User) -> None:
    late = add_domain(tenant, "late.test")
    apply_profile(tenant)
    exempt_domain(task_of(tenant, "spf-update"), late, by=consultant, reason="Parked.")

    with pytest.raises(OnboardingError, match="Mark the task as not applicable instead"):
        exempt_domain(
            task_of(tenant, "spf-update"),
            tenant.domains.get(name="northwind.test"),
            by=consultant,
            reason="Parked too.",
        )
