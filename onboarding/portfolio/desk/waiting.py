"""The tasks that wait on clients, and reminders of several of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import Reminder, Task, WorkingTime
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import calendars_of
from onboarding.plans.reminders import create_reminders, was_reminded_recently
from onboarding.plans.tasks import queue_reminders
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.entries import url_of_task
from tenants.models import User

# The tasks of one bulk reminder: more than a page shows.
MAX_REMINDERS = 50


@dataclass(frozen=True)
class WaitingTask:
    """A task that waits on its client, for so many full working days of the tenant.

    `automatic_on`: the day of the next automatic reminder; None without automatic reminders.
    """

    task: Task
    days: int
    # Whether it waits so long that it is a risk. The page then selects it for a reminder.
    is_risk: bool
    was_reminded_recently: bool
    automatic_on: date | None = None

    @property
    def url(self) -> str:
        return url_of_task(self.task)

    @property
    def last_reminder(self) -> datetime | None:
        """The time of the last reminder of this wait."""
        at, since = self.task.reminded_at, self.task.waiting_since
        return at if at is not None and (since is None or at >= since) else None


def waiting_tasks(tasks: Sequence[Task], *, now: datetime) -> list[WaitingTask]:
    """The rows of these tasks, in their order. Three queries."""
    tenants = {task.plan.tenant for task in tasks}
    calendars = calendars_of(list(tenants))
    automatic = dict(
        WorkingTime.objects.filter(tenant__in=tenants, remind_after_working_days__gt=0).values_list(
            "tenant_id", "remind_after_working_days"
        )
    )
    return [
        _row(task, calendars[task.plan.tenant_id], automatic.get(task.plan.tenant_id, 0), now)
        for task in tasks
    ]


def _row(task: Task, calendar: Calendar, remind_after: int, now: datetime) -> WaitingTask:
    since = task.waiting_since or now
    last = max(since, task.reminded_at or since)
    days = calendar.days_between(since, now)
    return WaitingTask(
        task,
        int(days),
        days > settings.RISK_WAITING_DAYS,
        was_reminded_recently(task, now=now),
        calendar.shift(calendar.day_of(last), remind_after) if remind_after else None,
    )


# --- Reminders


@dataclass(frozen=True)
class ReminderResult:
    """The result of one selected task: the created reminders, or the reason for none."""

    task: Task
    reminders: Sequence[Reminder] = ()
    refusal: str = ""

    @property
    def sentence(self) -> str:
        names = ", ".join(reminder.recipient.name for reminder in self.reminders)
        result = self.refusal or f"Gangway sends a reminder to {names}."
        return f"{self.task.plan.tenant}, {self.task.title}: {result}"


def send_reminders(
    public_ids: Sequence[str], *, by: User, site_url: str = ""
) -> list[ReminderResult]:
    """Create and queue the reminders of these tasks of the person's tenants.

    Each task is a transaction of its own, with the limits of a single reminder: a refused task
    changes no other. Other tasks than those of `queries.tasks_on_clients` are ignored. Raises
    OnboardingError if none is left, or for too many tasks.
    """
    if len(public_ids) > MAX_REMINDERS:
        raise OnboardingError(f"Select at most {MAX_REMINDERS} tasks. No reminder was sent.")
    tasks = list(queries.tasks_on_clients(by).filter(public_id__in=public_ids))
    if not tasks:
        raise OnboardingError(
            "Select a task that waits on its client. No reminder was sent."
            if not public_ids
            else "These tasks no longer wait on the client. No reminder was sent."
        )
    return list(_send(tasks, by=by, site_url=site_url))


def _send(tasks: Sequence[Task], *, by: User, site_url: str) -> Iterator[ReminderResult]:
    for task in tasks:
        try:
            with transaction.atomic():
                made = create_reminders(task.plan, [task], by=by, site_url=site_url)
                queue_reminders(made)
        except OnboardingError as error:
            yield ReminderResult(task, refusal=str(error))
        else:
            yield ReminderResult(task, made)
