"""Tasks that only time completes: since when and until when they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Max

from onboarding.models import COMPLETE, Cutover, Mark, Plan, Task, TaskState

# What is agreed until somebody plans an inbound cutover and says otherwise.
DEFAULT_DAYS = 3
_KEPT = ("waits_since", "waits_until", "proven_at", "broken_at")


def follow_waits(
    plan: Plan, tasks: Sequence[Task], states: dict[int, TaskState], *, now: datetime
) -> Iterator[Task]:
    """Bring every wait in line with the task it counts after, and yield those that count on.

    `states` are what the other tasks amount to now. A count that began goes on however the task was
    done; once that is open again, nothing is left of it, also where the time was over. A wait after
    what does not apply does not apply either; that is put into `states` here.
    """
    waits = [task for task in tasks if task.is_wait]
    by_key = {task.key: task for task in tasks}
    agreed = agreed_days(plan) if any(task.waits_days is None for task in waits) else DEFAULT_DAYS
    for task in waits:
        awaited = by_key.get(task.waits_after)
        state = states.get(awaited.pk) if awaited is not None else None
        since = _since(task, awaited, state, now) if awaited is not None else None
        _keep(task, since, agreed if task.waits_days is None else task.waits_days)
        if state in (None, TaskState.NOT_APPLICABLE):
            states[task.pk] = TaskState.NOT_APPLICABLE
        else:
            yield task


def agreed_days(plan: Plan) -> int:
    """How long outbound mail is agreed to run before inbound follows: the longest of what the
    planned inbound cutovers say."""
    planned = Cutover.objects.filter(plan=plan, direction=Cutover.Direction.INBOUND)
    longest = planned.aggregate(longest=Max("outbound_days"))["longest"]
    return DEFAULT_DAYS if longest is None else int(longest)


def is_over(task: Task, *, now: datetime) -> bool:
    """Whether its time has passed and nobody has written so yet. Pure."""
    counts = task.applies and task.mark != Mark.SET_ASIDE and task.proven_at is None
    return counts and task.waits_until is not None and task.waits_until <= now


def _since(task: Task, awaited: Task, state: TaskState | None, now: datetime) -> datetime | None:
    if state not in COMPLETE:
        return None
    is_new = awaited.state != state
    return task.waits_since or awaited.proven_at or (now if is_new else awaited.state_since)


def _keep(task: Task, since: datetime | None, days: int) -> None:
    """Store what changed. More days agreed since then open it again."""
    until = since + timedelta(days=days) if since is not None else None
    stands = task.proven_at is not None and until is not None and until <= task.proven_at
    proven_at = task.proven_at if stands else None
    kept: Mapping[str, datetime | None] = dict(
        zip(_KEPT, (since, until, proven_at, None), strict=True)
    )
    if any(getattr(task, name) != value for name, value in kept.items()):
        for name, value in kept.items():
            setattr(task, name, value)
        task.save(update_fields=list(_KEPT))
