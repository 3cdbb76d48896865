"""The what-if of a forecast: another profile or cutover date, or a task done on a day. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from onboarding.models import Cutover, Task, TaskStatus
from onboarding.plan_templates.schema import TaskDefinition
from onboarding.plan_templates.template_version import applies, is_optional
from onboarding.plans.forecast import (
    Forecast,
    ForecastInputs,
    ForecastWindow,
    forecast_of,
    with_done,
    with_windows,
)
from onboarding.plans.forecast_inputs import forecast_inputs
from onboarding.plans.forecast_sources import TenantRows
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.statuses import group_status
from onboarding.plans.task_roles import task_with_role


@dataclass(frozen=True)
class ForecastChange:
    """The changes of a what-if. `profile` has the changed values only; `cutover_days` the day of
    each changed direction; `task` is the key of a step."""

    profile: Mapping[str, object] = field(default_factory=dict)
    cutover_days: Mapping[str, date] = field(default_factory=dict)
    task: str = ""
    done_on: date | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.profile or self.cutover_days or self.task)


@dataclass(frozen=True)
class WhatIf:
    """The forecast of a what-if, and its difference from the current one in working days.

    A positive difference is later. `added` and `removed` are titles of tasks.
    """

    forecast: Forecast
    later_days: int
    added: Sequence[str]
    removed: Sequence[str]

    @property
    def difference(self) -> str:
        """The difference from the current forecast as text."""
        days = abs(self.later_days)
        unit = "1 working day" if days == 1 else f"{days} working days"
        if days == 0:
            return "the same day as today’s forecast"
        return f"{unit} {'later' if self.later_days > 0 else 'earlier'} than today’s forecast"


def what_if(
    rows: TenantRows,
    definitions: Mapping[str, TaskDefinition],
    change: ForecastChange,
    current: Forecast,
) -> WhatIf:
    """The forecast of the tenant with these changes. Nothing is stored."""
    tasks = _with_profile(rows, definitions, change.profile) if change.profile else rows.tasks
    inputs = forecast_inputs(replace(rows, tasks=tasks))
    for direction, day in change.cutover_days.items():
        inputs = _with_cutover(inputs, tasks, direction, day)
    if change.task and change.done_on is not None:
        inputs = with_done(inputs, change.task, change.done_on)
    found = forecast_of(inputs)
    calendar = inputs.calendars["both"]
    before = {task.key for task in rows.tasks if task.applies}
    after = {task.key for task in tasks if task.applies}
    return WhatIf(
        found,
        calendar.working_days_from(current.finish, found.finish),
        [task.title for task in tasks if task.key in after - before],
        [task.title for task in tasks if task.key in before - after],
    )


def _with_cutover(
    inputs: ForecastInputs, tasks: Sequence[Task], direction: str, day: date
) -> ForecastInputs:
    """The inputs with one window of the direction, on that day."""
    task = task_with_role(tasks, ROLE_OF_DIRECTION[Cutover.Direction(direction)])
    if task is None:
        return inputs
    window = ForecastWindow(f"what-if:{direction}", day)
    return with_windows(inputs, task.key, [window], is_unplanned=False)


def _with_profile(
    rows: TenantRows, definitions: Mapping[str, TaskDefinition], changed: Mapping[str, object]
) -> list[Task]:
    """Copies of the tasks as the plan would have them with the changed profile."""
    profile = {**rows.tenant.profile, **changed}
    tasks = [_with_definition(task, definitions.get(task.key), profile) for task in rows.tasks]
    # Sub-tasks follow their group in the plan's order, so the last group is computed first.
    for task in reversed(tasks):
        if task.is_group:
            children = [TaskStatus(each.status) for each in tasks if each.parent_id == task.pk]
            task.status = group_status(children, applies=task.applies)
    return tasks


def _with_definition(
    task: Task, definition: TaskDefinition | None, profile: Mapping[str, object]
) -> Task:
    changed = copy.copy(task)
    if definition is None or task.is_custom:
        return changed
    changed.applies, _ = applies(definition, profile)
    changed.is_optional = is_optional(definition, profile)
    if not changed.applies:
        changed.status = TaskStatus.NOT_APPLICABLE
    elif not task.applies:
        changed.status = TaskStatus.TODO
    return changed
