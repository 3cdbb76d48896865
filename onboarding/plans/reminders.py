"""Reminders: e-mails that ask one side to act on the tasks that wait for it.

The recipient is the assignee on the side that a task waits for, else every person of that side who
can act. A task has at most one reminder a day. Two users or workers claim a task by conditional
update, so that only one of them sends the e-mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import (
    Comment,
    Plan,
    Reminder,
    Task,
    TaskRole,
    WorkingTime,
)
from onboarding.plans.business_time import Calendar
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.dates import calendar_of
from onboarding.plans.next_action import kinds_that_decide, next_action
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.recipients import ReminderRecipients
from onboarding.plans.safe_times import (
    OLD_ROUTE_ROLES,
    SAFE_TIME_ROLES,
    if_unknown,
    not_safe_yet,
    unsafe_tasks,
    unsafe_until,
)
from onboarding.plans.task_events import task_params
from onboarding.plans.task_roles import tasks_with_role
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Notification, Tenant, User
from tenants.notifications import notify
from tenants.services import write_activity

MIN_INTERVAL = timedelta(hours=20)  # less than a day, so that the same hour of the next day works


_RETRY_FOR, _LOST_AFTER = timedelta(days=1), timedelta(minutes=90)


def was_reminded_recently(task: Task, *, now: datetime) -> bool:
    """Whether the current waiting period had a reminder within the last day."""
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
    """Create one reminder for each person that some of the tasks wait for; the caller queues them.

    Raises OnboardingError with the reason when there is no recipient.
    """
    now = at or database_time.now()
    closing_refusal = _closing_refusal(plan, tasks)
    if closing_refusal and len(tasks) == 1:
        raise OnboardingError(f"{closing_refusal} No reminder was sent.")
    if closing_refusal:
        tasks = [task for task in tasks if task.role != TaskRole.CLOSURE]
    people = ReminderRecipients.of(plan.tenant)
    early = _early(plan.tenant, tasks, now=now)
    wanted = {
        task: [] if task in early else _others(people.recipients_for(task), by) for task in tasks
    }
    with transaction.atomic():
        claimed = [task for task, to in wanted.items() if to and _claim(task, now=now)]
        if not claimed:
            raise OnboardingError(_no_recipient_reason(wanted, early, now=now))
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


def _closing_refusal(plan: Plan, tasks: Sequence[Task]) -> str:
    """Why neither side can act on the closing task yet, if it is among the tasks; else empty.

    A residual risk that the client can end is an action, so that its reminder is sent.
    """
    if not any(task.role == TaskRole.CLOSURE for task in tasks):
        return ""
    rows = list(Task.objects.filter(plan=plan).order_by("position"))
    obligations = obligations_of(rows, PlanContext.of(plan.tenant))
    has_remedy = not obligations.undecided and any(r.remedy for r in obligations.open_risks)
    return "" if has_remedy else obligations.refusal


def _others(people: Sequence[User], by: User | None) -> list[User]:
    return [person for person in people if by is None or person.pk != by.pk]


def _claim(task: Task, *, now: datetime) -> bool:
    if was_reminded_recently(task, now=now):
        return False
    same = Task.objects.filter(pk=task.pk, waiting_on=task.waiting_on, reminded_at=task.reminded_at)
    return same.update(reminded_at=now) == 1


def _early(tenant: Tenant, tasks: Sequence[Task], *, now: datetime) -> dict[Task, str]:
    """The tasks whose safe time is ahead, with the sentence about it.

    The side can answer an open question before, so that its reminder is sent. While the safe time
    is unknown, the client repairs its name servers, and the reminder asks for that.
    """
    timed = tasks_with_role(tasks, *SAFE_TIME_ROLES)
    plan_tasks = Task.objects.filter(plan__tenant=tenant)
    unsafe = unsafe_tasks(timed, tenant, plan_tasks, now=now)
    sentences = {}
    for task, safety in unsafe.items():
        until = unsafe_until(safety, tenant)
        if until is not None:
            sentences[task] = not_safe_yet(task.role, until)
    return {task: text for task, text in sentences.items() if not tasks_with_open_questions([task])}


def sentences_of(plan: Plan, tasks: Sequence[Task]) -> dict[int, str]:
    """The next action on each task whose ordinary work is not next, by task id.

    Seven queries; none for tasks of which the ordinary work is next.
    """
    if not any(kinds_that_decide(task) or task.role in _WITH_STATE for task in tasks):
        return {}
    plan_context = PlanContext.of(plan.tenant)
    rows = list(Task.objects.filter(plan=plan).order_by("position"))
    unsafe = unsafe_tasks(tasks, plan.tenant, rows, now=database_time.now())
    found = {}
    for task in tasks:
        is_closure = task.role == TaskRole.CLOSURE
        action = next_action(
            task,
            plan_context.evidence(task),
            plan_context.evidence(task, task.evidence_kinds),
            unknown_safe_time=if_unknown(unsafe.get(task)),
            open_risks=obligations_of(rows, plan_context).open_risks if is_closure else (),
        )
        if action is not None and action.sentence:
            found[task.pk] = action.sentence
    return found


# The tasks that wait for the state of a tenant besides their own proof.
_WITH_STATE = (*OLD_ROUTE_ROLES, TaskRole.CLOSURE)


def _no_recipient_reason(
    wanted: dict[Task, list[User]], early: dict[Task, str], *, now: datetime
) -> str:
    if early and len(early) == len(wanted):
        # The MX records of the tenant decide about all of them.
        return f"{next(iter(early.values()))} No reminder was sent."
    if any(was_reminded_recently(task, now=now) for task in wanted):
        return "They had a reminder within the last day. No second one was sent."
    if not any(task.waiting_on for task in wanted):
        return "This task waits for neither side. No reminder was sent."
    return "This task waits for you, or that side has no other account. No reminder was sent."


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
        notify(
            plan.tenant,
            Notification.Kind.REMINDER,
            [person],
            source=f"reminder:{reminder.public_id}",
            by=by,
            tasks=[task_params(task) for task in tasks],
        )
        made.append(reminder)
    return made


# --- Automatic reminders


def send_due_reminders(plan: Plan, *, now: datetime, site_url: str = "") -> list[Reminder]:
    """Create the automatic reminders of a plan. None outside working hours.

    A task is due for a reminder after the number of working days that the consultant chose, and
    again after each such period.
    """
    working_time = WorkingTime.objects.filter(tenant=plan.tenant).first()
    calendar = calendar_of(plan.tenant)
    if (
        working_time is None
        or not working_time.remind_after_working_days
        or not _is_working_hour(calendar, now)
    ):
        return []
    waiting = [
        task
        for task in Task.objects.filter(plan=plan).exclude(waiting_on="").select_related("assignee")
        if _is_due(task, calendar, working_time.remind_after_working_days, now=now)
    ]
    if not waiting:
        return []
    try:
        return create_reminders(plan, waiting, by=None, site_url=site_url, at=now)
    except OnboardingError:
        # That side has no account, or another worker was faster.
        return []


def _is_working_hour(calendar: Calendar, now: datetime) -> bool:
    local = now.astimezone(calendar.zone)
    return calendar.is_working(local.date()) and calendar.opens <= local.time() < calendar.closes


def _is_due(task: Task, calendar: Calendar, days: int, *, now: datetime) -> bool:
    times = [at for at in (task.waiting_since, task.reminded_at) if at is not None]
    return bool(times) and calendar.days_between(max(times), now) >= days


# --- The e-mail


def tasks_still_waiting(reminder: Reminder) -> list[Task]:
    """The tasks of the reminder that still wait for its recipient."""
    people = ReminderRecipients.of(reminder.plan.tenant)
    if reminder.plan.tenant.is_closed:
        return []
    rows = list(reminder.tasks.select_related("phase", "assignee").order_by("position"))
    early = _early(reminder.plan.tenant, rows, now=database_time.now())
    return [
        task
        for task in rows
        if task not in early and reminder.recipient in people.recipients_for(task)
    ]


def unsent(*, now: datetime) -> list[Reminder]:
    """Reminders that were never queued or whose worker failed. Gangway retries them for one day."""
    waiting = Reminder.objects.filter(sent_at=None, cancelled_at=None)
    return list(
        waiting.filter(requested_at__gt=now - _RETRY_FOR, requested_at__lt=now - _LOST_AFTER)
    )


def tasks_with_open_questions(tasks: Sequence[Task]) -> frozenset[int]:
    """The ids of the tasks that have an open question."""
    rows = Comment.objects.filter(task__in=tasks, answered_at=None, deleted_at=None)
    return frozenset(rows.exclude(asked_side="").values_list("task_id", flat=True))
