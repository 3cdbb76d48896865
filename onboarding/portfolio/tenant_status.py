"""The status sentence of a tenant in lists. Pure: the caller fetches the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.models import Check
from onboarding.models import Cutover, Plan, Task, TaskStatus
from onboarding.plans.planned_cutovers import TASK_OF_DIRECTION
from onboarding.plans.rows import Shape
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.portfolio.queries import CheckCounts


@dataclass(frozen=True)
class Outlook:
    """The shape and text of a status, and the cutover that it concerns."""

    shape: Shape
    words: str
    cutover: Cutover | None = None
    # The time after "Ready from".
    safe_at: datetime | None = None


def outlook(
    plan: Plan,
    cutovers: Sequence[Cutover],
    open_tasks: Sequence[Task],
    counts: CheckCounts,
    failing: Sequence[Check],
    safety: PlanSafeTime | None = None,
    *,
    switched: Collection[int] = (),
    now: datetime,
) -> Outlook:
    """The first matching status of: finished, regressed, failing, not planned, overdue, waiting,
    ready.

    `open_tasks` are the applicable tasks that are not complete. `failing` are the failing checks.
    `safety` is the safe time of the next inbound cutover. `switched` are the cutovers whose domains
    have all switched; they are in the past even if other work of their task is open.
    """
    if plan.tasks_total and plan.tasks_complete == plan.tasks_total:
        return Outlook(Shape.PASS, "All tasks are done")
    by_key = {task.key: task for task in open_tasks}
    ahead = [
        cutover
        for cutover in cutovers
        if TASK_OF_DIRECTION[Cutover.Direction(cutover.direction)] in by_key
        and cutover.pk not in switched
    ]
    cutover = ahead[0] if ahead else None
    broken = [task for task in open_tasks if task.status == TaskStatus.REGRESSED]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Outlook(Shape.FAIL, f"Not ready: {broken[0].title} regressed{more}", cutover)
    if failing:
        more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
        named = f"{failing[0].get_kind_display()} of {failing[0].subject}"
        return Outlook(Shape.FAIL, f"Not ready: {named} fails{more}", cutover)
    if cutover is None:
        return Outlook(Shape.TODO, "No cutover planned")
    readiness = _readiness(cutover, by_key, counts, now=now)
    if readiness.shape is Shape.PASS and _must_wait(cutover, safety):
        return Outlook(Shape.WAITING, "Ready from", cutover, _safe_at(safety))
    return readiness


def _must_wait(cutover: Cutover, safety: PlanSafeTime | None) -> bool:
    """Only an inbound switch waits until caches have dropped the old answer."""
    return cutover.direction == Cutover.Direction.INBOUND and bool(safety and safety.is_ahead)


def _safe_at(safety: PlanSafeTime | None) -> datetime | None:
    return safety.safe_time.safe_at if safety is not None else None


def _readiness(
    cutover: Cutover, by_key: dict[str, Task], counts: CheckCounts, *, now: datetime
) -> Outlook:
    task = by_key[TASK_OF_DIRECTION[Cutover.Direction(cutover.direction)]]
    open_dependencies = [
        by_key[key].title
        for key in task.depends_on
        if key in by_key and by_key[key].blocks_dependents
    ]
    if cutover.planned_at < now:
        return Outlook(Shape.FAIL, "Cutover overdue", cutover)
    if open_dependencies:
        more = f" and {len(open_dependencies) - 1} more" if len(open_dependencies) > 1 else ""
        return Outlook(Shape.WAITING, f"Waits for {open_dependencies[0]}{more}", cutover)
    if counts.unknown:
        plural = "check" if counts.unknown == 1 else "checks"
        return Outlook(Shape.UNKNOWN, f"Tasks done; {counts.unknown} {plural} unknown", cutover)
    return Outlook(Shape.PASS, "Ready", cutover)
