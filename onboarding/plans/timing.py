"""A plan's dates and turns as their page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from onboarding.models import Phase, Plan, Task, Turn
from onboarding.plans import dates
from onboarding.plans.rows import TaskRow
from onboarding.plans.turns import days_by_side


@dataclass(frozen=True)
class DatedTask:
    """One task with what the calendar makes of it, in working days."""

    row: TaskRow
    late: int
    slip: int | None
    turn_days: float

    @property
    def task(self) -> Task:
        return self.row.task


@dataclass(frozen=True)
class PhaseTiming:
    phase: Phase
    tasks: tuple[DatedTask, ...]
    mimecast_days: float
    client_days: float


@dataclass(frozen=True)
class Timing:
    """The whole page: phases, totals, and the forecast."""

    phases: tuple[PhaseTiming, ...]
    forecast: date | None
    last_due: date | None
    has_baseline: bool

    @property
    def mimecast_days(self) -> float:
        return sum(phase.mimecast_days for phase in self.phases)

    @property
    def client_days(self) -> float:
        return sum(phase.client_days for phase in self.phases)

    @property
    def late(self) -> int:
        return sum(1 for phase in self.phases for task in phase.tasks if task.late)


def timing_of(plan: Plan, rows: Sequence[TaskRow], *, now: datetime) -> Timing:
    """Everything about a plan's dates at this moment; five queries, whatever its size."""
    calendar = dates.calendar_of(plan.tenant)
    today = calendar.day_of(now)
    leaves = [row for row in rows if row.task.applies and not row.task.is_group]
    turns = list(Turn.objects.filter(task__plan=plan).select_related("task"))
    held = days_by_side(turns, calendar, now=now)

    def dated(row: TaskRow) -> DatedTask:
        task = row.task
        since = calendar.days_between(task.turn_since, now) if task.turn_since else 0.0
        late = dates.days_late(task, today, calendar)
        return DatedTask(row, late, dates.slip(task, calendar), since)

    phases = tuple(
        PhaseTiming(
            phase,
            tuple(dated(row) for row in leaves if row.task.phase_id == phase.pk),
            held.get((phase.pk, "mimecast"), 0.0),
            held.get((phase.pk, "client"), 0.0),
        )
        for phase in Phase.objects.filter(plan=plan)
    )
    due = [row.task.due_on for row in leaves if row.task.due_on and row.task.counts_as_open]
    last_due = max(due, default=None)
    tasks = [row.task for row in leaves]
    started = calendar.day_of(plan.created_at)
    finished = dates.forecast(
        tasks, started=started, today=today, latest=last_due, calendar=calendar
    )
    has_baseline = any(task.baseline_due_on for task in tasks)
    return Timing(phases, finished, last_due, has_baseline)
