"""The instructions of a plan's tasks, filled with the values of its tenant."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import Plan, PlanTemplate
from onboarding.plan_templates.registry import template_version_of
from onboarding.plan_templates.runbooks import FilledRunbook, render
from onboarding.plan_templates.schema import Source, TemplateVersion
from onboarding.plans.evaluation import PlanContext
from onboarding.plans.rows import TaskRow
from onboarding.plans.tenant_values import TenantValues
from tenants.regions import Region


@dataclass(frozen=True)
class TaskInstructions:
    """The runbooks of a task, and the sources of its instructions and of its criteria."""

    runbooks: Sequence[FilledRunbook]
    do_sources: Sequence[Source]
    shown_by_sources: Sequence[Source]


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
        row.task.pk: TaskInstructions(
            render(definitions[row.task.key].runbooks, template_version.sources, profile, values),
            _sources_of(definitions[row.task.key].do_sources, template_version),
            _sources_of(definitions[row.task.key].shown_by_sources, template_version),
        )
        for row in rows
        if row.task.key in definitions and not row.task.is_custom
    }


def _sources_of(keys: Iterable[str], template_version: TemplateVersion) -> list[Source]:
    return [template_version.sources[key] for key in keys]


def _version_of(plan: Plan) -> TemplateVersion:
    loaded_at = PlanTemplate.objects.values_list("loaded_at", flat=True).get(pk=plan.template_id)
    return _read(plan.template_id, loaded_at)


@functools.lru_cache(maxsize=16)
def _read(template_id: int, loaded_at: datetime) -> TemplateVersion:
    """The version as read. Its content never changes, and `loaded_at` distinguishes databases."""
    return template_version_of(PlanTemplate.objects.get(pk=template_id))
