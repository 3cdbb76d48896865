"""States and counters, kept from the facts of a plan's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from onboarding.models import (
    COMPLETE_STATUSES,
    Comment,
    Phase,
    Plan,
    Responsibility,
    Task,
    TaskStatus,
)
from onboarding.plans.statuses import TaskFacts, group_status, status_of
from onboarding.plans.timed_tasks import update_waits
from onboarding.plans.waiting_on import update_waiting_on


def recompute_rollup(plan: Plan) -> None:
    """Work out every status from its facts, then the counters of phases and plan.

    The plan's row is held meanwhile: of two transactions that moved different tasks, the later one
    counts both. Always after the tasks' rows, so that no two wait for each other.
    """
    Plan.objects.select_for_update().get(pk=plan.pk)
    now = timezone.now()
    tasks = list(Task.objects.filter(plan=plan).order_by("position"))
    statuses: dict[int, TaskStatus] = {t.pk: own_status(t) for t in tasks if not t.is_group}
    for task in update_waits(plan, tasks, statuses, now=now):
        statuses[task.pk] = own_status(task)
    # Children stand behind their group, so the last group is worked out first.
    for task in reversed(tasks):
        if task.is_group:
            children = [statuses[t.pk] for t in tasks if t.parent_id == task.pk]
            statuses[task.pk] = group_status(children, applies=task.applies)
    changed: dict[TaskStatus, list[int]] = {}
    for task in tasks:
        if task.status != statuses[task.pk]:
            task.status, task.status_changed_at = statuses[task.pk], now
            changed.setdefault(statuses[task.pk], []).append(task.pk)
    for status, keys in changed.items():
        Task.objects.filter(pk__in=keys).update(status=status, status_changed_at=now)
    _store_counters(plan, tasks)
    update_waiting_on(tasks, _asked(plan), now=now)


def _asked(plan: Plan) -> dict[int, str]:
    """The side that each task with an open question waits for; both where each was asked."""
    rows = Comment.objects.filter(plan=plan, answered_at=None, deleted_at=None).exclude(
        asked_side=""
    )
    asked: dict[int, str] = {}
    for task_id, side in rows.values_list("task_id", "asked_side"):
        both = asked.get(task_id, side) != side
        asked[task_id] = Responsibility.BOTH.value if both else side
    return asked


def own_status(task: Task) -> TaskStatus:
    return status_of(
        TaskFacts(
            applies=task.applies,
            responsibility=task.responsibility,
            has_check=(bool(task.check_kinds) and not task.confirmation_suffices) or task.is_wait,
            mimecast_confirmed_at=task.mimecast_confirmed_at,
            client_confirmed_at=task.client_confirmed_at,
            verified_at=task.verified_at,
            regressed_at=task.regressed_at,
            manual_status=task.manual_status,
        )
    )


@dataclass(frozen=True)
class Rollup:
    """How far a phase or plan is. Optional tasks count once done, declined ones never."""

    total: int
    complete: int
    broken: int

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Rollup:
        counted = [task for task in tasks if task.is_counted]
        return cls(
            total=len(counted),
            complete=sum(task.status in COMPLETE_STATUSES for task in counted),
            broken=sum(task.status == TaskStatus.REGRESSED for task in counted),
        )

    @property
    def columns(self) -> dict[str, int]:
        return {
            "tasks_total": self.total,
            "tasks_complete": self.complete,
            "tasks_regressed": self.broken,
        }


def _store_counters(plan: Plan, tasks: Sequence[Task]) -> None:
    Plan.objects.filter(pk=plan.pk).update(**Rollup.of(tasks).columns)
    for phase in Phase.objects.filter(plan=plan):
        columns = Rollup.of([task for task in tasks if task.phase_id == phase.pk]).columns
        if any(getattr(phase, name) != value for name, value in columns.items()):
            Phase.objects.filter(pk=phase.pk).update(**columns)
