"""The roll-up of a plan: statuses, counters and the side to act, recomputed from the facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from checks.models import Check
from onboarding.models import (
    COMPLETE_STATUSES,
    Comment,
    Phase,
    Plan,
    Responsibility,
    Task,
    TaskStatus,
)
from onboarding.plans.next_action import of_unknown_safe_time
from onboarding.plans.queries import lock_tasks
from onboarding.plans.required_sides import required_sides
from onboarding.plans.safe_times import SAFE_TIME_ROLES, unsafe_tasks
from onboarding.plans.statuses import TaskFacts, group_status, status_of
from onboarding.plans.task_events import add_task_events, values_before
from onboarding.plans.task_roles import tasks_with_role
from onboarding.plans.timed_tasks import PERIOD_FIELDS, update_waits
from onboarding.plans.waiting_on import set_waiting_on, side_to_act
from tenants import database_time


def recompute_rollup(
    plan: Plan,
    tasks: Sequence[Task] | None = None,
    *,
    edited: Task | None = None,
    fields: Sequence[str] = (),
    checks: QuerySet[Check] | None = None,
) -> None:
    """Recompute every status, the counters of the phases and the plan, and the side to act.

    `tasks` are the rows of `lock_tasks`, changed in place. Without them the tasks are locked and
    read again, and every counter is compared. `edited` is a task with unsaved `fields`: they are
    saved in the same query as its status. `checks` are those of the tenant, for a caller that reads
    them too. Open pages of the plan update themselves.

    The lock on all tasks serialises two transactions that change different tasks: the later one
    counts both.
    """
    now = database_time.now()
    rows = list(tasks) if tasks is not None else lock_tasks(plan.pk)
    before = {task.pk: _stored(task) for task in rows}
    published_before = values_before(rows)
    counted_before = {task.pk: _counted_as(task) for task in rows}
    _set_statuses(plan, rows, now=now)
    asked = asked_sides([plan.pk])
    required = required_sides(plan, rows) | _set_safe_from(plan, rows, asked, checks, now=now)
    set_waiting_on(rows, asked, required, now=now)
    changed = [task for task in rows if _stored(task) != before[task.pk]]
    if edited is not None:
        edited.save(update_fields=[*fields, *_fields_of([edited])])
    others = [task for task in changed if edited is None or task.pk != edited.pk]
    _save_statuses(others)
    add_task_events(plan, changed, published_before)
    if tasks is None:
        phases = set(Phase.objects.filter(plan=plan).values_list("pk", flat=True))
    else:
        phases = {t.phase_id for t in changed if _counted_as(t) != counted_before[t.pk]}
    _store_counters(plan, rows, phases)


# The time until the beat evaluates a task again whose safe time is unknown.
UNKNOWN_FOR = timedelta(hours=1)

_STATUS_FIELDS = ("status", "status_changed_at", "waiting_on", "waiting_since", "safe_from")
_ROLLED_UP = (*_STATUS_FIELDS, *PERIOD_FIELDS)


# Up to here, one UPDATE with a CASE for each row is faster than several UPDATEs.
_MAX_ROWS_IN_ONE_UPDATE = 8


def _stored(task: Task) -> tuple[object, ...]:
    return tuple(getattr(task, name) for name in _ROLLED_UP)


def _fields_of(tasks: Sequence[Task]) -> Sequence[str]:
    """The fields to save. Only timed tasks have a period."""
    return _ROLLED_UP if any(task.is_timed for task in tasks) else _STATUS_FIELDS


def _save_statuses(tasks: Sequence[Task]) -> None:
    """Save few tasks in one query, and many in one query for each distinct set of values.

    A new plan changes 50 tasks to four sets of values: a CASE for each row takes ten times as long.
    """
    if not tasks:
        return
    if len(tasks) <= _MAX_ROWS_IN_ONE_UPDATE:
        Task.objects.bulk_update(tasks, _fields_of(tasks))
        return
    ids_by_values: dict[tuple[object, ...], list[int]] = {}
    for task in tasks:
        ids_by_values.setdefault(_stored(task), []).append(task.pk)
    for values, ids in ids_by_values.items():
        Task.objects.filter(pk__in=ids).update(**dict(zip(_ROLLED_UP, values, strict=True)))


def _counted_as(task: Task) -> tuple[bool, ...]:
    """The properties of a status that the counters depend on. Equal ones leave them unchanged.

    A task that starts or stops to apply changes its status from or to "not applicable".
    """
    return (
        task.status in (TaskStatus.NOT_APPLICABLE, TaskStatus.DECLINED),
        task.status in COMPLETE_STATUSES,
        task.status == TaskStatus.REGRESSED,
    )


def _set_statuses(plan: Plan, tasks: Sequence[Task], *, now: datetime) -> None:
    statuses: dict[int, TaskStatus] = {t.pk: own_status(t) for t in tasks if not t.is_group}
    for task in update_waits(plan, tasks, statuses, now=now):
        statuses[task.pk] = own_status(task)
    # Sub-tasks follow their group in the plan's order, so the last group is computed first.
    for task in reversed(tasks):
        if task.is_group:
            children = [statuses[t.pk] for t in tasks if t.parent_id == task.pk]
            statuses[task.pk] = group_status(children, applies=task.applies)
    for task in tasks:
        if task.status != statuses[task.pk]:
            task.status, task.status_changed_at = statuses[task.pk], now


def _set_safe_from(
    plan: Plan,
    tasks: Sequence[Task],
    asked: Mapping[int, str],
    checks: QuerySet[Check] | None,
    *,
    now: datetime,
) -> dict[int, str]:
    """Set the safe time of each task that waits only for it, without saving.

    Returns the side that repairs the name servers, by task id, for each unknown safe time: it is
    evaluated again after UNKNOWN_FOR. A task that waits for other tasks needs no safe time yet, and
    no query.
    """
    by_key = {task.key: task for task in tasks}
    timed = tasks_with_role(tasks, *SAFE_TIME_ROLES)
    for task in timed:
        task.safe_from = None
    ready = [t for t in timed if t.pk not in asked and side_to_act(t, by_key, asked)]
    unsafe = unsafe_tasks(ready, plan.tenant, tasks, now=now, checks=checks)
    for task, safety in unsafe.items():
        task.safe_from = safety.safe_time.safe_at or now + UNKNOWN_FOR
    actions = {task: of_unknown_safe_time(each) for task, each in unsafe.items() if each.is_unknown}
    return {task.pk: task.status_waiting_on or action.side for task, action in actions.items()}


def asked_sides(plan_ids: Iterable[int]) -> dict[int, str]:
    """The side that has to answer an open question, by task id; both where each side was asked."""
    rows = Comment.objects.filter(
        plan__in=list(plan_ids), answered_at=None, deleted_at=None
    ).exclude(asked_side="")
    asked: dict[int, str] = {}
    for task_id, side in rows.values_list("task_id", "asked_side"):
        both = asked.get(task_id, side) != side
        asked[task_id] = Responsibility.BOTH.value if both else side
    return asked


def own_status(task: Task) -> TaskStatus:
    is_checked = bool(task.check_kinds or task.completed_by)
    return status_of(
        TaskFacts(
            applies=task.applies,
            responsibility=task.responsibility,
            has_check=(is_checked and not task.confirmation_suffices) or task.is_timed,
            mimecast_confirmed_at=task.mimecast_confirmed_at,
            client_confirmed_at=task.client_confirmed_at,
            verified_at=task.verified_at,
            regressed_at=task.regressed_at,
            manual_status=task.manual_status,
        )
    )


@dataclass(frozen=True)
class Rollup:
    """The progress of a phase or plan. Optional tasks count once done, declined ones never."""

    total: int
    complete: int
    regressed: int

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Rollup:
        counted = [task for task in tasks if task.is_counted]
        return cls(
            total=len(counted),
            complete=sum(task.status in COMPLETE_STATUSES for task in counted),
            regressed=sum(task.status == TaskStatus.REGRESSED for task in counted),
        )

    @property
    def columns(self) -> dict[str, int]:
        return {
            "tasks_total": self.total,
            "tasks_complete": self.complete,
            "tasks_regressed": self.regressed,
        }


def _store_counters(plan: Plan, tasks: Sequence[Task], phases: Iterable[int]) -> None:
    Plan.objects.filter(pk=plan.pk).update(**Rollup.of(tasks).columns, revision=F("revision") + 1)
    for phase_id in phases:
        columns = Rollup.of([task for task in tasks if task.phase_id == phase_id]).columns
        Phase.objects.filter(pk=phase_id).update(**columns)
