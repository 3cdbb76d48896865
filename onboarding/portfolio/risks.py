"""The definition of risk: the reasons why a tenant may miss a date or lose mail. Pure.

Tile, filter, list, badge and API of the dashboard read the stored result of `risks_of`.
docs/reference/risks.md has the table of the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from onboarding.models import Cutover, PlanRisk, Responsibility, Task, TaskStatus
from onboarding.models.cutovers import join_names
from onboarding.plans.business_time import Calendar
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION, window_bounds

# The time before a window from which each reason applies.
BLOCKED_WITHIN = timedelta(days=2)
ON_CALL_WITHIN = timedelta(days=3)
APPROVER_WITHIN = timedelta(days=14)
THRESHOLDS = (BLOCKED_WITHIN, ON_CALL_WITHIN, APPROVER_WITHIN)
_SIDE_NAMES = {"mimecast": "Mimecast", "client": "the client", "both": "both sides"}
Code = PlanRisk.Code


@dataclass(frozen=True)
class Risk:
    """One reason. `params` are the values of its sentence, `target` the public id of its object."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    cutover_at: datetime | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same while the reason lasts."""
        return self.code, self.target


@dataclass(frozen=True)
class RiskFacts:
    """The facts of one tenant.

    `tasks` are the tasks of the plan in its order. `failing` has the sentence of each failing or
    drifted check, by its public id. `ahead` are the cutovers that have not switched. `expected` has
    the expected day of each window by the cutover's public id, and `on_call` its sides.
    """

    tasks: Sequence[Task]
    failing: Mapping[str, str]
    drifts: int
    ahead: Sequence[Cutover]
    expected: Mapping[str, date]
    on_call: Mapping[int, Collection[str]]
    calendar: Calendar
    now: datetime
    waiting_days: int
    # The key of each phase by its id.
    phases: Mapping[int, str] = field(default_factory=dict)

    def place_of(self, task: Task) -> dict[str, str]:
        """The place of the task on the plan page."""
        return {"phase": self.phases.get(task.phase_id, ""), "key": task.key}


def risks_of(facts: RiskFacts, *, is_closed: bool) -> list[Risk]:
    """The reasons, most urgent first. A closed tenant has no date to miss."""
    if is_closed:
        return []
    found = [
        *_regressed(facts),
        *_failing(facts),
        *_drift(facts),
        *(risk for cutover in facts.ahead for risk in _of_cutover(cutover, facts)),
        *_waiting(facts),
    ]
    order = {code: position for position, code in enumerate(Code.values)}
    return sorted(found, key=lambda risk: order[risk.code])


def _regressed(facts: RiskFacts) -> Iterator[Risk]:
    found = [task for task in facts.tasks if task.status == TaskStatus.REGRESSED]
    if found:
        titles = join_names([task.title for task in found])
        yield Risk(Code.REGRESSED, {"tasks": titles} | facts.place_of(found[0]), found[0].public_id)


def _failing(facts: RiskFacts) -> Iterator[Risk]:
    if facts.failing:
        target, sentence = next(iter(facts.failing.items()))
        others = len(facts.failing) - 1
        yield Risk(Code.FAILING, {"sentence": sentence, "others": others}, target)


def _drift(facts: RiskFacts) -> Iterator[Risk]:
    if facts.drifts:
        yield Risk(Code.DRIFT, {"drifts": facts.drifts})


def _of_cutover(cutover: Cutover, facts: RiskFacts) -> Iterator[Risk]:
    named = {"direction": cutover.direction}

    def risk(code: Code, **params: Any) -> Risk:
        return Risk(code, named | params, cutover.public_id, cutover.planned_at)

    if window_bounds(cutover)[1] <= facts.now:
        yield risk(Code.OVERDUE)
        return
    left = cutover.planned_at - facts.now
    waiting = _open_tasks(cutover, facts) if left <= BLOCKED_WITHIN else []
    if waiting:
        yield risk(Code.BLOCKED, tasks=join_names([task.title for task in waiting]))
    late = _working_days_late(cutover, facts)
    if late > 0:
        yield risk(Code.LATE, days=late)
    if left <= APPROVER_WITHIN and (missing := _without_approver(cutover)):
        yield risk(Code.NO_APPROVER, sides=missing)
    lacking = _sides_without(facts.on_call.get(cutover.pk, ()))
    if left <= ON_CALL_WITHIN and lacking:
        yield risk(Code.NO_ON_CALL, sides=lacking)


def _open_tasks(cutover: Cutover, facts: RiskFacts) -> list[Task]:
    """The open tasks that the cutover waits for."""
    role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    by_key = {task.key: task for task in facts.tasks}
    switch = next((task for task in facts.tasks if task.role == role), None)
    return open_dependencies_of(switch, by_key) if switch is not None else []


def _working_days_late(cutover: Cutover, facts: RiskFacts) -> int:
    expected = facts.expected.get(cutover.public_id)
    planned = facts.calendar.day_of(cutover.planned_at)
    return facts.calendar.working_days_from(planned, expected) if expected is not None else 0


def _without_approver(cutover: Cutover) -> list[str]:
    named = {
        Responsibility.MIMECAST.value: cutover.mimecast_approver_id,
        Responsibility.CLIENT.value: cutover.client_approver_id,
    }
    return [side for side, person in named.items() if person is None]


def _sides_without(sides: Collection[str]) -> list[str]:
    wanted = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)
    return [side for side in wanted if side not in sides]


def _waiting(facts: RiskFacts) -> Iterator[Risk]:
    """The task that waits longest, if it waits longer than the limit."""
    found = [
        (facts.calendar.days_between(task.waiting_since, facts.now), task)
        for task in facts.tasks
        if task.waiting_on and task.waiting_since is not None
    ]
    over = [(days, task) for days, task in found if days > facts.waiting_days]
    if over:
        days, task = max(over, key=lambda pair: pair[0])
        params = {"side": task.waiting_on, "days": int(days), "task": task.title}
        params |= {"others": len(over) - 1}
        yield Risk(Code.WAITING, params | facts.place_of(task), task.public_id)


# --- Sentences


def sentence_of(code: str, params: Mapping[str, Any]) -> str:
    """The reason as one sentence, for pages, e-mails and the API."""
    return _SENTENCES[Code(code)](params)


def _more(params: Mapping[str, Any]) -> str:
    others = params.get("others", 0)
    return f", and {others} more" if others else ""


def _lacking(params: Mapping[str, Any], role: str) -> str:
    """The sides without the role, such as "neither Mimecast nor the client has an approver"."""
    names = [_SIDE_NAMES[side] for side in params["sides"]]
    if len(names) > 1:
        return f"neither {' nor '.join(names)} has {role}"
    return f"{names[0]} has no {role.partition(' ')[2]}"


def _direction(params: Mapping[str, Any]) -> str:
    return f"{str(params['direction']).capitalize()} cutover"


def _late(params: Mapping[str, Any]) -> str:
    days = params["days"]
    unit = "working day" if days == 1 else "working days"
    return f"{_direction(params)}: the forecast is {days} {unit} after its window."


def _waiting_sentence(params: Mapping[str, Any]) -> str:
    side, days = _SIDE_NAMES[params["side"]], params["days"]
    return f"Waiting on {side} for {days} working days: {params['task']}{_more(params)}."


_SENTENCES = {
    Code.REGRESSED: lambda p: f"Regressed: {p['tasks']}.",
    Code.FAILING: lambda p: f"{p['sentence']}{_more(p)}.",
    Code.DRIFT: lambda p: f"{p['drifts']} drift{'s' if p['drifts'] > 1 else ''} since go-live.",
    Code.OVERDUE: lambda p: f"{_direction(p)}: its window is over, and mail has not switched.",
    Code.BLOCKED: lambda p: f"{_direction(p)}: open tasks block it: {p['tasks']}.",
    Code.LATE: _late,
    Code.NO_APPROVER: lambda p: f"{_direction(p)}: {_lacking(p, 'an approver')}.",
    Code.NO_ON_CALL: lambda p: f"{_direction(p)}: {_lacking(p, 'a person on call')}.",
    Code.WAITING: _waiting_sentence,
}
