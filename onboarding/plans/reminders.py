"""Reminding people of the steps that wait for them, and only those people.

A step is reminded of at the side whose turn it is: its assignee there, or else whoever of that side
can do it. Once a day at the most, whoever asks. Two people, or two workers, who ask at once claim
each step by a conditional update, so that one mail goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from onboarding.errors import OnboardingError
from onboarding.models import Comment, Plan, Reminder, Responsibility, Task, WorkingTime
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import calendar_of
from onboarding.plans.services import side_of
from tenants.activity_names import ActivityName
from tenants.models import Membership, Tenant, User
from tenants.services import write_activity

MIN_INTERVAL = timedelta(hours=20)  # so that the same hour of the next day will do


_RETRY_FOR, _LOST_AFTER = timedelta(days=1), timedelta(minutes=90)


_ABLE = (Membership.Role.OWNER, Membership.Role.MEMBER)


@dataclass(frozen=True)
class ReminderRecipients:
    """Who of each side can do something in a tenant."""

    tenant: Tenant
    mimecast: tuple[User, ...]
    client: tuple[User, ...]

    @classmethod
    def of(cls, tenant: Tenant) -> ReminderRecipients:
        able = Membership.objects.filter(tenant=tenant, role__in=_ABLE, user__is_active=True)
        consultant = tenant.consultant
        leads = consultant is not None and side_of(consultant, tenant) == Responsibility.MIMECAST
        return cls(
            tenant=tenant,
            mimecast=(consultant,) if consultant is not None and leads else (),
            client=tuple(row.user for row in able.select_related("user").order_by("user__name")),
        )

    def recipients_for(self, task: Task) -> list[User]:
        """The people whose turn the task is: its assignee alone where they stand on that side."""
        assignee = task.assignee
        if assignee is not None and task.waiting_on:
            side = self._side_of(assignee)
            if side and task.waiting_on in (side, Responsibility.BOTH):
                return [assignee]
        sides = {
            Responsibility.MIMECAST.value: self.mimecast,
            Responsibility.CLIENT.value: self.client,
            Responsibility.BOTH.value: (*self.mimecast, *self.client),
        }
        return list(sides.get(task.waiting_on, ()))

    def _side_of(self, person: User) -> str:
        """Empty for whoever left, was shut out, or may only read by now."""
        if person.is_mimecast:
            return side_of(person, self.tenant)
        return Responsibility.CLIENT.value if person in self.client else ""


def was_reminded_recently(task: Task, *, now: datetime) -> bool:
    """Whether somebody was told within the last day, in this very turn."""
    if task.reminded_at is None or task.waiting_since is None:
        return False
    return task.reminded_at >= task.waiting_since and now - task.reminded_at < MIN_INTERVAL


def create_reminders(
    plan: Plan,
    tasks: Sequence[Task],
    *,
    by: User | None,
    site_url: str = "",
    at: datetime | None = None,
) -> list[Reminder]:
    """Note one mail for each person whose turn some of the tasks are; the caller queues them.

    Raises OnboardingError where there is nobody to remind: the sentence says why.
    """
    now = at or timezone.now()
    people = ReminderRecipients.of(plan.tenant)
    wanted = {task: _others(people.recipients_for(task), by) for task in tasks}
    with transaction.atomic():
        claimed = [task for task, to in wanted.items() if to and _claim(task, now=now)]
        if not claimed:
            raise OnboardingError(_no_recipient_reason(wanted, now=now))
        made = _write(
            plan, {task: wanted[task] for task in claimed}, by=by, site_url=site_url, at=now
        )
        write_activity(
            plan.tenant,
            ActivityName.REMINDER_SENT,
            by=by,
            names=sorted({reminder.recipient.name for reminder in made}),
            titles=[task.title for task in claimed],
        )
        plan.touch()
    return made


def _others(people: Sequence[User], by: User | None) -> list[User]:
    return [person for person in people if by is None or person.pk != by.pk]


def _claim(task: Task, *, now: datetime) -> bool:
    if was_reminded_recently(task, now=now):
        return False
    same = Task.objects.filter(pk=task.pk, waiting_on=task.waiting_on, reminded_at=task.reminded_at)
    return same.update(reminded_at=now) == 1


def _no_recipient_reason(wanted: dict[Task, list[User]], *, now: datetime) -> str:
    if any(was_reminded_recently(task, now=now) for task in wanted):
        return "They were reminded within the last day. Nobody was sent a second mail."
    if not any(task.waiting_on for task in wanted):
        return "Nobody can do anything about it now, so there is nobody to remind."
    return "It is your own turn, or nobody else of that side has an account: nobody was reminded."


def _write(
    plan: Plan, wanted: dict[Task, list[User]], *, by: User | None, site_url: str, at: datetime
) -> list[Reminder]:
    by_person: dict[User, list[Task]] = {}
    for task, people in wanted.items():
        for person in people:
            by_person.setdefault(person, []).append(task)
    made = []
    for person, tasks in by_person.items():
        reminder = Reminder.objects.create(
            plan=plan, recipient=person, requested_by=by, requested_at=at, site_url=site_url
        )
        reminder.tasks.set(tasks)
        made.append(reminder)
    return made


# --- By ourselves


def send_due_reminders(plan: Plan, *, now: datetime, site_url: str = "") -> list[Reminder]:
    """Remind of every step that has waited for its side for as many working days as the tenant's
    consultant chose, and of the same step again after as many more. Only in working hours."""
    chosen = WorkingTime.objects.filter(tenant=plan.tenant).first()
    calendar = calendar_of(plan.tenant)
    if (
        chosen is None
        or not chosen.remind_after_working_days
        or not _is_working_hour(calendar, now)
    ):
        return []
    waiting = [
        task
        for task in Task.objects.filter(plan=plan).exclude(waiting_on="").select_related("assignee")
        if _is_due(task, calendar, chosen.remind_after_working_days, now=now)
    ]
    if not waiting:
        return []
    try:
        return create_reminders(plan, waiting, by=None, site_url=site_url, at=now)
    except OnboardingError:
        # Nobody of that side has an account, or another worker was first.
        return []


def _is_working_hour(calendar: Calendar, now: datetime) -> bool:
    local = now.astimezone(calendar.zone)
    return calendar.is_working(local.date()) and calendar.opens <= local.time() < calendar.closes


def _is_due(task: Task, calendar: Calendar, days: int, *, now: datetime) -> bool:
    told = [moment for moment in (task.waiting_since, task.reminded_at) if moment is not None]
    return bool(told) and calendar.days_between(max(told), now) >= days


# --- The mail


def tasks_still_waiting(reminder: Reminder) -> list[Task]:
    """Of the steps it was to tell of, those that are still this person's turn."""
    people = ReminderRecipients.of(reminder.plan.tenant)
    if reminder.plan.tenant.is_closed:
        return []
    rows = reminder.tasks.select_related("phase", "assignee").order_by("position")
    return [task for task in rows if reminder.recipient in people.recipients_for(task)]


def unsent(*, now: datetime) -> list[Reminder]:
    """Mails that were never queued, or whose worker gave up: tried again for a day."""
    waiting = Reminder.objects.filter(sent_at=None, cancelled_at=None)
    return list(
        waiting.filter(requested_at__gt=now - _RETRY_FOR, requested_at__lt=now - _LOST_AFTER)
    )


def tasks_with_open_questions(tasks: Sequence[Task]) -> frozenset[int]:
    """The keys of those of the tasks on which somebody waits for an answer."""
    rows = Comment.objects.filter(task__in=tasks, answered_at=None, deleted_at=None)
    return frozenset(rows.exclude(asked_side="").values_list("task_id", flat=True))
