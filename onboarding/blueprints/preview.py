"""What a plan would hold for one profile: which steps, which not and why, and when each is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from onboarding.blueprints.blueprint import applies, is_optional
from onboarding.blueprints.parts import Blueprint, PhaseBlueprint, TaskBlueprint
from onboarding.blueprints.words import due_words
from onboarding.plans.dates import Anchors, anchors_of, calendar_of
from onboarding.plans.worktime import Calendar
from tenants.models import Tenant


@dataclass(frozen=True)
class PreviewRow:
    """One step; `because` says why it does not apply, `due` when it is due, in words."""

    task: TaskBlueprint
    applies: bool
    because: str
    is_optional: bool
    due: str
    due_on: date | None


@dataclass(frozen=True)
class PreviewPhase:
    phase: PhaseBlueprint
    rows: tuple[PreviewRow, ...]

    @property
    def applying(self) -> int:
        return sum(row.applies for row in self.rows)


@dataclass(frozen=True)
class Preview:
    phases: tuple[PreviewPhase, ...]

    @property
    def applying(self) -> int:
        return sum(phase.applying for phase in self.phases)

    @property
    def left_out(self) -> int:
        return sum(len(phase.rows) for phase in self.phases) - self.applying


def preview_for(blueprint: Blueprint, tenant: Tenant) -> Preview:
    """For a tenant as it is: with the days that its plan's start and cutovers make of it."""
    calendar = calendar_of(tenant)
    anchors = anchors_of(tenant.plan, calendar, tenant.plan.cutovers.all())
    return preview_of(blueprint, tenant.profile, anchors, calendar)


def preview_of(
    blueprint: Blueprint,
    profile: Mapping[str, object],
    anchors: Anchors | None = None,
    calendar: Calendar | None = None,
) -> Preview:
    """Pure. Without anchors, due days are said in words alone."""

    def row(task: TaskBlueprint) -> PreviewRow:
        applicable, because = applies(task, profile)
        return PreviewRow(
            task,
            applicable,
            because,
            is_optional(task, profile),
            due_words(task.due) if task.due else "",
            _due_on(task, anchors, calendar),
        )

    return Preview(
        tuple(
            PreviewPhase(phase, tuple(row(task) for task in phase.tasks))
            for phase in blueprint.phases
        )
    )


def _due_on(task: TaskBlueprint, anchors: Anchors | None, calendar: Calendar | None) -> date | None:
    if task.due is None or anchors is None or calendar is None:
        return None
    anchor = anchors.of(task.due.anchor, task.due.working_days)
    return None if anchor is None else calendar.shift(anchor, task.due.working_days)
