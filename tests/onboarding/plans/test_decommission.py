"""The old gateway is switched off after the MX cutover, and after old answers have expired."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from onboarding.errors import OnboardingError
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plans import reminders
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.tasks import complete_waits
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.factories import SignIn, fill_fields, task_of
from tests.markup import texts
from tests.onboarding.plans.test_transitions import switch_mx

KEY = "decommission-gateway"
# Old answers with a TTL of two hours until Monday 07:00, plus four hours.
SAFE_AT = at("Mon 13:00")
SENTENCE = "Switching off the old gateway is safe from Mon 30 Nov, 13:00 UTC."


@pytest.fixture
def gateway(tenant: Tenant, fixed_monday: Clock) -> Task:
    """The task, with its date, behind a verified MX cutover whose old answers still live."""
    Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND).update(
        verified_at=at("Mon 07:00"), status=TaskStatus.VERIFIED
    )
    switch_mx(tenant, at("Mon 07:00"))
    recompute_rollup(tenant.plan)
    return fill_fields(task_of(tenant, KEY))


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
