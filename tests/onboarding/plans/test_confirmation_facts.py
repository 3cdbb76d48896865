"""A confirmed task requires its facts for as long as it is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onboarding.collaboration.contacts import contacts_of, remove_contact
from onboarding.cutovers.planning import cancel_cutover
from onboarding.errors import OnboardingError
from onboarding.lifecycle.forms.profile import ProfileForm
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import Contact, Plan, Task
from onboarding.plans.confirmation_facts import reopen_without_facts
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import actor_for
from onboarding.plans.task_fields import today_for
from tenants import database_time
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import START, fill_fields, record_fact, task_of


def confirmed(tenant: Tenant, key: str) -> Task:
    """The task with all its facts and both confirmations."""
    fill_fields(task_of(tenant, key))
    Task.objects.filter(plan=tenant.plan, key=key).update(
        mimecast_confirmed_at=START, client_confirmed_at=START
    )
    recompute_rollup(tenant.plan)
    task = task_of(tenant, key)
    assert task.status == "done"
    return task


def reopened(tenant: Tenant) -> list[tuple[str, str]]:
    """The status now and the sentence of each task that was opened again."""
    lines = ActivityLine.objects.filter(tenant=tenant, action="task-facts-missing")
    return [
        (Task.objects.get(public_id=line.params["task_id"]).status, line.params["missing"])
        for line in lines.order_by("number")
    ]


def test_new_domain_without_value_opens_task(tenant: Tenant, consultant: User) -> None:
    task = confirmed(tenant, "recipient-validation")
    entry = ProfileEntry(domains=[Domain(name="two.test", role="secondary")])

    save_profile(tenant, entry, by=consultant)

    (found,) = reopened(tenant)
    assert found[0] == "todo"
    assert found[1].startswith("Enter “")
    assert "two.test" in found[1]
    task.refresh_from_db()
    assert (task.mimecast_confirmed_at, task.client_confirmed_at) == (None, None)


def test_removed_contacts_open_their_tasks(tenant: Tenant, consultant: User) -> None:
    record_fact(tenant, "contacts")
    confirmed(tenant, "wizard-emergency-contact")
    confirmed(tenant, "initial-conversation")

    for contact in contacts_of(tenant):
        remove_contact(contact, by=consultant)

    assert [status for status, _ in reopened(tenant)] == ["todo", "todo"]
    assert all("is missing" in sentence for _, sentence in reopened(tenant))


def test_other_contact_of_role_keeps_task_done(tenant: Tenant, consultant: User) -> None:
    record_fact(tenant, "contacts")
    confirmed(tenant, "wizard-emergency-contact")
    second = Contact.objects.create(tenant=tenant, role="emergency", name="Bo Example")

    remove_contact(second, by=consultant)

    assert reopened(tenant) == []


def test_cancelled_cutovers_open_plan_review(tenant: Tenant, consultant: User) -> None:
    keys = [task.key for task in tenant.plan.tasks.all() if task.planned_cutovers]
    later = database_time.now() + timedelta(days=20)
    outbound = cutover_of(tenant, "outbound", later)
    inbound = cutover_of(tenant, "inbound", later + timedelta(days=9))
    (key,) = keys
    confirmed(tenant, key)

    cancel_cutover(inbound, by=consultant)
    cancel_cutover(outbound, by=consultant)

    assert reopened(tenant) == [
        ("todo", "Plan the inbound cutover first: this task records the agreed dates.")
    ]


def test_task_older_than_its_field_stays_done(tenant: Tenant) -> None:
    confirmed(tenant, "recipient-validation")
    Task.objects.filter(plan=tenant.plan, key="recipient-validation").update(field_values={})

    reopen_without_facts(Plan.objects.get(tenant=tenant))

    assert reopened(tenant) == []


@pytest.mark.parametrize(("is_confirmed", "is_refused"), [(True, True), (False, False)])
def test_profile_keeps_code_of_confirmed_task(
    tenant: Tenant, is_confirmed: bool, is_refused: bool
) -> None:
    tenant.account_code = "CUSA10A100"
    tenant.save(update_fields=["account_code"])
    if is_confirmed:
        confirmed(tenant, "account-creation")

    form = ProfileForm({"account_code": "", "region": "us"}, instance=tenant)

    assert ("account_code" in form.errors) is is_refused


@pytest.mark.parametrize(("days", "is_refused"), [(0, False), (1, True)])
def test_confirmed_event_is_not_ahead(
    tenant: Tenant, consultant: User, days: int, is_refused: bool
) -> None:
    record_fact(tenant, "contacts")
    task = confirmed(tenant, "initial-conversation")
    day = (today_for(tenant) + timedelta(days=days)).isoformat()
    given: dict[str, Any] = {
        "by": consultant,
        "actor": actor_for(consultant, tenant),
        "expected": fingerprint(load_field_rows(task, tenant)),
    }

    if not is_refused:
        assert save_fields(task, {"session-date": day}, **given)
        return
    with pytest.raises(OnboardingError, match="in the future, but this task is confirmed"):
        save_fields(task, {"session-date": day}, **given)
    stored = task_of(tenant, "initial-conversation").field_values["session-date"]
    assert stored["value"] != day
