"""Facts that Gangway stores itself are required before a confirmation, and days are plausible."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from onboarding.errors import OnboardingError
from onboarding.models import Contact, Task, TaskRole, TaskStatus
from onboarding.plans.recorded_facts import RECORDED_FACTS
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.task_fields import FieldType, definitions_of
from tenants.models import Platform, Tenant, User
from tests.clock import Clock, at
from tests.factories import MakeTenant, SignIn, fill_fields, record_fact, task_of
from tests.onboarding.plans.test_transitions import switch_mx

PLATFORMS = {
    "routing-domain": "microsoft_365",
    "outbound-addresses": "on_premises",
    "emergency-contact": "google_workspace",
    "contacts": "other",
}


def task_with_fact(tenant: Tenant, fact: str) -> Task:
    (found,) = [
        task
        for task in Task.objects.filter(plan__tenant=tenant)
        if any(definition.fact == fact for definition in definitions_of(task))
    ]
    return found


@pytest.mark.parametrize("fact", RECORDED_FACTS)
def test_confirmation_needs_recorded_fact(
    make_tenant: MakeTenant, owner: User, signed_in: SignIn, fact: str
) -> None:
    tenant = make_tenant("Elsewhere", platform=PLATFORMS[fact])
    task = task_with_fact(tenant, fact)
    Task.objects.filter(pk=task.pk).update(depends_on=[])
    recompute_rollup(tenant.plan)
    fields = [data for data in task.fields if data["type"] != "fact"]
    task.fields, given = fields, task.fields
    fill_fields(task)
    Task.objects.filter(pk=task.pk).update(fields=given)

    with pytest.raises(OnboardingError) as refused:
        confirm_task(task, by=owner, side="client")
    record_fact(tenant, fact)
    confirm_task(task_of(tenant, task.key), by=owner, side="client")

    assert str(refused.value).endswith(f" is missing. {RECORDED_FACTS[fact].missing}")
    assert task_of(tenant, task.key).status in (TaskStatus.DONE, TaskStatus.PARTLY_CONFIRMED)


def test_page_names_the_place_of_a_missing_fact(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    task = task_with_fact(tenant, "contacts")
    url = reverse("onboarding:plan-show", args=[tenant.public_id])

    html = signed_in(owner).get(f"{url}?phase={task.phase.key}").content.decode()

    assert RECORDED_FACTS["contacts"].missing in html


def test_contacts_need_every_role(tenant: Tenant) -> None:
    read = RECORDED_FACTS["contacts"].read
    *most, last = Contact.Role.values
    for role in most:
        Contact.objects.create(tenant=tenant, role=role, name="Ann Example")
    before = read(tenant)
    Contact.objects.create(tenant=tenant, role=last, name="Ann Example")

    assert (before, bool(read(tenant))) == ("", True)


@pytest.mark.parametrize("platform", Platform.values)
def test_provider_has_no_addresses_in_the_sheet(make_tenant: MakeTenant, platform: str) -> None:
    tenant = make_tenant("Elsewhere", platform=platform)

    found = RECORDED_FACTS["outbound-addresses"].read(tenant)

    assert bool(found) == (platform in ("microsoft_365", "google_workspace"))


def test_every_date_of_the_plan_is_plausible(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    """Each day of an event must not lie more than a year before the plan."""
    client = signed_in(consultant)
    dates = [
        (task, definition)
        for task in Task.objects.filter(plan=tenant.plan, applies=True)
        for definition in definitions_of(task)
        if definition.type is FieldType.DATE and definition.countdown_days != 0
    ]
    for task, definition in dates:
        url = reverse("onboarding:task-fields", args=[tenant.public_id, task.public_id])

        page = client.post(url, {definition.key: "2001-01-01"})

        errors = page.context["form"].errors[definition.key]
        assert page.status_code == 422
        assert errors == [
            "2001-01-01 is not plausible: it is more than a year before this plan. Enter the day of"
            " this implementation."
        ]
    assert len(dates) > 4


@pytest.mark.parametrize(("days", "is_refused"), [(-1, True), (0, False), (1, False)])
def test_gateway_is_switched_off_after_its_safe_time(
    tenant: Tenant, owner: User, fixed_monday: Clock, days: int, is_refused: bool
) -> None:
    Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND).update(
        verified_at=at("Mon 07:00"), status=TaskStatus.VERIFIED
    )
    # Old answers with a TTL of two hours until Monday 07:00, plus four hours.
    switch_mx(tenant, at("Mon 07:00"))
    fixed_monday.move_to(at("2 Mon 08:00"))
    recompute_rollup(tenant.plan)
    task = Task.objects.get(plan=tenant.plan, role=TaskRole.DECOMMISSION)
    fill_fields(task)
    day = (at("Mon 13:00") + timedelta(days=days)).date().isoformat()
    task.field_values["switched-off-on"]["value"] = day
    task.save()

    if is_refused:
        with pytest.raises(OnboardingError, match="is before the safe time of this task, Mon 30"):
            confirm_task(task, by=owner, side="client")
    else:
        confirm_task(task, by=owner, side="client")

    assert (task_of(tenant, task.key).status == TaskStatus.DONE) is not is_refused
