"""Waiting on clients: the rows of the desk, and reminders of several tasks at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Reminder, Task, WorkingTime
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.waiting import MAX_REMINDERS, WaitingTask, waiting_tasks
from tenants.models import Membership, OutboxMessage, Tenant, User
from tests.clock import Clock
from tests.factories import MakeTenant, SignIn, client_person, task_of
from tests.onboarding.portfolio.test_desk import DAY, lead, wait

KEY = "initial-conversation"
Press = Callable[..., list[str]]


@pytest.fixture
def press(signed_in: SignIn, fixed_monday: Clock) -> Press:
    """Send the form with these values; return the lines of the notice on the next page."""

    def send(by: User, **values: Any) -> list[str]:
        response = signed_in(by).post(reverse("onboarding:desk-remind"), values, follow=True)
        (notice,) = [str(message) for message in response.context["messages"]]
        return notice.splitlines()

    return send


@pytest.fixture
def waiting(make_tenant: MakeTenant, consultant: User, fixed_monday: Clock) -> list[Task]:
    """A task in each of two tenants that waits on the client, who has an account."""
    tasks = []
    for name in ("North", "South"):
        tenant = lead(make_tenant(name, ((f"{name.lower()}.test", "primary"),)), consultant)
        owner = User.objects.create_user(f"o@{name.lower()}.test", "pw", name=f"{name} Owner")
        Membership.objects.create(tenant=tenant, user=owner, role="owner")
        tasks.append(wait(task_of(tenant, KEY), "client", days=10))
    return tasks


def rows_of(user: User) -> list[WaitingTask]:
    return waiting_tasks(list(queries.tasks_on_clients(user)), now=timezone.now())


def test_days_are_working_days_of_the_tenant(waiting: list[Task], consultant: User) -> None:
    WorkingTime.objects.create(tenant=waiting[1].plan.tenant, weekdays="0123456")

    assert [(row.days, row.is_risk) for row in rows_of(consultant)] == [(6, True), (10, True)]


def test_longest_wait_is_first(waiting: list[Task], consultant: User) -> None:
    longest = wait(waiting[1], "client", days=20)

    assert [row.task for row in rows_of(consultant)] == [longest, waiting[0]]


def test_short_wait_is_not_selected(
    waiting: list[Task], consultant: User, signed_in: SignIn
) -> None:
    short = wait(waiting[1], "both", days=2)

    html = signed_in(consultant).get(reverse("onboarding:desk")).content.decode()

    assert is_checked(html, waiting[0])
    assert not is_checked(html, short)


def is_checked(html: str, task: Task) -> bool:
    box = html.split(f'id="remind-{task.public_id}"')[1].split(">", 1)[0]
    return "checked" in box


def test_last_reminder_is_of_this_wait(waiting: list[Task], consultant: User) -> None:
    before, within = timezone.now() - 11 * DAY, timezone.now() - 3 * DAY
    Task.objects.filter(pk=waiting[0].pk).update(reminded_at=before)
    Task.objects.filter(pk=waiting[1].pk).update(reminded_at=within)

    assert [row.last_reminder for row in rows_of(consultant)] == [None, within]


def test_automatic_reminder_has_its_day(waiting: list[Task], consultant: User) -> None:
    task = wait(waiting[0], "client", days=0)
    WorkingTime.objects.create(tenant=task.plan.tenant, remind_after_working_days=3)

    assert [row.automatic_on and row.automatic_on.isoformat() for row in rows_of(consultant)] == [
        None,
        "2026-12-03",
    ]


def test_one_click_reminds_one_client(waiting: list[Task], consultant: User, press: Press) -> None:
    lines = press(consultant, only=waiting[0].public_id, task=[each.public_id for each in waiting])

    title = waiting[0].title
    assert lines == [f"North, {title}: Gangway sends a reminder to North Owner."]
    assert [each.recipient.name for each in Reminder.objects.all()] == ["North Owner"]
    assert OutboxMessage.objects.filter(kind="reminder").count() == 1


def test_notice_has_each_result(waiting: list[Task], consultant: User, press: Press) -> None:
    Task.objects.filter(pk=waiting[1].pk).update(reminded_at=timezone.now() - timedelta(hours=2))

    lines = press(consultant, task=[each.public_id for each in waiting])

    title = waiting[0].title
    assert lines[0] == "Reminders for 1 of 2 tasks:"
    assert sorted(lines[1:]) == [
        f"North, {title}: Gangway sends a reminder to North Owner.",
        f"South, {title}: They had a reminder within the last day. No second one was sent.",
    ]


def test_second_click_sends_nothing(waiting: list[Task], consultant: User, press: Press) -> None:
    press(consultant, task=[each.public_id for each in waiting])

    lines = press(consultant, task=[each.public_id for each in waiting])

    assert lines[0] == "Reminders for 0 of 2 tasks:"
    assert Reminder.objects.count() == 2


def test_reminder_ignores_tasks_of_others(waiting: list[Task], press: Press) -> None:
    other = User.objects.create_user("o@x.test", "pw", name="Other", staff_role="consultant")

    lines = press(other, task=[each.public_id for each in waiting])

    assert lines == ["These tasks no longer wait on the client. No reminder was sent."]
    assert not Reminder.objects.exists()


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([], "Select a task that waits on its client. No reminder was sent."),
        (["x"] * (MAX_REMINDERS + 1), "Select at most 50 tasks. No reminder was sent."),
    ],
)
def test_wrong_selection_sends_nothing(
    consultant: User, press: Press, chosen: list[str], reason: str
) -> None:
    assert press(consultant, task=chosen) == [reason]


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_reminders_need_the_permission(
    tenant: Tenant, manager: User, signed_in: SignIn, role: str
) -> None:
    user = manager if role == "manager" else client_person(tenant, role)

    response = signed_in(user).post(reverse("onboarding:desk-remind"), {"task": ["x"]})

    assert response.status_code == {"owner": 404, "manager": 403}[role]
