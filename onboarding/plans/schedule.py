"""The dates of a plan and the working days of each side, as the schedule page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import Phase, Plan, Task, WaitingPeriod
from onboarding.plans import dates
from onboarding.plans.rows import TaskRow
from onboarding.plans.waiting_on import waiting_days_by_side


@dataclass(frozen=True)
class DatedTask:
    """One task with its delay, slip and waiting time, in working days."""

    row: TaskRow
    late: int
    slip: int | None
    waiting_days: float

    @property
    def task(self) -> Task:
        return self.row.task


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
    days_of_side = waiting_days_by_side(periods, calendar, now=now)

    def dated(row: TaskRow) -> DatedTask:
        task = row.task
        since = calendar.days_between(task.waiting_since, now) if task.waiting_since else 0.0
        late = dates.days_late(task, today, calendar)
        return DatedTask(row, late, dates.slip(task, calendar), since)

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
