"""Reminders: recipients, intervals and e-mails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils import timezone

from config.celery import app
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import OnboardingError
from onboarding.lifecycle.offboarding import close_tenant
from onboarding.models import Plan, Reminder, Task, WorkingTime
from onboarding.plans import reminders
from onboarding.plans.services import confirm_task
from onboarding.plans.tasks import send_due_reminders, send_reminder
from tenants.models import ActivityLine, Membership, Tenant, User
from tests.factories import MakeTenant, SignIn, fill_fields, task_of

KEY = "initial-conversation"  # both sides, no dependencies
TUESDAY = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)

Press = Callable[..., str]


@pytest.fixture
def press(signed_in: SignIn, tenant: Tenant, django_capture_on_commit_callbacks: Any) -> Press:
    """Click "Remind them" on a task; return the message on the next page."""
    cache.clear()

    def send(by: User, key: str = KEY) -> str:
        address = reverse(
            "onboarding:task-remind", args=[tenant.public_id, task_of(tenant, key).public_id]
        )
        with django_capture_on_commit_callbacks(execute=True):
            response = signed_in(by).post(address, follow=True)
        return " ".join(str(message) for message in response.context["messages"])

    return send


def _plan(tenant: Tenant) -> Plan:
    return Plan.objects.select_related("tenant__consultant").get(tenant=tenant)


def _wait_for(tenant: Tenant, key: str, side: str, *, since: datetime = TUESDAY) -> Task:
    Task.objects.filter(plan__tenant=tenant).update(waiting_on="", waiting_since=None)
    Task.objects.filter(plan__tenant=tenant, key=key).update(waiting_on=side, waiting_since=since)
    return task_of(tenant, key)


def _lead(tenant: Tenant, consultant: User) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)


def test_reminder_goes_to_waiting_side(
    tenant: Tenant, consultant: User, owner: User, member: User, viewer: User, press: Press
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "client", since=timezone.now())

    message = press(consultant)

    assert message == "Gangway sends a reminder to Member Person, Owner Person."
    assert sorted(sent.to[0] for sent in mail.outbox) == [member.email, owner.email]


def test_reminder_goes_to_assignee_only(
    tenant: Tenant, consultant: User, owner: User, member: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "both", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=member)

    press(consultant)

    assert [sent.to for sent in mail.outbox] == [[member.email]]


def test_other_side_assignee_gets_none(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=owner)

    press(owner)

    assert [sent.to for sent in mail.outbox] == [[consultant.email]]


def test_former_member_gets_no_reminder(
    tenant: Tenant, consultant: User, owner: User, member: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=member)
    Membership.objects.filter(user=member).delete()

    press(consultant)

    assert [sent.to for sent in mail.outbox] == [[owner.email]]


def test_reminder_email_names_task_and_page(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=TUESDAY)
    task = task_of(tenant, KEY)

    press(consultant)

    (sent,) = mail.outbox
    page = reverse("onboarding:plan-show", args=[tenant.public_id])
    assert sent.subject == f"Waiting on you: {task.title} · Northwind"
    assert f"http://testserver{page}?phase={task.phase.key}#{KEY}" in str(sent.body)
    assert "waiting since 1 December" in str(sent.body)
    assert "Con Sultant requested this reminder." in str(sent.body)


def test_reminder_email_uses_tenant_zone(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Auckland")
    task = task_of(tenant, KEY)
    add_comment(task, NewComment("Who is it?", asked_side="client"), by=consultant, side="mimecast")
    _wait_for(tenant, KEY, "client", since=TUESDAY.replace(hour=20))

    press(consultant)

    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    (html, _) = sent.alternatives[0]
    for body in (str(sent.body), str(html)):
        assert "2 December" in body
        assert "This task has an unanswered question." in " ".join(body.split())
        assert "If it is not yours, add a comment to it" in " ".join(body.split())


def test_second_reminder_in_a_day_is_refused(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now() - timedelta(days=3))
    press(consultant)

    message = press(consultant)

    assert message == "They had a reminder within the last day. No second one was sent."
    assert len(mail.outbox) == 1


def test_new_waiting_period_allows_reminder(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now() - timedelta(days=3))
    press(consultant)
    _wait_for(tenant, KEY, "client", since=timezone.now())

    press(consultant)

    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("side", "reason"),
    [
        ("", "This task waits for neither side. No reminder was sent."),
        (
            "mimecast",
            "This task waits for you, or that side has no other account. No reminder was sent.",
        ),
    ],
)
def test_no_recipient_shows_reason(
    tenant: Tenant, consultant: User, press: Press, side: str, reason: str
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, side)

    assert press(consultant) == reason
    assert task_of(tenant, KEY).reminded_at is None


def test_completed_task_cancels_email(
    tenant: Tenant, consultant: User, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    _lead(tenant, consultant)
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    confirm_task(fill_fields(task_of(tenant, KEY)), by=owner, side="client")

    with django_capture_on_commit_callbacks(execute=True):
        send_reminder(made.public_id)

    made.refresh_from_db()
    assert (mail.outbox, made.sent_at, made.cancelled_at is not None) == ([], None, True)


def test_reminder_is_sent_once(
    tenant: Tenant, consultant: User, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)

    with django_capture_on_commit_callbacks(execute=True):
        send_reminder(made.public_id)
        send_reminder(made.public_id)

    assert len(mail.outbox) == 1


def test_one_email_for_many_tasks(
    tenant: Tenant,
    consultant: User,
    owner: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    keys = [KEY, "mail-flow-infrastructure"]
    Task.objects.filter(plan__tenant=tenant, key__in=keys).update(
        waiting_on="client", waiting_since=timezone.now()
    )

    with django_capture_on_commit_callbacks(execute=True):
        signed_in(consultant).post(
            reverse("onboarding:tasks-bulk", args=[tenant.public_id]),
            {"task": [task_of(tenant, key).public_id for key in keys], "remind": "on"},
        )

    (sent,) = mail.outbox
    assert sent.subject == "2 tasks waiting on you · Northwind"
    line = ActivityLine.objects.get(action="reminder-sent")
    assert line.params["titles"] == [task_of(tenant, key).title for key in keys]


# --- Automatic reminders


def _remind_after(tenant: Tenant, days: int) -> None:
    WorkingTime.objects.create(tenant=tenant, remind_after_working_days=days)


def _reminded(tenant: Tenant, now: datetime) -> list[str]:
    return [made.recipient.email for made in reminders.send_due_reminders(_plan(tenant), now=now)]


def test_automatic_reminders_are_off(tenant: Tenant, owner: User) -> None:
    _wait_for(tenant, KEY, "client")

    assert _reminded(tenant, TUESDAY + timedelta(days=30)) == []


@pytest.mark.parametrize(
    ("after", "is_sent"),
    [
        (timedelta(days=2, hours=-1), False),  # 1.9 working days
        (timedelta(days=2), True),
        (timedelta(days=2, hours=-12), False),  # at night
        (timedelta(days=4), False),  # a Saturday
        (timedelta(days=6), True),
    ],
)
def test_automatic_reminder_in_work_hours(
    tenant: Tenant, owner: User, after: timedelta, is_sent: bool
) -> None:
    _remind_after(tenant, 2)
    _wait_for(tenant, KEY, "client")

    assert _reminded(tenant, TUESDAY + after) == ([owner.email] if is_sent else [])


def test_automatic_reminder_repeats(tenant: Tenant, owner: User) -> None:
    _remind_after(tenant, 2)
    task = _wait_for(tenant, KEY, "client")
    Task.objects.filter(pk=task.pk).update(reminded_at=TUESDAY + timedelta(days=2))

    assert _reminded(tenant, TUESDAY + timedelta(days=3)) == []
    assert _reminded(tenant, TUESDAY + timedelta(days=6)) == [owner.email]


def test_two_workers_send_one_email(tenant: Tenant, owner: User) -> None:
    _remind_after(tenant, 1)
    task = _wait_for(tenant, KEY, "client")
    plan, read_by_both = _plan(tenant), [task]

    reminders.create_reminders(plan, read_by_both, by=None)
    with pytest.raises(OnboardingError):
        reminders.create_reminders(plan, read_by_both, by=None)

    assert Reminder.objects.count() == 1


def test_unqueued_reminder_is_retried(
    tenant: Tenant, consultant: User, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    Reminder.objects.filter(pk=made.pk).update(requested_at=timezone.now() - timedelta(hours=3))

    with django_capture_on_commit_callbacks(execute=True):
        send_due_reminders()

    assert [sent.to for sent in mail.outbox] == [[owner.email]]


def test_failing_plan_delays_no_other(
    make_tenant: MakeTenant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    # Created first, so that the other plan comes after it.
    broken = make_tenant("Broken", (("broken.test", "primary"),))
    tenant = make_tenant()
    owner = User.objects.create_user("owner@northwind.test", "pw", name="Owner Person")
    Membership.objects.create(tenant=tenant, user=owner, role="owner")
    Tenant.objects.filter(pk=broken.pk).update(time_zone="Nowhere/Land")
    for each in (broken, tenant):
        WorkingTime.objects.create(
            tenant=each,
            remind_after_working_days=1,
            weekdays="0123456",
            opens=time(0, 0),
            closes=time(23, 59, 59),
        )
        _wait_for(each, KEY, "client", since=timezone.now() - timedelta(days=9))
    # As in a worker: the error of a task is logged and stops no other task.
    monkeypatch.setitem(app.conf, "task_eager_propagates", False)

    with django_capture_on_commit_callbacks(execute=True):
        send_due_reminders()

    assert [sent.to for sent in mail.outbox] == [[owner.email]]
    assert "Nowhere/Land" in caplog.text


@pytest.mark.parametrize("days", ["61", "-1", "soon"])
def test_invalid_reminder_days_are_refused(
    tenant: Tenant, consultant: User, signed_in: SignIn, days: str
) -> None:
    response = signed_in(consultant).post(
        reverse("onboarding:working-time", args=[tenant.public_id]),
        {"weekdays": ["0"], "opens": "09:00", "closes": "17:00", "remind_after_working_days": days},
    )

    assert response.status_code == 422
    assert list(response.context["working_time"].errors) == ["remind_after_working_days"]
    assert not WorkingTime.objects.exists()


# --- People without permission


def test_former_consultant_gets_no_reminder(
    tenant: Tenant,
    consultant: User,
    owner: User,
    press: Press,
    django_capture_on_commit_callbacks: Any,
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=owner)
    User.objects.filter(pk=consultant.pk).update(staff_role="")

    with django_capture_on_commit_callbacks(execute=True):
        send_reminder(made.public_id)
    Task.objects.filter(plan__tenant=tenant).update(reminded_at=None)
    message = press(owner)

    assert mail.outbox == []
    assert message.startswith("This task waits for you, or that side has no other account")


def test_viewer_assignee_gets_no_reminder(
    tenant: Tenant, consultant: User, manager: User, press: Press, owner: User
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=manager)

    press(owner)

    assert [sent.to for sent in mail.outbox] == [[consultant.email]]


def test_closed_tenant_gets_no_reminder(
    tenant: Tenant, consultant: User, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    _wait_for(tenant, KEY, "client")
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    close_tenant(tenant, by=consultant, reason="They left.")

    with django_capture_on_commit_callbacks(execute=True):
        send_reminder(made.public_id)

    made.refresh_from_db()
    assert (mail.outbox, made.sent_at, made.cancelled_at is not None) == ([], None, True)
