"""The side that has to act on each task, since when, and the working days of each side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from onboarding.models import Plan, Responsibility, Task, TaskStatus, WaitingPeriod
from onboarding.plans.business_time import Calendar
from onboarding.plans.dependencies import open_dependencies_of, undecided_tasks
from onboarding.plans.task_events import add_end_of_waiting

SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


_NONE: Mapping[int, str] = MappingProxyType({})


def side_to_act(
    task: Task,
    by_key: Mapping[str, Task],
    asked: Mapping[int, str],
    needed: Mapping[int, str] = _NONE,
) -> str:
    """The side that can act now: mimecast, client, both, or empty for neither. Pure.

    `needed` has the tasks whose next action `onboarding.plans.next_action` decides, with its side.

    1. Neither, if the task does not apply.
    2. The side with an open question: it can answer even if the task waits or is complete.
    3. The side of the next action on a confirmed task; neither while a check decides.
    4. Neither, if the task is complete, waits for its date or its safe time, or is optional and not
       started. If only such optional tasks are left, they need a decision.
    5. The side that the manual status *waiting* names: the request does not wait for other tasks.
    6. Neither, if the task waits for other tasks; else the side that has not confirmed its part.
    """
    if not task.applies or task.is_group or task.status == TaskStatus.NOT_APPLICABLE:
        return ""
    if task.pk in asked or task.pk in needed:
        return asked.get(task.pk) or needed[task.pk]
    if not task.is_open_leaf:
        return ""
    if task.status == TaskStatus.AWAITING_VERIFICATION or task.is_timed:
        return ""
    if _can_be_left(task) and not all(map(_can_be_left, undecided_tasks(by_key.values()))):
        return ""
    is_waiting = not _is_request(task) and open_dependencies_of(task, by_key)
    return "" if is_waiting or task.safe_from is not None else remaining_side(task)


def _is_request(task: Task) -> bool:
    return task.status == TaskStatus.WAITING and bool(task.status_waiting_on)


def _can_be_left(task: Task) -> bool:
    """Whether the task is optional and not started: no other task waits for it."""
    return task.is_optional and task.status == TaskStatus.TODO


def remaining_side(task: Task) -> str:
    """The side that an open task waits for, or that has not confirmed its part yet. Pure."""
    if _is_request(task):
        return task.status_waiting_on
    if task.responsibility != Responsibility.BOTH:
        return task.responsibility
    if task.mimecast_confirmed_at is None and task.client_confirmed_at is None:
        return Responsibility.BOTH.value
    missing = task.client_confirmed_at is None
    return Responsibility.CLIENT.value if missing else Responsibility.MIMECAST.value


def set_waiting_on(
    tasks: Sequence[Task], asked: Mapping[int, str], needed: Mapping[int, str], *, now: datetime
) -> None:
    """Set the side to act on each task, without saving it, and store the waiting periods.

    `asked` is the side that has to answer an open question, by task id; `needed` as in
    `side_to_act`.
    """
    by_key = {task.key: task for task in tasks}
    current = [(task, side_to_act(task, by_key, asked, needed)) for task in tasks]
    changed = [(task, new) for task, new in current if new != task.waiting_on]
    ended = [task.pk for task, _ in changed if task.waiting_on]
    if ended:
        WaitingPeriod.objects.filter(task__in=ended, ended_at=None).update(ended_at=now)
    for task, new in changed:
        task.waiting_on, task.waiting_since = new, now if new else None
    WaitingPeriod.objects.bulk_create(
        WaitingPeriod(task=task, side=new, started_at=now) for task, new in changed if new
    )


def end_waiting(plan: Plan, *, now: datetime) -> None:
    """End every waiting period when the tenant closes: no side has to act any more.

    The caller has locked the tasks. The roll-up after a reopening starts new periods.
    """
    WaitingPeriod.objects.filter(task__plan=plan, ended_at=None).update(ended_at=now)
    waiting = Task.objects.filter(plan=plan).exclude(waiting_on="")
    add_end_of_waiting(plan, list(waiting.filter(is_group=False).order_by("position", "pk")))
    waiting.update(waiting_on="", waiting_since=None)


def waiting_days_by_side(
    periods: Iterable[WaitingPeriod], calendar: Calendar, *, now: datetime
) -> dict[tuple[int, str], float]:
    """Working days by phase id and side. A period of both sides counts for each."""
    days_by_key: dict[tuple[int, str], float] = {}
    for period in periods:
        days = calendar.days_between(period.started_at, period.ended_at or now)
        for side in SIDES if period.side == Responsibility.BOTH else (period.side,):
            key = (period.task.phase_id, side)
            days_by_key[key] = days_by_key.get(key, 0.0) + days
    return days_by_key
