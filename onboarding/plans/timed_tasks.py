"""Tasks that only time completes: since when and until when they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Max

from onboarding.models import COMPLETE_STATUSES, Cutover, ManualStatus, Plan, Task, TaskStatus

# What is agreed until somebody plans an inbound cutover and says otherwise.
DEFAULT_DAYS = 3
_FIELDS = ("wait_started_at", "wait_ends_at", "verified_at", "regressed_at")


def update_waits(
    plan: Plan, tasks: Sequence[Task], statuses: dict[int, TaskStatus], *, now: datetime
) -> Iterator[Task]:
    """Bring every wait in line with the task it counts after, and yield those that count on.

    `statuses` are what the other tasks amount to now. A count that began goes on however the task was
    done; once that is open again, nothing is left of it, also where the time was over. A wait after
    what does not apply does not apply either; that is put into `statuses` here.
    """
    waits = [task for task in tasks if task.is_wait]
    by_key = {task.key: task for task in tasks}
    agreed: int | None = None
    for task in waits:
        awaited = by_key.get(task.wait_after)
        status = statuses.get(awaited.pk) if awaited is not None else None
        since = _since(task, awaited, status, now) if awaited is not None else None
        days = task.wait_days
        if days is None and since is not None:
            agreed = days = agreed_days(plan) if agreed is None else agreed
        _store(task, since, days or 0)
        if status in (None, TaskStatus.NOT_APPLICABLE):
            statuses[task.pk] = TaskStatus.NOT_APPLICABLE
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
    counts = (
        task.applies and task.manual_status != ManualStatus.NOT_NEEDED and task.verified_at is None
    )
    return counts and task.wait_ends_at is not None and task.wait_ends_at <= now


def _since(task: Task, awaited: Task, status: TaskStatus | None, now: datetime) -> datetime | None:
    if status not in COMPLETE_STATUSES:
        return None
    is_new = awaited.status != status
    return (
        task.wait_started_at
        or awaited.verified_at
        or (now if is_new else awaited.status_changed_at)
    )


def _store(task: Task, since: datetime | None, days: int) -> None:
    """Store what changed. More days agreed since then open it again."""
    until = since + timedelta(days=days) if since is not None else None
    stands = task.verified_at is not None and until is not None and until <= task.verified_at
    verified_at = task.verified_at if stands else None
    values: Mapping[str, datetime | None] = dict(
        zip(_FIELDS, (since, until, verified_at, None), strict=True)
    )
    if any(getattr(task, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(task, name, value)
        task.save(update_fields=list(_FIELDS))
