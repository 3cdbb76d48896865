"""Before its safe time, the lockdown waits for neither side, and no reminder is sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.urls import reverse

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import OnboardingError
from onboarding.models import Reminder, Task, WaitingPeriod, WorkingTime
from onboarding.plans import reminders
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.tasks import complete_waits, send_due_reminders, send_reminder
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.factories import SignIn, task_of
from tests.markup import texts
from tests.onboarding.plans.test_transitions import switch_mx

KEY = "connection-lockdown"
# Old answers with a TTL of two hours until Monday 07:00, plus four hours.
SAFE_AT = at("Mon 13:00")
SENTENCE = "The lockdown is safe from Mon 30 Nov, 13:00 UTC. No reminder was sent."


@pytest.fixture
def lockdown(tenant: Tenant, fixed_monday: Clock) -> Task:
    """The lockdown has started, waits for no other task, and is safe from 13:00."""
    Task.objects.filter(plan=tenant.plan, key=KEY).update(
        depends_on=[], manual_status="in_progress"
    )
    switch_mx(tenant, at("Mon 07:00"))
    recompute_rollup(tenant.plan)
    return task_of(tenant, KEY)


def stored(tenant: Tenant) -> tuple[str, datetime | None]:
    task = task_of(tenant, KEY)
    return task.waiting_on, task.safe_from


def test_lockdown_waits_on_neither_side(
    tenant: Tenant, lockdown: Task, fixed_monday: Clock
) -> None:
    before = stored(tenant)
    fixed_monday.move_to(SAFE_AT - timedelta(seconds=1))
    complete_waits()
    just_before = stored(tenant)
    fixed_monday.move_to(SAFE_AT)
    complete_waits()

    assert (before, just_before) == (("", SAFE_AT), ("", SAFE_AT))
    assert stored(tenant) == ("client", None)
    period = WaitingPeriod.objects.get(task=lockdown)
    assert (period.side, period.started_at) == ("client", SAFE_AT)


def test_later_safe_time_is_followed(tenant: Tenant, lockdown: Task, fixed_monday: Clock) -> None:
    """A server served the old hosts again, so the stored safe time is too early."""
    fixed_monday.move_to(at("Mon 12:00"))
    switch_mx(tenant, at("Mon 11:00"))
    fixed_monday.move_to(SAFE_AT)

    complete_waits()

    assert stored(tenant) == ("", at("Mon 17:00"))


def test_waiting_lockdown_has_no_safe_time(tenant: Tenant, lockdown: Task) -> None:
    Task.objects.filter(pk=lockdown.pk).update(depends_on=["mx-record-cutover"])

    recompute_rollup(tenant.plan)

    assert stored(tenant) == ("", None)


def test_question_can_be_answered_before(
    tenant: Tenant, lockdown: Task, consultant: User, owner: User
) -> None:
    question = NewComment("Which addresses deliver directly?", asked_side="client")
    add_comment(lockdown, question, by=consultant, side="mimecast")

    assert stored(tenant) == ("client", None)
    made = reminders.create_reminders(tenant.plan, [task_of(tenant, KEY)], by=consultant)
    assert [each.recipient for each in made] == [owner]


def test_no_reminder_before_safe_time(
    tenant: Tenant, lockdown: Task, owner: User, consultant: User, signed_in: SignIn
) -> None:
    cache.clear()
    # A stored side is older than the newest answers.
    Task.objects.filter(pk=lockdown.pk).update(
        waiting_on="client", waiting_since=at("Mon 07:00") - timedelta(days=9), safe_from=None
    )
    WorkingTime.objects.create(tenant=tenant, remind_after_working_days=1, opens="06:00")
    address = reverse("onboarding:task-remind", args=[tenant.public_id, lockdown.public_id])

    send_due_reminders()
    answer = signed_in(consultant).post(address, follow=True)
    with pytest.raises(OnboardingError, match="safe from Mon 30 Nov, 13:00 UTC"):
        reminders.create_reminders(tenant.plan, [task_of(tenant, KEY)], by=None)

    assert [str(message) for message in answer.context["messages"]] == [SENTENCE]
    assert lockdown.title not in " ".join(str(sent.body) for sent in mail.outbox)
    assert not Reminder.objects.filter(tasks=lockdown).exists()


def test_queued_reminder_is_cancelled_before_safe_time(
    tenant: Tenant,
    lockdown: Task,
    owner: User,
    fixed_monday: Clock,
    django_capture_on_commit_callbacks: Any,
) -> None:
    Task.objects.filter(pk=lockdown.pk).update(
        waiting_on="client", waiting_since=at("Mon 07:00"), safe_from=None
    )
    reminder = Reminder.objects.create(
        plan=tenant.plan, recipient=owner, requested_at=at("Mon 08:00")
    )
    reminder.tasks.set([lockdown])

    with django_capture_on_commit_callbacks(execute=True):
        send_reminder(reminder.public_id)

    reminder.refresh_from_db()
    assert (reminder.sent_at, reminder.cancelled_at) == (None, at("Mon 08:00"))
    assert mail.outbox == []


def test_pages_show_safe_time(
    tenant: Tenant, lockdown: Task, consultant: User, owner: User, signed_in: SignIn
) -> None:
    where = [tenant.public_id]
    schedule = signed_in(consultant).get(reverse("onboarding:schedule", args=where))
    tasks = signed_in(owner).get(reverse("onboarding:my-tasks", args=where))

    rows = texts(schedule.content.decode(), "tr")
    assert any("Safe from Mon 30 Nov, 13:00 UTC" in row for row in rows)
    html = tasks.content.decode()
    assert "The lockdown is safe from" in html
    assert "Mon 30 Nov, 13:00 UTC" in texts(html, "time")
