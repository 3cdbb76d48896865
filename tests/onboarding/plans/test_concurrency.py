"""Two users change one task: the later one sees the conflict and overwrites nothing unread."""

from __future__ import annotations

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.models import Task
from onboarding.plans.dates import set_due_date
from onboarding.plans.services import make_transition, set_responsibility
from onboarding.plans.transitions import Actor
from tenants.models import Membership, Tenant, User
from tests.factories import SignIn, fill_fields, task_of
from tests.markup import texts

KEY = "initial-conversation"  # both sides, no dependencies


def _press(client: Client, tenant: Tenant, action: str, key: str = KEY, **typed: str) -> str:
    ids = [tenant.public_id, task_of(tenant, key).public_id]
    response = client.post(reverse(f"onboarding:{action}", args=ids), typed, follow=True)
    return " ".join(str(message) for message in response.context["messages"])


def _refused(
    client: Client, tenant: Tenant, action: str, field: str, key: str = KEY, **typed: str
) -> tuple[str, str]:
    """Send a form that is refused. Return the sentence next to the field, and the page.

    The page has the typed value, and the current value for the next attempt.
    """
    ids = [tenant.public_id, task_of(tenant, key).public_id]
    response = client.post(reverse(f"onboarding:{action}", args=ids), typed)
    assert response.status_code == 422
    html = response.content.decode()
    (sentence,) = texts(html, f"#id_{field}_error")
    assert response.context["form"][field].value() == typed[field]
    return sentence, html


def test_confirm_keeps_unread_status(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    actor = Actor("client", may_manage_plan=False)
    make_transition(
        task_of(tenant, KEY), "block", by=member, actor=actor, reason="The proxy is down."
    )
    fill_fields(task_of(tenant, KEY))
    client = signed_in(owner)

    message = _press(client, tenant, "task-confirm", expected="todo")

    task = task_of(tenant, KEY)
    assert message.startswith("Member Person changed the status to “blocked”: “The proxy is down.”")
    assert (task.status, task.status_reason) == ("blocked", "The proxy is down.")

    # A user who has read the status may confirm the task.
    assert _press(client, tenant, "task-confirm", expected="blocked") == ""
    assert task_of(tenant, KEY).client_confirmed_by == owner


def test_confirm_after_other_side_confirmed(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    Task.objects.filter(pk=task_of(tenant, KEY).pk).update(status="partly_confirmed")
    fill_fields(task_of(tenant, KEY))

    assert _press(signed_in(owner), tenant, "task-confirm", expected="todo") == ""
    assert task_of(tenant, KEY).client_confirmed_by == owner


def test_second_due_date_shows_the_first(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    first = date(2027, 5, 3)
    expected = task_of(tenant, KEY).due_on
    set_due_date(task_of(tenant, KEY), first, by=consultant)
    shown = expected.isoformat() if expected else ""

    typed = {"due_on": "2027-06-01", "expected": shown}
    sentence, html = _refused(signed_in(consultant), tenant, "task-due", "due_on", **typed)

    assert sentence == (
        "Another user changed the due date: they set it to 3 May 2027. Nothing was changed."
    )
    assert 'value="2027-06-01"' in html
    assert '<input type="hidden" name="expected" value="2027-05-03">' in html
    assert task_of(tenant, KEY).due_on == first


TOO_FAR = "Enter a day within ten years of today."
NO_DATE = "Enter a day, such as 2026-12-31."


@pytest.mark.parametrize(
    ("day", "error"),
    [
        ("9999-12-31", TOO_FAR),
        ("0001-01-01", TOO_FAR),
        ("2027-02-31", NO_DATE),
        ("next week", NO_DATE),
    ],
)
def test_bad_due_date_is_refused_beside_the_field(
    tenant: Tenant, consultant: User, signed_in: SignIn, day: str, error: str
) -> None:
    client = signed_in(consultant)
    before = task_of(tenant, KEY).due_on
    typed = {"task": [task_of(tenant, KEY).public_id], "due_on": day}

    url = reverse("onboarding:task-due", args=[tenant.public_id, task_of(tenant, KEY).public_id])
    page = client.post(url, {"due_on": day, "expected": "2027-01-01"})
    bulk = client.post(reverse("onboarding:tasks-bulk", args=[tenant.public_id]), typed)

    html = page.content.decode()
    assert page.status_code == 422
    assert page.context["form"].errors == {"due_on": [error]}
    assert error in html
    # The form retains the typed text and the date that it was typed against.
    assert f'value="{day}"' in html
    assert 'value="2027-01-01"' in html
    assert bulk.context["bulk"].errors == {"due_on": [error]}
    assert task_of(tenant, KEY).due_on == before


def test_second_assignment_shows_the_first(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    Task.objects.filter(pk=task_of(tenant, KEY).pk).update(assignee=member)

    typed = {"person": owner.public_id, "expected": ""}
    sentence, html = _refused(signed_in(owner), tenant, "task-assign", "person", **typed)

    assert sentence == "Another user assigned this task to Member Person. Nothing was changed."
    assert f'value="{owner.public_id}" selected' in html
    assert f'<input type="hidden" name="expected" value="{member.public_id}">' in html
    assert task_of(tenant, KEY).assignee == member


def test_former_member_stays_assigned(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    Task.objects.filter(pk=task_of(tenant, KEY).pk).update(assignee=member)
    Membership.objects.filter(user=member).delete()
    client = signed_in(owner)

    page = client.get(
        reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=onboarding-review"
    ).content.decode()
    message = _press(
        client, tenant, "task-assign", person=member.public_id, expected=member.public_id
    )

    assert texts(page, f"#assignee-{KEY}")[0].split("No assignee ")[1].startswith("Member Person")
    assert f'value="{member.public_id}" selected' in page
    assert (message, task_of(tenant, KEY).assignee) == ("", member)


def test_second_responsibility_shows_first(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    task = Task.objects.filter(plan__tenant=tenant, responsibility_stated=False).first()
    assert task is not None
    set_responsibility(task, "client", by=consultant)

    sentence, html = _refused(
        signed_in(consultant),
        tenant,
        "task-responsibility",
        "responsibility",
        task.key,
        responsibility="mimecast",
        expected="both",
    )

    assert sentence == "Another user chose “Client”. Nothing was changed."
    assert 'value="mimecast" selected' in html
    assert '<input type="hidden" name="expected" value="client">' in html
    assert task_of(tenant, task.key).responsibility == "client"
