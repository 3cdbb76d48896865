"""Due dates from the template's offsets and the planned cutovers, in the tenant's working days."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, Holiday, Plan, Task, WorkingTime
from onboarding.plans.business_time import Calendar
from onboarding.plans.queries import lock_tasks
from onboarding.plans.services import actor_for, require_permitted
from onboarding.plans.transitions import SET_DUE_DATE, Actor
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class DueDateShift:
    """A change of a task's due date."""

    task: Task
    before: date | None
    after: date | None


def calendar_of(tenant: Tenant) -> Calendar:
    working_time = WorkingTime.objects.filter(tenant=tenant).first()
    holidays = Holiday.objects.filter(tenant=tenant).values_list("day", flat=True)
    return calendar_from(tenant, working_time, holidays)


def calendars_of(tenants: Sequence[Tenant]) -> dict[int, Calendar]:
    """The calendar of each tenant, by its id. Two queries."""
    ids = [tenant.pk for tenant in tenants]
    times = {each.tenant_id: each for each in WorkingTime.objects.filter(tenant__in=ids)}
    holidays: dict[int | None, list[date]] = {}
    for each in Holiday.objects.filter(tenant__in=ids):
        holidays.setdefault(each.tenant_id, []).append(each.day)
    return {
        tenant.pk: calendar_from(tenant, times.get(tenant.pk), holidays.get(tenant.pk, []))
        for tenant in tenants
    }


def calendar_from(
    tenant: Tenant, working_time: WorkingTime | None, holidays: Iterable[date]
) -> Calendar:
    """The calendar of a tenant from rows that are already loaded."""
    zone = zoneinfo.ZoneInfo(tenant.time_zone)
    if working_time is None:
        return Calendar(zone, holidays=frozenset(holidays))
    weekdays = frozenset(int(digit) for digit in working_time.weekdays)
    return Calendar(zone, weekdays, working_time.opens, working_time.closes, frozenset(holidays))


@dataclass(frozen=True)
class Anchors:
    """The days that due dates are counted from: the plan's start and the cutovers by direction."""

    start: date
    cutovers: Mapping[str, Sequence[date]]

    def of(self, due_from: str, working_days: int) -> date | None:
        """The anchor of a due date; None while its cutover is not planned.

        With several cutovers, a preparation is due before the first one. The switch and its
        follow-up are due with the last one.
        """
        if due_from == "start":
            return self.start
        days = self.cutovers.get(due_from)
        if not days:
            return None
        return min(days) if working_days < 0 else max(days)


def anchors_of(plan: Plan, calendar: Calendar, cutovers: Iterable[Cutover]) -> Anchors:
    days: dict[str, list[date]] = {}
    for cutover in cutovers:
        days.setdefault(cutover.direction, []).append(calendar.day_of(cutover.planned_at))
    return Anchors(calendar.day_of(plan.created_at), days)


def due_on(task: Task, anchors: Anchors, calendar: Calendar) -> date | None:
    """The due date of a task; a date set by hand does not change. Pure."""
    if task.is_due_date_manual:
        return task.due_on
    anchor = anchors.of(task.due_from, task.due_working_days)
    return None if anchor is None else calendar.shift(anchor, task.due_working_days)


def due_date_shifts(plan: Plan, *, instead: Iterable[Cutover] | None = None) -> list[DueDateShift]:
    """The due dates that would change with the cutovers `instead` of the planned ones. No write."""
    calendar = calendar_of(plan.tenant)
    cutovers = Cutover.objects.filter(plan=plan) if instead is None else instead
    anchors = anchors_of(plan, calendar, cutovers)
    tasks = Task.objects.filter(plan=plan, is_group=False, applies=True).order_by("position")
    moved = [DueDateShift(task, task.due_on, due_on(task, anchors, calendar)) for task in tasks]
    return [shift for shift in moved if shift.before != shift.after]


def update_due_dates(plan: Plan) -> int:
    """Recompute every due date, with all tasks locked. Returns the number of changed dates."""
    lock_tasks(plan.pk)
    moved = due_date_shifts(plan)
    for day in {shift.after for shift in moved}:
        of_day = [shift.task.pk for shift in moved if shift.after == day]
        Task.objects.filter(pk__in=of_day).update(due_on=day)
    return len(moved)


def set_due_date(
    task: Task,
    day: date | None,
    *,
    by: User,
    expected: str | None = None,
    actor: Actor | None = None,
) -> None:
    """Set a task's due date by hand; None returns to the date of the template.

    A date set by hand does not change with the cutovers. `expected` is the date on the user's page,
    as YYYY-MM-DD; None skips that comparison. `actor` avoids one query for each task when the
    caller knows it. Raises NotPermitted or OnboardingError for a refusal, and ConflictingChange if
    another user changed the date.
    """
    with transaction.atomic():
        lock_tasks(task.plan_id)
        require_permitted(task, SET_DUE_DATE, actor or actor_for(by, task.plan.tenant))
        current = Task.objects.values_list("due_on", flat=True).get(pk=task.pk)
        if (
            expected is not None
            and current != day
            and expected != (current.isoformat() if current else "")
        ):
            change = f"set it to {current:%-d %B %Y}" if current else "removed it"
            raise ConflictingChange(
                f"Another user changed the due date: they {change}. Nothing was changed."
            )
        task.is_due_date_manual = day is not None
        task.due_on = day
        task.save(update_fields=["is_due_date_manual", "due_on"])
        write_activity(
            task.plan.tenant,
            ActivityName.DUE_DATE_SET,
            by=by,
            task=task.title,
            task_id=task.public_id,
            day=day.isoformat() if day else "",
        )
        if day is None:
            # A date by hand changes no other task. Without it, this task's date is computed again.
            update_due_dates(task.plan)
        task.plan.touch()


def save_original_schedule(plan: Plan, *, by: User) -> None:
    """Store today's due dates as the original schedule. `slip` compares with it.

    Raises OnboardingError if no task has a due date.
    """
    with transaction.atomic():
        tasks = [task for task in lock_tasks(plan.pk) if task.due_on is not None]
        if not tasks:
            raise OnboardingError("No task has a due date yet. Plan the cutovers first.")
        for task in tasks:
            Task.objects.filter(pk=task.pk).update(original_due_on=task.due_on)
        write_activity(plan.tenant, ActivityName.ORIGINAL_SCHEDULE_SAVED, by=by, tasks=len(tasks))
        plan.touch()


def slip(task: Task, calendar: Calendar) -> int | None:
    """Working days between the original and the current due date; positive is later."""
    if task.original_due_on is None or task.due_on is None:
        return None
    return calendar.working_days_from(task.original_due_on, task.due_on)


def days_late(task: Task, today: date, calendar: Calendar) -> int:
    """Working days since the due date of an open task; 0 for any other task."""
    if task.due_on is None or not task.is_open_leaf or task.due_on >= today:
        return 0
    return calendar.working_days_from(task.due_on, today)
