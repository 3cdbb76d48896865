"""Whose turn each task is, since when, and how long each side has had it, in working time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from onboarding.models import Responsibility, Task, TaskStatus, WaitingPeriod
from onboarding.plans.business_time import Calendar

SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


def side_to_act(task: Task, by_key: Mapping[str, Task], asked: Mapping[int, str]) -> str:
    """The side that can do something now: mimecast, client, both, or empty for nobody. Pure.

    1. Nobody's where it does not apply.
    2. Of a side that was asked a question: that can be answered whatever else the task waits for,
       and though it is done.
    3. Nobody's where it is done, while it waits for other tasks or for time, is claimed and waits
       for proof, or is optional and not begun.
    4. Of the side that somebody said is waited for, or whose part is not confirmed yet.
    """
    if not task.applies or task.is_group or task.status == TaskStatus.NOT_APPLICABLE:
        return ""
    if task.pk in asked:
        return asked[task.pk]
    if not task.is_open_leaf:
        return ""
    if task.status == TaskStatus.AWAITING_VERIFICATION or task.is_wait:
        return ""
    if task.is_optional and task.status == TaskStatus.TODO:
        return ""
    if any(by_key[key].blocks_dependents for key in task.depends_on if key in by_key):
        return ""
    return remaining_side(task)


def remaining_side(task: Task) -> str:
    """Of an open task, the side that is waited for, or whose part is not confirmed yet. Pure."""
    if task.status == TaskStatus.WAITING and task.status_waiting_on:
        return task.status_waiting_on
    if task.responsibility != Responsibility.BOTH:
        return task.responsibility
    if task.mimecast_confirmed_at is None and task.client_confirmed_at is None:
        return Responsibility.BOTH.value
    missing = task.client_confirmed_at is None
    return Responsibility.CLIENT.value if missing else Responsibility.MIMECAST.value


def set_waiting_on(tasks: Sequence[Task], asked: Mapping[int, str], *, now: datetime) -> None:
    """Set the side to act on each task, without saving it, and store the waiting periods.

    `asked` is the side that has to answer an open question, by task id.
    """
    by_key = {task.key: task for task in tasks}
    current = [(task, side_to_act(task, by_key, asked)) for task in tasks]
    changed = [(task, new) for task, new in current if new != task.waiting_on]
    ended = [task.pk for task, _ in changed if task.waiting_on]
    if ended:
        WaitingPeriod.objects.filter(task__in=ended, ended_at=None).update(ended_at=now)
    for task, new in changed:
        task.waiting_on, task.waiting_since = new, now if new else None
    WaitingPeriod.objects.bulk_create(
        WaitingPeriod(task=task, side=new, started_at=now) for task, new in changed if new
    )


def waiting_days_by_side(
    periods: Iterable[WaitingPeriod], calendar: Calendar, *, now: datetime
) -> dict[tuple[int, str], float]:
    """Working days by phase and side. While both can act, the time counts for each."""
    days_by_key: dict[tuple[int, str], float] = {}
    for period in periods:
        days = calendar.days_between(period.started_at, period.ended_at or now)
        for side in SIDES if period.side == Responsibility.BOTH else (period.side,):
            key = (period.task.phase_id, side)
            days_by_key[key] = days_by_key.get(key, 0.0) + days
    return days_by_key
