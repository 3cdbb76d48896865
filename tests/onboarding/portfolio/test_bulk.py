"""One act over many steps: all of them, or none."""

from __future__ import annotations

from datetime import date

from django.urls import reverse

from onboarding.models import Comment, Task
from tenants.models import Tenant, User
from tests.factories import SignIn, task_of

KEYS = ["training", "account-creation", "spf-update"]


def chosen(tenant: Tenant) -> list[str]:
    return [task_of(tenant, key).public_id for key in KEYS]


def post(tenant: Tenant, by: User, signed_in: SignIn, **fields: object) -> tuple[int, str]:
    url = reverse("onboarding:tasks-bulk", args=[tenant.public_id])
    response = signed_in(by).post(url, fields)
    return response.status_code, response.content.decode()


def test_tasks_get_person_day_and_comment(
    tenant: Tenant, consultant: User, member: User, signed_in: SignIn
) -> None:
    status, _ = post(
        tenant,
        consultant,
        signed_in,
        task=chosen(tenant),
        person=member.public_id,
        due_on="2027-01-15",
        comment="Please plan this.",
    )

    tasks = Task.objects.filter(plan__tenant=tenant, key__in=KEYS)
    assert status == 302
    assert set(tasks.values_list("assignee", "due_on")) == {(member.pk, date(2027, 1, 15))}
    assert Comment.objects.filter(task__in=tasks, body="Please plan this.").count() == 3


def test_empty_fields_change_nothing(
    tenant: Tenant, consultant: User, member: User, signed_in: SignIn
) -> None:
    post(tenant, consultant, signed_in, task=chosen(tenant), person=member.public_id)

    assert task_of(tenant, "training").due_on is None
    assert not Comment.objects.exists()


def test_foreign_task_refuses_the_whole_change(
    tenant: Tenant, outsider: User, consultant: User, member: User, signed_in: SignIn
) -> None:
    foreign = Task.objects.exclude(plan__tenant=tenant).filter(is_group=False)[0]
    ids = [*chosen(tenant), foreign.public_id]

    status, text = post(tenant, consultant, signed_in, task=ids, person=member.public_id)

    assert status == 422
    assert "no longer exists. Nothing was changed." in text
    assert not Task.objects.filter(assignee__isnull=False).exists()


def test_bad_day_is_refused_with_typed_values(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    status, text = post(
        tenant, consultant, signed_in, task=chosen(tenant)[:1], due_on="soon", comment="Keep me."
    )

    assert status == 422
    assert "Enter a day, such as 2026-12-31." in text
    assert "Keep me." in text
    assert text.count("checked") >= 1


def test_empty_selection_is_refused(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    assert "Select at least one task" in post(tenant, consultant, signed_in, comment="x")[1]
    assert (
        "Choose at least one change." in post(tenant, consultant, signed_in, task=chosen(tenant))[1]
    )
