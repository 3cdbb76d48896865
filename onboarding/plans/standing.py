"""States and counters, kept from the facts of a plan's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from onboarding.models import COMPLETE, Comment, Phase, Plan, Responsibility, Task, TaskState
from onboarding.plans.states import Facts, group_state, state_of
from onboarding.plans.turns import follow_turns
from onboarding.plans.waits import follow_waits


def refresh_states(plan: Plan) -> None:
    """Work out every state from its facts, then the counters of phases and plan.

    The plan's row is held meanwhile: of two transactions that moved different tasks, the later one
    counts both. Always after the tasks' rows, so that no two wait for each other.
    """
    Plan.objects.select_for_update().get(pk=plan.pk)
    now = timezone.now()
    tasks = list(Task.objects.filter(plan=plan).order_by("position"))
    states: dict[int, TaskState] = {t.pk: own_state(t) for t in tasks if not t.is_group}
    for task in follow_waits(plan, tasks, states, now=now):
        states[task.pk] = own_state(task)
    # Children stand behind their group, so the last group is worked out first.
    for task in reversed(tasks):
        if task.is_group:
            children = [states[t.pk] for t in tasks if t.parent_id == task.pk]
            states[task.pk] = group_state(children, applies=task.applies)
    changed: dict[TaskState, list[int]] = {}
    for task in tasks:
        if task.state != states[task.pk]:
            task.state, task.state_since = states[task.pk], now
            changed.setdefault(states[task.pk], []).append(task.pk)
    for state, keys in changed.items():
        Task.objects.filter(pk__in=keys).update(state=state, state_since=now)
    _store_counters(plan, tasks)
    follow_turns(tasks, _asked(plan), now=now)


def _asked(plan: Plan) -> dict[int, str]:
    """The side that each task with an open question waits for; both where each was asked."""
    rows = Comment.objects.filter(plan=plan, answered_at=None, taken_back_at=None).exclude(asks="")
    asked: dict[int, str] = {}
    for task_id, side in rows.values_list("task_id", "asks"):
        both = asked.get(task_id, side) != side
        asked[task_id] = Responsibility.BOTH.value if both else side
    return asked


def own_state(task: Task) -> TaskState:
    return state_of(
        Facts(
            applies=task.applies,
            responsibility=task.responsibility,
            has_check=(bool(task.check_kinds) and not task.is_by_word) or task.is_wait,
            mimecast_confirmed_at=task.mimecast_confirmed_at,
            client_confirmed_at=task.client_confirmed_at,
            proven_at=task.proven_at,
            broken_at=task.broken_at,
            mark=task.mark,
        )
    )


@dataclass(frozen=True)
class Count:
    """How far a phase or plan is. Optional tasks count once done, declined ones never."""

    total: int
    complete: int
    broken: int

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Count:
        counted = [task for task in tasks if task.counts]
        return cls(
            total=len(counted),
            complete=sum(task.state in COMPLETE for task in counted),
            broken=sum(task.state == TaskState.BROKEN for task in counted),
        )

    @property
    def columns(self) -> dict[str, int]:
        return {
            "tasks_total": self.total,
            "tasks_complete": self.complete,
            "tasks_broken": self.broken,
        }


def _store_counters(plan: Plan, tasks: Sequence[Task]) -> None:
    Plan.objects.filter(pk=plan.pk).update(**Count.of(tasks).columns)
    for phase in Phase.objects.filter(plan=plan):
        columns = Count.of([task for task in tasks if task.phase_id == phase.pk]).columns
        if any(getattr(phase, name) != value for name, value in columns.items()):
            Phase.objects.filter(pk=phase.pk).update(**columns)
