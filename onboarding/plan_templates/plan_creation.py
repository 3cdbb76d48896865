"""Create a tenant's plan from the template, and adapt it to changes of the profile."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from checks.expectations import sync_checks
from checks.models import Check
from onboarding.errors import OnboardingError
from onboarding.models import ManualStatus, Phase, Plan, Task
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plan_templates.template_version import (
    TaskDefinition,
    TemplateVersion,
    applies,
    is_optional,
)
from onboarding.plans.dates import anchors_of, calendar_of, due_on, update_due_dates
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from onboarding.requirements.prefill import prefill_plan
from onboarding.requirements.services import create_sheets
from tenants.activity import lock_chain
from tenants.activity_names import ActivityName
from tenants.models import Tenant
from tenants.retries import repeat_after_conflict
from tenants.services import write_activity


def create_plan(tenant: Tenant) -> Plan:
    """Create the tenant's plan. Tasks that the profile excludes are not applicable.

    Raises OnboardingError if no plan template is stored.
    """
    template = newest_template()
    if template is None:
        raise OnboardingError("No plan template is loaded yet: run manage.py load_templates.")
    template_version = template_version_of(template)
    plan = Plan.objects.create(tenant=tenant, template=template)
    phases = Phase.objects.bulk_create(
        Phase(plan=plan, key=phase.key, position=position, title=phase.title, summary=phase.summary)
        for position, phase in enumerate(template_version.phases)
    )
    _create_tasks(plan, {phase.key: phase for phase in phases}, template_version)
    create_sheets(plan)
    recompute_rollup(plan)
    return plan


def _create_tasks(plan: Plan, phases: dict[str, Phase], template_version: TemplateVersion) -> None:
    """Create groups before their tasks, one generation at a time.

    No check has run and no cutover is planned yet. So the due date, and whether a confirmation
    suffices because no check can verify the task, are known at creation.
    """
    made: dict[str, Task] = {}
    profile = plan.tenant.profile
    plan_context = PlanContext.of(plan.tenant, progress={})
    calendar = calendar_of(plan.tenant)
    anchors = anchors_of(plan, calendar, cutovers=())

    def task_of(position: int, item: TaskDefinition) -> Task:
        applicable, reason = applies(item, profile)
        task = Task(
            plan=plan,
            phase=phases[item.phase],
            parent=made[item.parent] if item.parent else None,
            position=position,
            is_group=item.key in template_version.groups,
            is_optional=is_optional(item, profile),
            applies=applicable,
            not_applicable_reason=reason,
            **task_fields_of(item),
        )
        if applicable and not task.is_group:
            task.due_on = due_on(task, anchors, calendar)
            task.confirmation_suffices = (
                bool(task.check_kinds or task.completed_by)
                and plan_context.evidence(task).is_unverifiable
            )
        return task

    left = list(enumerate(template_version.tasks))
    while left:
        ready = [(n, item) for n, item in left if not item.parent or item.parent in made]
        tasks = Task.objects.bulk_create(task_of(n, item) for n, item in ready)
        made |= {task.key: task for task in tasks}
        left = [(n, item) for n, item in left if item.key not in made]


def task_fields_of(item: TaskDefinition) -> dict[str, Any]:
    """The columns of a task that come from the template."""
    return {
        "key": item.key,
        "role": item.role,
        "title": item.title,
        "plain_title": item.plain_title,
        "instructions": item.do,
        "shown_by": item.shown_by,
        "links": [{"title": link.title, "url": link.url} for link in item.links],
        "responsibility": item.responsibility,
        "responsibility_stated": item.stated,
        "depends_on": list(item.depends_on),
        "check_kinds": list(item.check_kinds),
        "evidence_kinds": list(item.supports),
        "completed_by": [each.as_data() for each in item.completed_by],
        "domain_roles": list(item.domain_roles),
        "fields": [each.as_data() for each in item.fields],
        "planned_cutovers": list(item.planned_cutovers),
        "is_per_domain": item.per_domain,
        "is_hard_gate": item.gate == "hard",
        "due_from": item.due.anchor if item.due else "",
        "due_working_days": item.due.working_days if item.due else 0,
        "wait_after": item.waits.after if item.waits else "",
        "wait_days": item.waits.days if item.waits else None,
    }


def apply_profile(tenant: Tenant) -> list[Check]:
    """Update checks and plan after a change of the profile, a domain, a host or the region.

    Tasks become applicable or not applicable, and lose no confirmation or verification. Returns
    the new checks.
    """
    with transaction.atomic():
        plan = tenant.plan
        lock_tasks(plan.pk)
        added = sync_checks(tenant)
        lock_chain(tenant)
        items = {item.key: item for item in template_version_of(plan.template).tasks}
        for task in Task.objects.filter(plan=plan, is_custom=False, key__in=items):
            if _fit(task, items[task.key], tenant.profile):
                write_activity(
                    tenant, ActivityName.DECLINE_CANCELLED, task=task.title, task_id=task.public_id
                )
        # A new task has no due date yet, and another time zone may change the day.
        update_due_dates(plan)
        reevaluate(plan)
        # A plan that is older than a kind of sheet gets that sheet here.
        create_sheets(plan)
        # In a transaction of its own: locks of sheets come before those of tasks.
        transaction.on_commit(
            lambda: repeat_after_conflict(lambda: prefill_plan(plan)), robust=True
        )
    return added


def _fit(task: Task, item: TaskDefinition, profile: dict[str, object]) -> bool:
    """Apply the profile to the task. Returns whether that cancelled a decline."""
    applicable, reason = applies(item, profile)
    columns = {
        "applies": applicable,
        "not_applicable_reason": reason,
        "is_optional": is_optional(item, profile),
    }
    if all(getattr(task, name) == value for name, value in columns.items()):
        return False
    ended = cleared_decline(task, is_optional=is_optional(item, profile))
    columns |= ended
    for name, value in columns.items():
        setattr(task, name, value)
    task.save(update_fields=list(columns))
    return "manual_status" in ended


def cleared_decline(task: Task, *, is_optional: bool) -> dict[str, Any]:
    """The columns that change when an optional task becomes required.

    A required task cannot be declined, so it opens again, and its undo is cleared.
    """
    if is_optional or not task.is_optional:
        return {}
    if task.manual_status != ManualStatus.DECLINED:
        return {"undo": None}
    return {
        "undo": None,
        "manual_status": ManualStatus.NONE,
        "status_reason": "",
        "status_set_at": None,
        "status_set_by": None,
    }
