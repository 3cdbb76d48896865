"""Timed tasks, which complete on a date: the start and the end of their period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Max, OuterRef, Subquery

from onboarding.models import Cutover, ManualStatus, Plan, Task, TaskStatus

# The default until an inbound cutover states another number.
DEFAULT_DAYS = 3
# The fields of a period. recompute_rollup saves them with the status.
PERIOD_FIELDS = ("wait_started_at", "wait_ends_at", "verified_at", "regressed_at")


def update_waits(
    plan: Plan, tasks: Sequence[Task], statuses: dict[int, TaskStatus], *, now: datetime
) -> Iterator[Task]:
    """Set the period of every timed task without saving it, and yield the ones that apply.

    `statuses` are the new statuses of the other tasks. A period starts when the earlier task is
    done or verified. It ends without effect when that task reopens, even if the period was over. A
    timed task after a task that does not apply does not apply either; `statuses` is changed here.
    """
    waits = [task for task in tasks if task.is_timed]
    by_key = {task.key: task for task in tasks}
    agreed: int | None = None
    for task in waits:
        awaited = by_key.get(task.wait_after)
        status = statuses.get(awaited.pk) if awaited is not None else None
        since = _since(task, awaited, status, now) if awaited is not None else None
        days = task.wait_days
        if days is None and since is not None:
            agreed = days = agreed_days(plan) if agreed is None else agreed
        _set_period(task, since, days or 0)
        if status in (None, TaskStatus.NOT_APPLICABLE):
            statuses[task.pk] = TaskStatus.NOT_APPLICABLE
        else:
            yield task


def agreed_days(plan: Plan) -> int:
    """The days that outbound mail has to run before the inbound cutover.

    The longest period of the planned inbound cutovers counts. No query if the plan was read with
    `longest_outbound_days`.
    """
    if hasattr(plan, "longest_outbound_days"):
        longest = plan.longest_outbound_days
    else:
        planned = Cutover.objects.filter(plan=plan, direction=Cutover.Direction.INBOUND)
        longest = planned.aggregate(longest=Max("outbound_days"))["longest"]
    return DEFAULT_DAYS if longest is None else int(longest)


def longest_outbound_days() -> Subquery:
    """The longest period of a plan's inbound cutovers, to annotate a query of plans."""
    planned = Cutover.objects.filter(plan=OuterRef("pk"), direction=Cutover.Direction.INBOUND)
    return Subquery(planned.order_by("-outbound_days").values("outbound_days")[:1])


def is_over(task: Task, *, now: datetime) -> bool:
    """Whether the period has ended and the task is not completed yet. Pure."""
    counts = (
        task.applies and task.manual_status != ManualStatus.NOT_NEEDED and task.verified_at is None
    )
    return counts and task.wait_ends_at is not None and task.wait_ends_at <= now


def _since(task: Task, awaited: Task, status: TaskStatus | None, now: datetime) -> datetime | None:
    """The start of the period. An accepted risk or a declined task starts none: no mail moved."""
    if status not in (TaskStatus.DONE, TaskStatus.VERIFIED):
        return None
    is_new = awaited.status != status
    return (
        task.wait_started_at
        or awaited.verified_at
        or (now if is_new else awaited.status_changed_at)
    )


def _set_period(task: Task, since: datetime | None, days: int) -> None:
    """Set the period without saving it. A longer period reopens a completed timed task."""
    until = since + timedelta(days=days) if since is not None else None
    is_over = task.verified_at is not None and until is not None and until <= task.verified_at
    verified_at = task.verified_at if is_over else None
    for name, value in zip(PERIOD_FIELDS, (since, until, verified_at, None), strict=True):
        setattr(task, name, value)
