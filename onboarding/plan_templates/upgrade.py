"""Upgrade a plan to a newer version of its template, after a preview.

Confirmations and verifications remain. A task that the new version drops is deleted only if no
work was done on it. Otherwise it becomes a custom task of the tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Phase, Plan, PlanTemplate, RequirementsSheet, Task, TaskRole
from onboarding.plan_templates.diff import TaskChange, diff, losses
from onboarding.plan_templates.plan_creation import cleared_decline, task_fields_of
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plan_templates.schema import TaskDefinition, TemplateVersion
from onboarding.plan_templates.template_version import applies, is_optional
from onboarding.plans import domain_progress
from onboarding.plans.custom_tasks import is_untouched
from onboarding.plans.dates import update_due_dates
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.queries import lock_tasks
from onboarding.requirements.services import create_sheets
from tenants.activity import lock_chain
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class AddedTask:
    """A task that the plan lacks. `reason`: why it does not apply to this plan."""

    task: TaskDefinition
    reason: str


@dataclass(frozen=True)
class ApplicabilityChange:
    """A task that becomes applicable or not applicable for the tenant's profile."""

    task: Task
    applies: bool
    reason: str


@dataclass(frozen=True)
class PlanChange:
    """The changes that the upgrade makes to one plan."""

    added: tuple[AddedTask, ...]
    dropped: tuple[Task, ...]
    # Tasks that the new version drops. They become custom tasks because of the work on them.
    kept: tuple[Task, ...]
    changed: tuple[TaskChange, ...]
    applicability_changes: tuple[ApplicabilityChange, ...]
    phases: tuple[str, ...]
    lost: tuple[str, ...]


def newer_versions(plan: Plan) -> list[PlanTemplate]:
    """The versions to which the plan can be upgraded, newest first.

    Without the versions of imported tenants: their texts are another client's.
    """
    newer = PlanTemplate.objects.filter(version__gt=plan.template.version, is_imported=False)
    return list(newer.defer("content").select_related("published_by").order_by("-version"))


def version_for_new_plans() -> int:
    newest = newest_template()
    return newest.version if newest is not None else 0


def chosen_version(newer: Sequence[PlanTemplate], wanted: str) -> PlanTemplate | None:
    """The requested version, otherwise the version for new plans, otherwise the newest."""
    for template in newer:
        if str(template.version) == wanted:
            return template
    for_new_plans = version_for_new_plans()
    of_new_plans = [template for template in newer if template.version == for_new_plans]
    return next(iter([*of_new_plans, *newer]), None)


def preview(plan: Plan, target: PlanTemplate) -> PlanChange:
    """The changes of an upgrade. Stores nothing."""
    tasks = list(Task.objects.filter(plan=plan).select_related("phase"))
    return _change_of(plan, tasks, template_version_of(target))


def _change_of(plan: Plan, tasks: Sequence[Task], after: TemplateVersion) -> PlanChange:
    before = template_version_of(plan.template)
    by_key = {task.key: task for task in tasks}
    profile = plan.tenant.profile
    items = {item.key: item for item in after.tasks}
    added = [
        AddedTask(item, applies(item, profile)[1])
        for key, item in items.items()
        if key not in by_key
    ]
    gone = [task for task in tasks if not task.is_custom and task.key not in items]
    untouched = {task.pk for task in gone if is_untouched(task)}
    template_diff = diff(before, after)
    return PlanChange(
        added=tuple(added),
        dropped=tuple(task for task in gone if task.pk in untouched),
        kept=tuple(task for task in gone if task.pk not in untouched),
        changed=tuple(each for each in template_diff.changed if each.task.key in by_key),
        applicability_changes=tuple(_applicability_changes(by_key, items, profile)),
        phases=template_diff.phases,
        lost=tuple(losses(before, after)),
    )


def _applicability_changes(
    by_key: Mapping[str, Task], items: Mapping[str, TaskDefinition], profile: dict[str, object]
) -> list[ApplicabilityChange]:
    found = []
    for key, item in items.items():
        applicable, reason = applies(item, profile)
        if key in by_key and by_key[key].applies != applicable:
            found.append(ApplicabilityChange(by_key[key], applicable, reason))
    return found


def upgrade_plan(plan: Plan, target: PlanTemplate, *, expected: int, by: User) -> PlanChange:
    """Upgrade the plan to the version. Returns the changes.

    `expected` is the plan's version at the preview. Raises ConflictingChange if it has changed.
    """
    with transaction.atomic():
        # Lock the sheets: a row must not be written into a sheet that is deleted with its task.
        list(
            RequirementsSheet.objects.select_for_update(of=("self",))
            .filter(task__plan=plan)
            .order_by("pk")
        )
        lock_tasks(plan.pk, deletes=True)
        locked = Plan.objects.select_related("template", "tenant").get(pk=plan.pk)
        lock_chain(locked.tenant)
        if locked.template.version != expected:
            raise ConflictingChange(
                f"This plan has been upgraded to version {locked.template.version}. Nothing was"
                " changed."
            )
        if target.version <= expected:
            raise OnboardingError("A plan can only be upgraded to a newer version of its template.")
        tasks = list(Task.objects.filter(plan=locked).select_related("phase"))
        after = template_version_of(target)
        change = _change_of(locked, tasks, after)
        _rebuild(locked, tasks, change, after)
        locked.template = target
        locked.save(update_fields=["template"])
        update_due_dates(locked)
        create_sheets(locked)
        write_activity(
            locked.tenant,
            ActivityName.PLAN_UPGRADED,
            by=by,
            before=expected,
            after=target.version,
            added=[coming.task.title for coming in change.added],
            dropped=[task.title for task in change.dropped],
            kept=[task.title for task in change.kept],
        )
        reevaluate(locked)
    return change


# --- Rebuilding


def _rebuild(plan: Plan, tasks: Sequence[Task], change: PlanChange, after: TemplateVersion) -> None:
    phases = _sync_phases(plan, after)
    _release_roles(plan, after)
    by_key = {task.key: task for task in tasks}
    for item in after.tasks:
        by_key[item.key] = _sync_task(plan, by_key, item, phases, after)
    kept = [task.pk for task in change.kept]
    Task.objects.filter(pk__in=kept).update(is_custom=True, parent=None, is_group=False)
    # Their child tasks have other parents by now, so the deletion does not cascade to them.
    Task.objects.filter(pk__in=[task.pk for task in change.dropped]).delete()
    _put_in_order(plan, after)


def _release_roles(plan: Plan, after: TemplateVersion) -> None:
    """Clear the roles that the version gives to other tasks: a role has one task at a time."""
    for item in after.tasks:
        if item.role and TaskRole(item.role).is_unique:
            others = Task.objects.filter(plan=plan, role=item.role).exclude(key=item.key)
            others.update(role="")


def _sync_phases(plan: Plan, after: TemplateVersion) -> dict[str, Phase]:
    """The version's phases in its order. Other phases of the plan follow for now."""
    wanted = [phase.key for phase in after.phases]
    others = Phase.objects.filter(plan=plan).exclude(key__in=wanted)
    for position, phase in enumerate(others, start=len(wanted)):
        Phase.objects.filter(pk=phase.pk).update(position=position)
    return {
        phase.key: Phase.objects.update_or_create(
            plan=plan,
            key=phase.key,
            defaults={"position": position, "title": phase.title, "summary": phase.summary},
        )[0]
        for position, phase in enumerate(after.phases)
    }


def _sync_task(
    plan: Plan,
    by_key: Mapping[str, Task],
    item: TaskDefinition,
    phases: Mapping[str, Phase],
    after: TemplateVersion,
) -> Task:
    profile = plan.tenant.profile
    applicable, reason = applies(item, profile)
    columns: dict[str, Any] = {
        **task_fields_of(item),
        "phase": phases[item.phase],
        "parent": by_key[item.parent] if item.parent else None,
        "is_group": item.key in after.groups,
        "is_optional": is_optional(item, profile),
        "is_custom": False,
        "applies": applicable,
        "not_applicable_reason": reason,
    }
    task = by_key.get(item.key)
    if task is None:
        return Task.objects.create(plan=plan, position=0, **columns)
    if not item.stated and not task.responsibility_stated:
        # The tenant's choice, where the article states no side.
        columns["responsibility"] = task.responsibility
    columns |= cleared_decline(task, is_optional=is_optional(item, profile))
    was_per_domain = task.is_per_domain
    if item.per_domain != was_per_domain:
        # The undo is for the former kind of task, per domain or not.
        columns["undo"] = None
    for name, value in columns.items():
        setattr(task, name, value)
    task.save(update_fields=list(columns))
    if task.is_per_domain and not was_per_domain:
        _copy_confirmations(plan, task)
    return task


def _copy_confirmations(plan: Plan, task: Task) -> None:
    """Copy the confirmations of a task to its domains when it becomes per domain."""
    scope = domain_progress.in_scope(
        task, plan.tenant.domains.all(), domain_progress.exempt_pairs(plan.tenant)
    )
    rows = {row.domain_id: row for row in task.domain_progress.all()}
    for side in domain_progress.SIDES:
        at = getattr(task, f"{side}_confirmed_at")
        if at is not None:
            by = getattr(task, f"{side}_confirmed_by")
            rows = domain_progress.set_confirmations(task, scope, rows, side=side, at=at, by=by)


def _put_in_order(plan: Plan, after: TemplateVersion) -> None:
    """Order the tasks as in the version, with custom tasks last in each phase."""
    at = {item.key: number for number, item in enumerate(after.tasks)}
    rows = Task.objects.filter(plan=plan).select_related("phase")
    in_order = sorted(
        rows,
        key=lambda task: (
            task.phase.position,
            task.is_custom,
            task.position if task.is_custom else at[task.key],
        ),
    )
    for position, task in enumerate(in_order):
        if task.position != position:
            Task.objects.filter(pk=task.pk).update(position=position)
    Phase.objects.filter(plan=plan, tasks__isnull=True).delete()
