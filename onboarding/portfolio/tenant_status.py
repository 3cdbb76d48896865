"""A tenant's standing in words, for those who watch many. Pure over what was fetched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.models import Check
from onboarding.models import Cutover, Plan, Task, TaskStatus
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.rows import Shape
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.portfolio.queries import CheckCounts


@dataclass(frozen=True)
class Outlook:
    """How it looks, the words for it, and the cutover it speaks of."""

    shape: Shape
    words: str
    cutover: Cutover | None = None
    # With "Ready from": the moment.
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
    """The first that holds of: finished, broken, failing, not planned, overdue, waiting, ready.

    `open_tasks` are the plan's tasks that apply and are not complete; `failing` are its checks that
    are at fault; `safety` is the safe time of the next inbound cutover; `switched` are the cutovers
    whose domains have all switched: they lie behind, whatever is left of their step elsewhere.
    """
    if plan.tasks_total and plan.tasks_complete == plan.tasks_total:
        return Outlook(Shape.PASS, "Every step is done")
    by_key = {task.key: task for task in open_tasks}
    roles = {task.role: task for task in open_tasks}
    ahead = [
        cutover
        for cutover in cutovers
        if ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)] in roles
        and cutover.pk not in switched
    ]
    cutover = ahead[0] if ahead else None
    broken = [task for task in open_tasks if task.status == TaskStatus.REGRESSED]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Outlook(Shape.FAIL, f"Not ready: {broken[0].title} no longer holds{more}", cutover)
    if failing:
        more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
        told = f"{failing[0].get_kind_display()} of {failing[0].subject}"
        return Outlook(Shape.FAIL, f"Not ready: {told} is not as it should be{more}", cutover)
    if cutover is None:
        return Outlook(Shape.TODO, "No cutover planned")
    readiness = _readiness(cutover, by_key, counts, now=now)
    if readiness.shape is Shape.PASS and _must_wait(cutover, safety):
        return Outlook(Shape.WAITING, "Ready from", cutover, _safe_at(safety))
    return readiness


def _must_wait(cutover: Cutover, safety: PlanSafeTime | None) -> bool:
    """Only the inbound switch waits for caches to lose the old answer."""
    return cutover.direction == Cutover.Direction.INBOUND and bool(safety and safety.is_ahead)


def _safe_at(safety: PlanSafeTime | None) -> datetime | None:
    return safety.safe_time.safe_at if safety is not None else None


def _readiness(
    cutover: Cutover, by_key: dict[str, Task], counts: CheckCounts, *, now: datetime
) -> Outlook:
    role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    task = next(task for task in by_key.values() if task.role == role)
    open_dependencies = [
        by_key[key].title
        for key in task.depends_on
        if key in by_key and by_key[key].blocks_dependents
    ]
    if cutover.planned_at < now:
        return Outlook(Shape.FAIL, "The planned moment has passed", cutover)
    if open_dependencies:
        more = f" and {len(open_dependencies) - 1} more" if len(open_dependencies) > 1 else ""
        return Outlook(Shape.WAITING, f"Waits for {open_dependencies[0]}{more}", cutover)
    if counts.unknown:
        plural = "check" if counts.unknown == 1 else "checks"
        return Outlook(
            Shape.UNKNOWN, f"Steps done; {counts.unknown} {plural} could not tell", cutover
        )
    return Outlook(Shape.PASS, "Ready", cutover)
