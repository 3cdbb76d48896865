"""The dates of a plan and the working days of each side, as the schedule page shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from onboarding.models import Phase, Plan, Task, WaitingPeriod
from onboarding.plans import dates
from onboarding.plans.rows import TaskRow
from onboarding.plans.waiting_on import waiting_days_by_side


@dataclass(frozen=True)
class DatedTask:
    """One task with its delay, slip and waiting time, in working days.

    `started_on` is the first day on which a side could act.
    """

    row: TaskRow
    late: int
    slip: int | None
    waiting_days: float
    started_on: date | None = None

    @property
    def task(self) -> Task:
        return self.row.task


# The columns by which the table can be sorted. None: no value.
SORT_KEYS: Mapping[str, Callable[[DatedTask], Any]] = {
    "due": lambda dated: dated.task.due_on,
    "slip": lambda dated: dated.slip,
    "waiting": lambda dated: dated.waiting_days if dated.task.waiting_on else None,
    "assignee": lambda dated: dated.task.assignee.name.casefold() if dated.task.assignee else None,
}


@dataclass(frozen=True)
class PhaseSchedule:
    phase: Phase
    tasks: tuple[DatedTask, ...]
    mimecast_days: float
    client_days: float


@dataclass(frozen=True)
class PlanSchedule:
    """The table of the page: phases and totals."""

    phases: tuple[PhaseSchedule, ...]
    has_original_schedule: bool

    def sorted_by(self, column: str) -> list[DatedTask]:
        """All tasks by a column of `SORT_KEYS`, or in descending order after a hyphen.

        Tasks without a value are last. Empty for an unknown column.
        """
        key = SORT_KEYS.get(column.removeprefix("-"))
        if key is None:
            return []
        tasks = [task for phase in self.phases for task in phase.tasks]
        known = [task for task in tasks if key(task) is not None]
        known.sort(key=key, reverse=column.startswith("-"))
        return [*known, *(task for task in tasks if key(task) is None)]

    @property
    def mimecast_days(self) -> float:
        return sum(phase.mimecast_days for phase in self.phases)

    @property
    def client_days(self) -> float:
        return sum(phase.client_days for phase in self.phases)

    @property
    def late(self) -> int:
        return sum(1 for phase in self.phases for task in phase.tasks if task.late)


def plan_schedule(plan: Plan, rows: Sequence[TaskRow], *, now: datetime) -> PlanSchedule:
    """The schedule of a plan at the time `now`. Five queries, for any number of tasks."""
    calendar = dates.calendar_of(plan.tenant)
    today = calendar.day_of(now)
    leaves = [row for row in rows if row.task.applies and not row.task.is_group]
    periods = list(WaitingPeriod.objects.filter(task__plan=plan).select_related("task"))
    # In the order of their starts.
    started = {period.task_id: period.started_at for period in reversed(periods)}
    days_of_side = waiting_days_by_side(periods, calendar, now=now)

    def dated(row: TaskRow) -> DatedTask:
        task = row.task
        since = calendar.days_between(task.waiting_since, now) if task.waiting_since else 0.0
        late = dates.days_late(task, today, calendar)
        first = started.get(task.pk)
        day = calendar.day_of(first) if first is not None else None
        return DatedTask(row, late, dates.slip(task, calendar), since, day)

    phases = tuple(
        PhaseSchedule(
            phase,
            tuple(dated(row) for row in leaves if row.task.phase_id == phase.pk),
            days_of_side.get((phase.pk, "mimecast"), 0.0),
            days_of_side.get((phase.pk, "client"), 0.0),
        )
        for phase in Phase.objects.filter(plan=plan)
    )
    return PlanSchedule(phases, any(row.task.original_due_on for row in leaves))
