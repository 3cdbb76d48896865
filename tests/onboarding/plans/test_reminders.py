"""Reminders: who is told, how often, and in which words."""

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
from tests.factories import MakeTenant, SignIn, task_of

KEY = "initial-conversation"  # of both sides, and waits for nothing
TUESDAY = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)

Press = Callable[..., str]


@pytest.fixture
def press(signed_in: SignIn, tenant: Tenant, django_capture_on_commit_callbacks: Any) -> Press:
    """Press "Remind them" at a step; return what the next page says."""
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


def _wait_for(tenant: Tenant, key: str, turn: str, *, since: datetime = TUESDAY) -> Task:
    Task.objects.filter(plan__tenant=tenant).update(waiting_on="", waiting_since=None)
    Task.objects.filter(plan__tenant=tenant, key=key).update(waiting_on=turn, waiting_since=since)
    return task_of(tenant, key)


def _lead(tenant: Tenant, consultant: User) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)


def test_only_the_side_waited_for_is_told(
    tenant: Tenant, consultant: User, owner: User, member: User, viewer: User, press: Press
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "client", since=timezone.now())

    said = press(consultant)

    assert said == "A reminder goes to Member Person, Owner Person."
    assert sorted(sent.to[0] for sent in mail.outbox) == [member.email, owner.email]


def test_the_assignee_alone_is_told_where_it_is_their_sides_turn(
    tenant: Tenant, consultant: User, owner: User, member: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "both", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=member)

    press(consultant)

    assert [sent.to for sent in mail.outbox] == [[member.email]]


def test_an_assignee_of_the_other_side_is_left_alone(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=owner)

    press(owner)

    assert [sent.to for sent in mail.outbox] == [[consultant.email]]


def test_an_assignee_who_left_the_tenant_is_told_nothing(
    tenant: Tenant, consultant: User, owner: User, member: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=member)
    Membership.objects.filter(user=member).delete()

    press(consultant)

    assert [sent.to for sent in mail.outbox] == [[owner.email]]


def test_the_mail_names_the_step_its_day_and_its_page(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=TUESDAY)
    task = task_of(tenant, KEY)

    press(consultant)

    (sent,) = mail.outbox
    page = reverse("onboarding:plan-show", args=[tenant.public_id])
    assert sent.subject == f"{task.title} waits for you · Northwind"
    assert f"http://testserver{page}?phase={task.phase.key}#{KEY}" in str(sent.body)
    assert "waiting since 1 December" in str(sent.body)
    assert "Con Sultant asked us to remind you." in str(sent.body)


def test_the_mail_counts_days_where_the_tenant_is_and_names_an_open_question(
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
    for words in (str(sent.body), str(html)):
        assert "2 December" in words
        assert "This task has an unanswered question." in " ".join(words.split())
        assert "If it is not yours, say so there" in " ".join(words.split())


def test_a_second_reminder_within_the_day_is_refused_in_words(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now() - timedelta(days=3))
    press(consultant)

    said = press(consultant)

    assert said == "They were reminded within the last day. Nobody was sent a second mail."
    assert len(mail.outbox) == 1


def test_a_new_turn_may_be_reminded_of_at_once(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _wait_for(tenant, KEY, "client", since=timezone.now() - timedelta(days=3))
    press(consultant)
    _wait_for(tenant, KEY, "client", since=timezone.now())

    press(consultant)

    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ("", "Nobody can do anything about it now, so there is nobody to remind."),
        (
            "mimecast",
            "It is your own turn, or nobody else of that side has an account: nobody was reminded.",
        ),
    ],
)
def test_where_nobody_is_to_be_reminded_it_says_why(
    tenant: Tenant, consultant: User, press: Press, turn: str, words: str
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, turn)

    assert press(consultant) == words
    assert task_of(tenant, KEY).reminded_at is None


def test_a_step_done_before_the_mail_goes_is_left_out_of_it(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    _lead(tenant, consultant)
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    confirm_task(task_of(tenant, KEY), by=owner, side="client")

    send_reminder(made.public_id)

    made.refresh_from_db()
    assert (mail.outbox, made.sent_at, made.cancelled_at is not None) == ([], None, True)


def test_a_mail_goes_once_however_often_it_is_queued(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)

    send_reminder(made.public_id)
    send_reminder(made.public_id)

    assert len(mail.outbox) == 1


def test_many_steps_come_in_one_mail(
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
    assert sent.subject == "2 steps wait for you · Northwind"
    line = ActivityLine.objects.get(action="reminder-sent")
    assert line.params["titles"] == [task_of(tenant, key).title for key in keys]


# --- By ourselves


def _chase_after(tenant: Tenant, days: int) -> None:
    WorkingTime.objects.create(tenant=tenant, remind_after_working_days=days)


def _chased(tenant: Tenant, now: datetime) -> list[str]:
    return [made.recipient.email for made in reminders.send_due_reminders(_plan(tenant), now=now)]


def test_nobody_is_chased_unless_a_consultant_wishes_it(tenant: Tenant, owner: User) -> None:
    _wait_for(tenant, KEY, "client")

    assert _chased(tenant, TUESDAY + timedelta(days=30)) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (timedelta(days=2, hours=-1), False),  # 1.9 working days
        (timedelta(days=2), True),
        (timedelta(days=2, hours=-12), False),  # at night
        (timedelta(days=4), False),  # a Saturday
        (timedelta(days=6), True),
    ],
)
def test_a_step_is_chased_after_so_many_working_days_in_working_hours(
    tenant: Tenant, owner: User, after: timedelta, told: bool
) -> None:
    _chase_after(tenant, 2)
    _wait_for(tenant, KEY, "client")

    assert _chased(tenant, TUESDAY + after) == ([owner.email] if told else [])


def test_it_is_chased_again_after_as_many_days_and_not_before(tenant: Tenant, owner: User) -> None:
    _chase_after(tenant, 2)
    task = _wait_for(tenant, KEY, "client")
    Task.objects.filter(pk=task.pk).update(reminded_at=TUESDAY + timedelta(days=2))

    assert _chased(tenant, TUESDAY + timedelta(days=3)) == []
    assert _chased(tenant, TUESDAY + timedelta(days=6)) == [owner.email]


def test_two_workers_who_chase_at_once_send_one_mail(tenant: Tenant, owner: User) -> None:
    _chase_after(tenant, 1)
    task = _wait_for(tenant, KEY, "client")
    plan, seen_by_both = _plan(tenant), [task]

    reminders.create_reminders(plan, seen_by_both, by=None)
    with pytest.raises(OnboardingError):
        reminders.create_reminders(plan, seen_by_both, by=None)

    assert Reminder.objects.count() == 1


def test_a_mail_that_was_never_queued_is_found_again(
    tenant: Tenant, consultant: User, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    Reminder.objects.filter(pk=made.pk).update(requested_at=timezone.now() - timedelta(hours=3))

    with django_capture_on_commit_callbacks(execute=True):
        send_due_reminders()

    assert [sent.to for sent in mail.outbox] == [[owner.email]]


def test_a_plan_that_cannot_be_chased_holds_up_no_other(
    make_tenant: MakeTenant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    # The first of them, so that the other comes after it.
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
    # As workers do it: what a task raises is logged, and stays its own.
    monkeypatch.setitem(app.conf, "task_eager_propagates", False)

    with django_capture_on_commit_callbacks(execute=True):
        send_due_reminders()

    assert [sent.to for sent in mail.outbox] == [[owner.email]]
    assert "Nowhere/Land" in caplog.text


@pytest.mark.parametrize("days", ["61", "-1", "soon"])
def test_an_odd_number_of_days_is_refused_beside_its_field(
    tenant: Tenant, consultant: User, signed_in: SignIn, days: str
) -> None:
    response = signed_in(consultant).post(
        reverse("onboarding:working-time", args=[tenant.public_id]),
        {"weekdays": ["0"], "opens": "09:00", "closes": "17:00", "remind_after_working_days": days},
    )

    assert response.status_code == 422
    assert list(response.context["working_time"].errors) == ["remind_after_working_days"]
    assert not WorkingTime.objects.exists()


# --- People who may no longer act


def test_a_consultant_who_is_staff_no_longer_hears_nothing(
    tenant: Tenant, consultant: User, owner: User, press: Press
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=owner)
    User.objects.filter(pk=consultant.pk).update(staff_role="")

    send_reminder(made.public_id)
    Task.objects.filter(plan__tenant=tenant).update(reminded_at=None)
    said = press(owner)

    assert mail.outbox == []
    assert said.startswith("It is your own turn, or nobody else of that side has an account")


def test_an_assignee_who_only_reads_by_now_leaves_it_to_the_others(
    tenant: Tenant, consultant: User, manager: User, press: Press, owner: User
) -> None:
    _lead(tenant, consultant)
    _wait_for(tenant, KEY, "mimecast", since=timezone.now())
    Task.objects.filter(plan__tenant=tenant, key=KEY).update(assignee=manager)

    press(owner)

    assert [sent.to for sent in mail.outbox] == [[consultant.email]]


def test_a_mail_about_a_tenant_that_was_closed_meanwhile_is_dropped(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    _wait_for(tenant, KEY, "client")
    (made,) = reminders.create_reminders(_plan(tenant), [task_of(tenant, KEY)], by=consultant)
    close_tenant(tenant, by=consultant)

    send_reminder(made.public_id)

    made.refresh_from_db()
    assert (mail.outbox, made.sent_at, made.cancelled_at is not None) == ([], None, True)
