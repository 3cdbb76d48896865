"""The forecast of a tenant from its rows: open tasks, their durations, waits and windows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from checks.engine.outcomes import CheckKind
from onboarding.models import Cutover, Responsibility, Task, TaskRole, TaskStatus
from onboarding.plans.business_time import Calendar
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.durations import Duration, default_duration
from onboarding.plans.forecast import (
    Bound,
    Forecast,
    ForecastInputs,
    ForecastStep,
    ForecastWindow,
    FrozenDays,
    StepKind,
    forecast_of,
)
from onboarding.plans.forecast_sources import TenantRows, load_rows
from onboarding.plans.forecast_waits import (
    OpenPreparation,
    Waits,
    day_after,
    inbound_waits,
    old_route_waits,
)
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION, in_none, window_bounds
from onboarding.plans.safe_times import OLD_ROUTE_SWITCHES
from onboarding.plans.task_roles import task_verified_by, task_with_role
from onboarding.plans.timed_tasks import DEFAULT_DAYS
from onboarding.plans.waiting_on import remaining_side
from tenants.models import Tenant

# Working days for the answer to an open question.
ANSWER_DAYS = 1
# Working days for an action on a confirmed task, such as a test message or the decision on a value.
ACTION_DAYS = 1
_ACTORS = {
    Responsibility.MIMECAST: "Mimecast",
    Responsibility.CLIENT: "the client",
    Responsibility.BOTH: "both sides",
}
DIRECTION_OF_ROLE = {role: direction for direction, role in ROLE_OF_DIRECTION.items()}


def forecasts_of(tenants: Sequence[Tenant], *, now: datetime) -> dict[int, Forecast]:
    """The forecast of each tenant, by its id, in a constant number of queries."""
    return {
        rows.tenant.pk: forecast_of(forecast_inputs(rows)) for rows in load_rows(tenants, now=now)
    }


def forecast_inputs(rows: TenantRows) -> ForecastInputs:
    """The inputs of one tenant's forecast. Pure."""
    return _Builder(rows).inputs()


def is_expected(task: Task) -> bool:
    """Whether the forecast waits for the task. Optional work counts once it has started."""
    return task.is_open_leaf and not (task.is_optional and task.status == TaskStatus.TODO)


class _Builder:
    """Converts the tasks of one tenant to steps."""

    def __init__(self, rows: TenantRows) -> None:
        self.rows = rows
        self.today = rows.calendar.day_of(rows.now)
        self.by_key = {task.key: task for task in rows.tasks}
        self.leaves = [task for task in rows.tasks if is_expected(task)]
        self.groups = _open_groups(rows.tasks, {task.pk for task in self.leaves})
        self.keys = {task.key for task in [*self.leaves, *self.groups]}
        self.calendars = side_calendars(rows.calendar, rows.mimecast_holidays)

    def inputs(self) -> ForecastInputs:
        # The lockdown and the decommissioning wait for the same caches.
        each = (step for task in self.leaves for step in self._steps_of(task))
        steps = list(dict.fromkeys(each))
        steps += [self._group_step(task) for task in self.groups]
        return ForecastInputs(
            self.today,
            tuple(steps),
            self.calendars,
            tuple(FrozenDays(f.first_day, f.last_day, f.reason) for f in self.rows.freezes),
            tuple(self._assumes()),
        )

    def _assumes(self) -> Iterator[str]:
        left_out = sum(task.is_open_leaf for task in self.rows.tasks) - len(self.leaves)
        if left_out:
            tasks = "1 optional task" if left_out == 1 else f"{left_out} optional tasks"
            yield f"The forecast leaves out {tasks} without a start."

    def _after(self, task: Task) -> tuple[str, ...]:
        found = open_dependencies_of(task, self.by_key)
        return tuple(each.key for each in found if each.key in self.keys)

    def _group_step(self, group: Task) -> ForecastStep:
        children = tuple(
            task.key
            for task in self.rows.tasks
            if task.parent_id == group.pk and task.key in self.keys
        )
        return ForecastStep(group.key, group.title, StepKind.GROUP, after=children)

    def _steps_of(self, task: Task) -> Iterator[ForecastStep]:
        if task.is_timed:
            yield self._wait_step(task)
        elif task.status == TaskStatus.AWAITING_VERIFICATION:
            yield from self._verification_steps(task)
        elif task.role in DIRECTION_OF_ROLE:
            yield from self._cutover_steps(task)
        else:
            yield from self._work_steps(task)

    def _wait_step(self, task: Task) -> ForecastStep:
        after = self._after(task)
        step = ForecastStep(task.key, task.title, StepKind.WAIT, after=after)
        if task.wait_ends_at is not None:
            bound = day_after(task.wait_ends_at, self.rows, self._windows("inbound"))
            text = f"{task.title} end {bound.reason}"
            return replace(step, bounds=(Bound(bound.day, text),), basis="the period has started")
        days = self._agreed_days() if task.wait_days is None else task.wait_days
        return replace(step, days=days, basis=f"{days} agreed days")

    def _agreed_days(self) -> int:
        planned = [c.outbound_days for c in self.rows.cutovers if c.direction == "inbound"]
        return max(planned, default=DEFAULT_DAYS)

    def _verification_steps(self, task: Task) -> Iterator[ForecastStep]:
        """The check, and before it the action of the side that the proof waits for."""
        after = self._after(task)
        asked = self.rows.asked.get(task.pk, "")
        if asked:
            question = f"question:{task.key}"
            yield self._question_step(question, task, asked)
            after = (*after, question)
        elif task.waiting_on:
            action = f"action:{task.key}"
            yield self._proof_action_step(action, task)
            after = (*after, action)
        yield ForecastStep(
            task.key,
            task.title,
            StepKind.WAIT,
            after=after,
            days=1,
            basis="a check verifies it",
            assumes=(f"The forecast assumes that a check verifies “{task.title}” within a day.",),
        )

    def _work_steps(self, task: Task) -> Iterator[ForecastStep]:
        after = self._after(task)
        asked = self.rows.asked.get(task.pk, "")
        if asked:
            question = f"question:{task.key}"
            yield self._question_step(question, task, asked)
            after = (*after, question)
        waits = self._waits_of(task)
        yield from waits.steps
        days, basis, assumes = self._remaining(task, is_asked=bool(asked))
        yield ForecastStep(
            task.key,
            task.title,
            StepKind.WORK,
            remaining_side(task),
            task.assignee.name if task.assignee is not None else "",
            (*after, *(step.key for step in waits.steps)),
            days,
            basis,
            tuple(waits.bounds),
            assumes=(*waits.assumes, *assumes),
        )

    def _proof_action_step(self, key: str, task: Task) -> ForecastStep:
        side = Responsibility(task.waiting_on)
        title = f"Action of {_ACTORS[side]} on “{task.title}”"
        return ForecastStep(
            key,
            title,
            StepKind.WORK,
            side.value,
            days=ACTION_DAYS,
            basis="one working day for the action that the check waits for",
        )

    def _question_step(self, key: str, task: Task, side: str) -> ForecastStep:
        title = f"Answer to the question on “{task.title}”"
        return ForecastStep(
            key, title, StepKind.WORK, side, days=ANSWER_DAYS, basis="one working day for an answer"
        )

    def _waits_of(self, task: Task) -> Waits:
        if task.role not in OLD_ROUTE_SWITCHES:
            return Waits()
        switch = task_with_role(self.leaves, TaskRole.SWITCHES_INBOUND)
        key = switch.key if switch is not None else ""
        return old_route_waits(self.rows, key, OLD_ROUTE_SWITCHES[task.role])

    def _remaining(self, task: Task, *, is_asked: bool) -> tuple[int, str, list[str]]:
        """The working days that are left, their basis, and the unknown facts behind them."""
        usual = self._duration(task)
        assumes = []
        if task.status == TaskStatus.BLOCKED:
            assumes.append(
                f"“{task.title}” is blocked. The forecast assumes that work continues today."
            )
        elapsed = 0 if is_asked else self._elapsed(task)
        if elapsed <= 0 or elapsed < usual.days:
            return usual.days - max(elapsed, 0), _basis(usual, elapsed), assumes
        unit = "1 working day" if elapsed == 1 else f"{elapsed} working days"
        assumes.append(
            f"“{task.title}” has waited for {unit}, longer than usual ({usual.days}). The"
            " forecast assumes one more."
        )
        return 1, f"{usual.basis}; already waits for {unit}", assumes

    def _duration(self, task: Task) -> Duration:
        consultant = self.rows.tenant.consultant_id
        measured = None if task.is_custom else self.rows.samples.of(task.key, consultant)
        return measured or default_duration(task, self.by_key)

    def _elapsed(self, task: Task) -> int:
        """Working days since the task waits for its side; 0 while it waits for neither."""
        if task.waiting_since is None:
            return 0
        calendar = self.calendars[remaining_side(task)]
        return calendar.working_days_from(calendar.day_of(task.waiting_since), self.today)

    def _windows(self, direction: str) -> list[Cutover]:
        """The planned cutovers whose window is not over."""
        return [
            cutover
            for cutover in self.rows.cutovers
            if cutover.direction == direction and window_bounds(cutover)[1] > self.rows.now
        ]

    def _cutover_steps(self, task: Task) -> Iterator[ForecastStep]:
        direction = DIRECTION_OF_ROLE[TaskRole(task.role)].value
        ahead = self._windows(direction)
        waits = (
            self._inbound_waits(task, ahead) if task.role == TaskRole.SWITCHES_INBOUND else Waits()
        )
        if not ahead and any(c.direction == direction for c in self.rows.cutovers):
            waits.assumes.append(
                f"Every {direction} window is over, and “{task.title}” is open. The forecast"
                " assumes a new window."
            )
        yield from waits.steps
        yield ForecastStep(
            task.key,
            task.title,
            StepKind.CUTOVER,
            remaining_side(task),
            task.assignee.name if task.assignee is not None else "",
            (*self._after(task), *(step.key for step in waits.steps)),
            bounds=tuple(waits.bounds),
            windows=tuple(self._window(cutover) for cutover in ahead),
            is_unplanned=bool(self._unplanned(direction)),
            assumes=tuple(waits.assumes),
        )

    def _window(self, cutover: Cutover) -> ForecastWindow:
        day = max(self.rows.calendar.day_of(cutover.planned_at), self.today)
        is_accepted = any(key.startswith("freeze:") for key in cutover.accepted_blockers)
        return ForecastWindow(cutover.public_id, day, ignores_freeze=is_accepted)

    def _unplanned(self, direction: str) -> Sequence[object]:
        rows = self.rows
        return in_none(direction, self.by_key, rows.domains, rows.exempt, rows.cutovers)

    def _inbound_waits(self, switch: Task, ahead: Sequence[Cutover]) -> Waits:
        return inbound_waits(
            self.rows,
            ahead,
            ttl=self._preparation(CheckKind.MX_TTL),
            # A policy delays the domains that switch, also those exempt from its own task.
            policy=replace(
                self._preparation(CheckKind.MTA_STS), exempt_domains=self._exempt_of(switch)
            ),
        )

    def _preparation(self, kind: CheckKind) -> OpenPreparation:
        task = task_verified_by(self.rows.tasks, kind)
        if task is None:
            return OpenPreparation()
        return OpenPreparation(
            task.key if task.key in self.keys else "",
            task.is_skipped,
            self._exempt_of(task),
        )

    def _exempt_of(self, task: Task) -> frozenset[int]:
        return frozenset(domain for each, domain in self.rows.exempt if each == task.pk)


def _basis(usual: Duration, elapsed: int) -> str:
    if elapsed <= 0:
        return usual.basis
    return f"{usual.basis}, less {elapsed} so far"


def _open_groups(tasks: Sequence[Task], open_ids: set[int]) -> list[Task]:
    """The groups with an open task at any depth."""
    parents = {task.pk: task.parent_id for task in tasks}
    found: set[int] = set()
    for pk in open_ids:
        parent = parents.get(pk)
        while parent is not None and parent not in found:
            found.add(parent)
            parent = parents.get(parent)
    return [task for task in tasks if task.pk in found and task.is_group]


def side_calendars(
    client: Calendar, mimecast_holidays: frozenset[date] = frozenset()
) -> Mapping[str, Calendar]:
    """The working days of each side: the tenant's for the client, Monday to Friday for Mimecast.

    A task of both sides needs a day on which both work. If they share no day of the week, the
    tenant's days of the week count.
    """
    mimecast = Calendar(client.zone, holidays=mimecast_holidays)
    both = replace(
        client,
        weekdays=(client.weekdays & mimecast.weekdays) or client.weekdays,
        holidays=client.holidays | mimecast_holidays,
    )
    return {"client": client, "mimecast": mimecast, "both": both}
