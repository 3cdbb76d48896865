"""Preview a plan for one profile: the tasks that apply, the reasons for others, the due dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from onboarding.plan_templates.descriptions import describe_due
from onboarding.plan_templates.schema import PhaseDefinition, TaskDefinition, TemplateVersion
from onboarding.plan_templates.template_version import applies, is_optional
from onboarding.plans.business_time import Calendar
from onboarding.plans.dates import Anchors, anchors_of, calendar_of
from tenants.models import Tenant


@dataclass(frozen=True)
class PreviewRow:
    """One task. `reason`: why it does not apply. `due`: its due rule as text."""

    task: TaskDefinition
    applies: bool
    reason: str
    is_optional: bool
    due: str
    due_on: date | None


@dataclass(frozen=True)
class PreviewPhase:
    phase: PhaseDefinition
    rows: tuple[PreviewRow, ...]

    @property
    def applicable_count(self) -> int:
        return sum(row.applies for row in self.rows)


@dataclass(frozen=True)
class Preview:
    phases: tuple[PreviewPhase, ...]

    @property
    def applicable_count(self) -> int:
        return sum(phase.applicable_count for phase in self.phases)

    @property
    def not_applicable_count(self) -> int:
        return sum(len(phase.rows) for phase in self.phases) - self.applicable_count


def preview_for(template_version: TemplateVersion, tenant: Tenant) -> Preview:
    """The preview for a tenant, with due dates from its plan's start and its cutovers."""
    calendar = calendar_of(tenant)
    anchors = anchors_of(tenant.plan, calendar, tenant.plan.cutovers.all())
    return preview_of(template_version, tenant.profile, anchors, calendar)


def preview_of(
    template_version: TemplateVersion,
    profile: Mapping[str, object],
    anchors: Anchors | None = None,
    calendar: Calendar | None = None,
) -> Preview:
    """The preview for a profile. Pure. Without anchors, rows have no due dates."""

    def row(task: TaskDefinition) -> PreviewRow:
        applicable, reason = applies(task, profile)
        return PreviewRow(
            task,
            applicable,
            reason,
            is_optional(task, profile),
            describe_due(task.due) if task.due else "",
            _due_on(task, anchors, calendar),
        )

    return Preview(
        tuple(
            PreviewPhase(phase, tuple(row(task) for task in phase.tasks))
            for phase in template_version.phases
        )
    )


def _due_on(
    task: TaskDefinition, anchors: Anchors | None, calendar: Calendar | None
) -> date | None:
    if task.due is None or anchors is None or calendar is None:
        return None
    anchor = anchors.of(task.due.anchor, task.due.working_days)
    return None if anchor is None else calendar.shift(anchor, task.due.working_days)
