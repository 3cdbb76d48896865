"""Due dates: from the template's offsets and the planned cutovers, in the tenant's working days."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.utils import timezone

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, Holiday, Plan, Task, WorkingTime
from onboarding.plans.business_time import Calendar
from onboarding.plans.queries import lock_tasks
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity

# Fewer than this say nothing about the pace.
_MIN_DONE_FOR_FORECAST = 5


@dataclass(frozen=True)
class DueDateShift:
    """A task whose due date moves."""

    task: Task
    before: date | None
    after: date | None


def calendar_of(tenant: Tenant) -> Calendar:
    working_time = WorkingTime.objects.filter(tenant=tenant).first()
    holidays = Holiday.objects.filter(tenant=tenant).values_list("day", flat=True)
    zone = zoneinfo.ZoneInfo(tenant.time_zone)
    if working_time is None:
        return Calendar(zone, holidays=frozenset(holidays))
    weekdays = frozenset(int(digit) for digit in working_time.weekdays)
    return Calendar(zone, weekdays, working_time.opens, working_time.closes, frozenset(holidays))


@dataclass(frozen=True)
class Anchors:
    """The days that due dates are counted from: the plan's start, and each direction's cutovers."""

    start: date
    cutovers: Mapping[str, Sequence[date]]

    def of(self, due_from: str, working_days: int) -> date | None:
        """Where there are several cutovers, what prepares them has to be ready for the first; the
        switch itself, and what follows it, is done with the last."""
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
    """The day a task is due; a day set by hand stands. Pure."""
    if task.is_due_date_manual:
        return task.due_on
    anchor = anchors.of(task.due_from, task.due_working_days)
    return None if anchor is None else calendar.shift(anchor, task.due_working_days)


def due_date_shifts(plan: Plan, *, instead: Iterable[Cutover] | None = None) -> list[DueDateShift]:
    """What would move, with these cutovers planned instead of its own. Nothing is stored."""
    calendar = calendar_of(plan.tenant)
    cutovers = Cutover.objects.filter(plan=plan) if instead is None else instead
    anchors = anchors_of(plan, calendar, cutovers)
    tasks = Task.objects.filter(plan=plan, is_group=False, applies=True).order_by("position")
    moved = [DueDateShift(task, task.due_on, due_on(task, anchors, calendar)) for task in tasks]
    return [shift for shift in moved if shift.before != shift.after]


def update_due_dates(plan: Plan) -> int:
    """Bring every due date in line; returns how many moved."""
    moved = due_date_shifts(plan)
    for day in {shift.after for shift in moved}:
        of_day = [shift.task.pk for shift in moved if shift.after == day]
        Task.objects.filter(pk__in=of_day).update(due_on=day)
    return len(moved)


def set_due_date(task: Task, day: date | None, *, by: User, seen: str | None = None) -> None:
    """A day set by hand stands whatever moves; None gives the task back to the template. `seen` is
    the day that the person had before them, written as forms write it."""
    with transaction.atomic():
        lock_tasks(task.plan_id)
        now = Task.objects.values_list("due_on", flat=True).get(pk=task.pk)
        if seen is not None and now != day and seen != (now.isoformat() if now else ""):
            told = f"it is due on {now:%-d %B %Y} now" if now else "it has no due date now"
            raise ConflictingChange(f"The date moved meanwhile: {told}. Nothing was changed.")
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
            # A day by hand moves no other step's; given back, this one's is worked out anew.
            update_due_dates(task.plan)
        task.plan.touch()


def save_original_schedule(plan: Plan, *, by: User) -> None:
    """Keep today's due dates to measure slip by."""
    with transaction.atomic():
        tasks = list(Task.objects.filter(plan=plan, due_on__isnull=False))
        if not tasks:
            raise OnboardingError("No step has a due date yet: plan the cutovers first.")
        for task in tasks:
            Task.objects.filter(pk=task.pk).update(original_due_on=task.due_on)
        write_activity(plan.tenant, ActivityName.ORIGINAL_SCHEDULE_SAVED, by=by, tasks=len(tasks))
        plan.touch()


def slip(task: Task, calendar: Calendar) -> int | None:
    """Working days that a due date has moved since the baseline; positive is later."""
    if task.original_due_on is None or task.due_on is None:
        return None
    return calendar.working_days_from(task.original_due_on, task.due_on)


def forecast(
    tasks: Sequence[Task], *, started: date, today: date, latest: date | None, calendar: Calendar
) -> date | None:
    """When the plan will be finished at the pace so far, and not before its last due date. Pure.

    None while too little is done to tell a pace by.
    """
    counted = [task for task in tasks if task.is_counted]
    done = sum(task.is_complete for task in counted)
    left = len(counted) - done
    if left == 0:
        return today
    if done < _MIN_DONE_FOR_FORECAST:
        return None
    worked = max(calendar.working_days_from(started, today), 1)
    at_this_pace = calendar.shift(today, math.ceil(left * worked / done))
    return max(at_this_pace, latest) if latest is not None else at_this_pace


def days_late(task: Task, today: date, calendar: Calendar) -> int:
    """Working days since an open task was due; 0 while it is not."""
    if task.due_on is None or not task.is_open_leaf or task.due_on >= today:
        return 0
    return calendar.working_days_from(task.due_on, today)


def today_for(tenant: Tenant) -> date:
    return timezone.now().astimezone(zoneinfo.ZoneInfo(tenant.time_zone)).date()
