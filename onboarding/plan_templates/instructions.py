"""The instructions of a plan's tasks, filled with the values of its tenant."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import Plan, PlanTemplate
from onboarding.plan_templates.registry import template_version_of
from onboarding.plan_templates.runbooks import FilledRunbook, render
from onboarding.plan_templates.schema import Source, TaskDefinition, TemplateVersion
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.rows import TaskRow
from onboarding.plans.tenant_values import TenantValues
from tenants.regions import Region


@dataclass(frozen=True)
class TaskInstructions:
    """The runbooks of a task, the reason why it matters, and the sources of its texts."""

    runbooks: Sequence[FilledRunbook]
    do_sources: Sequence[Source]
    shown_by_sources: Sequence[Source]
    why: str
    why_sources: Sequence[Source]


def instructions_of(
    plan: Plan, rows: Iterable[TaskRow], plan_context: PlanContext, region: Region
) -> dict[int, TaskInstructions]:
    """The instructions of the rows' tasks, by the id of the task; none of a closed tenant.

    A custom task has none.
    One query, and another for the content of a version that this process has not read yet.
    """
    if plan_context.tenant.is_closed:
        return {}
    template_version = _version_of(plan)
    definitions = {task.key: task for task in template_version.tasks}
    values, profile = TenantValues(plan_context, region), plan_context.tenant.profile
    return {
        row.task.pk: _of_task(definitions[row.task.key], template_version, profile, values)
        for row in rows
        if row.task.key in definitions and not row.task.is_custom
    }


def _of_task(
    item: TaskDefinition,
    template_version: TemplateVersion,
    profile: Mapping[str, object],
    values: TenantValues,
) -> TaskInstructions:
    return TaskInstructions(
        runbooks=render(item.runbooks, template_version.sources, profile, values),
        do_sources=_sources_of(item.do_sources, template_version),
        shown_by_sources=_sources_of(item.shown_by_sources, template_version),
        why=item.why,
        why_sources=_sources_of(item.why_sources, template_version),
    )


def _sources_of(keys: Iterable[str], template_version: TemplateVersion) -> list[Source]:
    return [template_version.sources[key] for key in keys]


def _version_of(plan: Plan) -> TemplateVersion:
    loaded_at = PlanTemplate.objects.values_list("loaded_at", flat=True).get(pk=plan.template_id)
    return _read(plan.template_id, loaded_at)


@functools.lru_cache(maxsize=16)
def _read(template_id: int, loaded_at: datetime) -> TemplateVersion:
    """The version as read. Its content never changes, and `loaded_at` distinguishes databases."""
    return template_version_of(PlanTemplate.objects.get(pk=template_id))
