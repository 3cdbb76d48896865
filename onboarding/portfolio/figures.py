"""The figures of one tenant: dates, waits and phases, from rows that are loaded. Pure.

Lists and the dashboard filter and add up the stored figures (`onboarding.models.figures`), so that
no page computes them for all tenants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from onboarding.models import Cutover, CutoverStatus, Phase, PlanRisk, Responsibility, Task
from onboarding.plans.business_time import Calendar
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.forecast import Forecast
from onboarding.plans.forecast_inputs import is_expected
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.rows import Shape
from onboarding.plans.task_roles import task_with_role
from onboarding.plans.waiting_on import SIDES
from onboarding.portfolio.cutover_labels import readiness_label
from onboarding.portfolio.risks import Risk
from onboarding.portfolio.tenant_status import TenantStatus

State = CutoverStatus.State


@dataclass(frozen=True)
class Wait:
    """A period in which a task waited on a side. `ended_at` is None while it still waits."""

    task_id: int
    side: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class FigureFacts:
    """The facts of one tenant. `forecast` is None without open tasks. `waits` are in any order."""

    phases: Sequence[Phase]
    tasks: Sequence[Task]
    ahead: Sequence[Cutover]
    forecast: Forecast | None
    waits: Iterable[Wait]
    follow_up: int
    calendar: Calendar
    now: datetime


def plan_figures(facts: FigureFacts) -> dict[str, object]:
    """The values of `PlanFigures`, by the name of their field."""
    current = next((p for p in facts.phases if p.tasks_complete < p.tasks_total), None)
    waiting = [task for task in facts.tasks if task.waiting_since is not None]
    longest = min(waiting, key=lambda task: (task.waiting_since, task.position), default=None)
    due = _latest(task.due_on for task in facts.tasks if is_expected(task))
    leaves = [task for task in facts.tasks if task.applies and not task.is_group]
    original = _latest(task.original_due_on for task in leaves)
    finish = facts.forecast.finish if facts.forecast is not None else None
    return {
        "current_phase": current.key if current is not None else "",
        "waiting_on": longest.waiting_on if longest is not None else "",
        "waiting_since": longest.waiting_since if longest is not None else None,
        "next_cutover_at": min((each.planned_at for each in facts.ahead), default=None),
        "forecast_on": finish,
        "due_on": due,
        "original_due_on": original,
        "late_days": _days(due, finish, facts.calendar),
        "slip_days": _days(original, finish, facts.calendar),
        "follow_up": facts.follow_up,
    }


def _latest(days: Iterable[date | None]) -> date | None:
    return max((day for day in days if day is not None), default=None)


def _days(start: date | None, end: date | None, calendar: Calendar) -> int | None:
    return calendar.working_days_from(start, end) if start and end else None


# --- Phases


def phase_times(facts: FigureFacts) -> dict[int, dict[str, object]]:
    """The values of `PhaseTime` of each phase on which a side could act, by the phase's id."""
    by_phase: dict[int, list[Task]] = {}
    for task in facts.tasks:
        by_phase.setdefault(task.phase_id, []).append(task)
    phase_of = {task.pk: task.phase_id for task in facts.tasks}
    waits: dict[int, list[Wait]] = {}
    for wait in facts.waits:
        if wait.task_id in phase_of:
            waits.setdefault(phase_of[wait.task_id], []).append(wait)
    return {
        phase.pk: _phase_time(phase, by_phase.get(phase.pk, []), waits[phase.pk], facts)
        for phase in facts.phases
        if waits.get(phase.pk)
    }


def _phase_time(
    phase: Phase, tasks: Sequence[Task], waits: Sequence[Wait], facts: FigureFacts
) -> dict[str, object]:
    calendar = facts.calendar
    started_on = calendar.day_of(min(wait.started_at for wait in waits))
    completed_on = _completed_on(phase, tasks, calendar)
    last = completed_on or calendar.day_of(facts.now)
    spans = [(wait, _span(wait, last, calendar)) for wait in waits]
    sides = {
        side: [span for wait, span in spans if wait.side in (side, Responsibility.BOTH)]
        for side in SIDES
    }
    return {
        "started_on": started_on,
        "completed_on": completed_on,
        "days": max(calendar.working_days_from(started_on, last), 0),
        "mimecast_days": _covered_days(sides["mimecast"], calendar),
        "client_days": _covered_days(sides["client"], calendar),
    }


def _completed_on(phase: Phase, tasks: Sequence[Task], calendar: Calendar) -> date | None:
    """The day of the last completed task; None while a task is open."""
    if not phase.tasks_total or phase.tasks_complete < phase.tasks_total:
        return None
    times = (task.verified_at or task.status_changed_at for task in tasks if task.is_counted)
    return _latest(map(calendar.day_of, times))


def _span(wait: Wait, last: date, calendar: Calendar) -> tuple[date, date]:
    end = calendar.day_of(wait.ended_at) if wait.ended_at is not None else last
    return calendar.day_of(wait.started_at), min(end, last)


def _covered_days(spans: Iterable[tuple[date, date]], calendar: Calendar) -> int:
    """The working days after the start of a span, up to its end. Each day counts once."""
    total, until = 0, date.min
    for start, end in sorted(spans):
        begin = max(start, until)
        if end > begin:
            total += calendar.working_days_from(begin, end)
            until = end
    return total


# --- Cutovers


def cutover_statuses(
    statuses: Mapping[Cutover, TenantStatus],
    tasks: Sequence[Task],
    risks: Sequence[Risk],
    switched: Collection[int],
) -> dict[int, dict[str, object]]:
    """The values of `CutoverStatus` by the cutover's id.

    A cutover is at risk if a risk of its tenant concerns it, or concerns no cutover at all.
    """
    by_key = {task.key: task for task in tasks}
    return dict(_statuses(statuses, by_key, risks, switched))


def _statuses(
    statuses: Mapping[Cutover, TenantStatus],
    by_key: Mapping[str, Task],
    risks: Sequence[Risk],
    switched: Collection[int],
) -> Iterator[tuple[int, dict[str, object]]]:
    blocked = {risk.target for risk in risks if risk.code == PlanRisk.Code.BLOCKED}
    risky = {risk.target for risk in risks if risk.cutover_at is not None}
    is_tenant_at_risk = any(risk.cutover_at is None for risk in risks)
    for cutover, status in statuses.items():
        role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
        switch = task_with_role(by_key.values(), role)
        is_switched = cutover.pk in switched
        shape, label = readiness_label(
            status,
            is_switched=is_switched,
            is_blocked=cutover.public_id in blocked,
            open_tasks=len(open_dependencies_of(switch, by_key)) if switch is not None else 0,
        )
        is_at_risk = is_tenant_at_risk or cutover.public_id in risky
        if is_switched:
            state = State.SWITCHED
        elif is_at_risk:
            state = State.AT_RISK
        else:
            state = State.READY if shape is Shape.PASS else State.OPEN
        is_plain = state == State.AT_RISK and shape is not Shape.FAIL
        yield cutover.pk, {"state": state.value, "label": "At risk" if is_plain else label}


def recalculated_at(statuses: Iterable[TenantStatus], *, now: datetime) -> Iterator[datetime]:
    """The times at which a cutover becomes safe, and its label with it."""
    for status in statuses:
        if status.safe_at is not None and status.safe_at > now:
            yield status.safe_at + timedelta(seconds=1)
