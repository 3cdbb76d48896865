"""Whose turn each task is, since when, and how long each side has had it, in working time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from onboarding.models import Responsibility, Task, TaskState, Turn
from onboarding.plans.worktime import Calendar

SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)


def turn_of(task: Task, by_key: Mapping[str, Task], asked: Mapping[int, str]) -> str:
    """The side that can do something now: mimecast, client, both, or empty for nobody. Pure.

    1. Nobody's where it does not apply.
    2. Of a side that was asked a question: that can be answered whatever else the task waits for,
       and though it is done.
    3. Nobody's where it is done, while it waits for other tasks or for time, is claimed and waits
       for proof, or is optional and not begun.
    4. Of the side that somebody said is waited for, or whose part is not confirmed yet.
    """
    if not task.applies or task.is_group or task.state == TaskState.NOT_APPLICABLE:
        return ""
    if task.pk in asked:
        return asked[task.pk]
    if not task.counts_as_open:
        return ""
    if task.state == TaskState.CLAIMED or task.is_wait:
        return ""
    if task.is_optional and task.state == TaskState.TODO:
        return ""
    if any(by_key[key].holds_up for key in task.depends_on if key in by_key):
        return ""
    return side_left(task)


def side_left(task: Task) -> str:
    """Of an open task, the side that is waited for, or whose part is not confirmed yet. Pure."""
    if task.state == TaskState.WAITING and task.mark_side:
        return task.mark_side
    if task.responsibility != Responsibility.BOTH:
        return task.responsibility
    if task.mimecast_confirmed_at is None and task.client_confirmed_at is None:
        return Responsibility.BOTH.value
    missing = task.client_confirmed_at is None
    return Responsibility.CLIENT.value if missing else Responsibility.MIMECAST.value


def follow_turns(tasks: Sequence[Task], asked: Mapping[int, str], *, now: datetime) -> None:
    """Store whose turn it is where that changed, and close the turn before."""
    by_key = {task.key: task for task in tasks}
    turned = [(task, turn) for task in tasks for turn in [turn_of(task, by_key, asked)]]
    changed = [(task, turn) for task, turn in turned if turn != task.turn]
    ended = [task.pk for task, _ in changed if task.turn]
    if ended:
        Turn.objects.filter(task__in=ended, until=None).update(until=now)
    for task, turn in changed:
        task.turn, task.turn_since = turn, now if turn else None
    for side in {turn for _, turn in changed}:
        of_side = Task.objects.filter(pk__in=[task.pk for task, turn in changed if turn == side])
        of_side.update(turn=side, turn_since=now if side else None)
    Turn.objects.bulk_create(
        Turn(task=task, side=turn, since=now) for task, turn in changed if turn
    )


def days_by_side(
    turns: Iterable[Turn], calendar: Calendar, *, now: datetime
) -> dict[tuple[int, str], float]:
    """Working days by phase and side. While both can act, the time counts for each."""
    held: dict[tuple[int, str], float] = {}
    for turn in turns:
        days = calendar.days_between(turn.since, turn.until or now)
        for side in SIDES if turn.side == Responsibility.BOTH else (turn.side,):
            key = (turn.task.phase_id, side)
            held[key] = held.get(key, 0.0) + days
    return held
