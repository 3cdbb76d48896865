"""Reads of a plan's phases and tasks, and the lock that every write of a task needs."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from onboarding.models import (
    EvidenceFile,
    Phase,
    Plan,
    Task,
    TaskFieldValue,
)
from onboarding.plans.task_fields import FieldType, PlanFieldValues
from tenants.models import Tenant


def tasks_of(plan: Plan) -> QuerySet[Task]:
    return Task.objects.filter(plan=plan).select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "status_set_by", "assignee", "sheet"
    )


def phases_of(plan: Plan) -> QuerySet[Phase]:
    return Phase.objects.filter(plan=plan)


def phases_with_tasks(plan: Plan) -> tuple[list[Phase], list[Task]]:
    """The plan's phases and tasks; `task.phase` needs no further query. Two queries."""
    phases = {phase.pk: phase for phase in phases_of(plan)}
    tasks = list(tasks_of(plan))
    for task in tasks:
        task.phase = phases[task.phase_id]
    return list(phases.values()), tasks


def field_values_of(tenant: Tenant, tasks: Sequence[Task]) -> PlanFieldValues:
    """The values of the fields of these tasks. One query, and one more if a field is a file."""
    with_fields = [task for task in tasks if task.fields]
    if not with_fields:
        return PlanFieldValues()
    rows = TaskFieldValue.objects.filter(task__in=with_fields).select_related("changed_by")
    asks_for_file = [
        task
        for task in with_fields
        if any(data["type"] == FieldType.FILE.value for data in task.fields)
    ]
    files = EvidenceFile.objects.filter(task__in=asks_for_file).values_list("task_id", flat=True)
    return PlanFieldValues(
        {(row.task_id, row.key, row.domain_id): row for row in rows},
        frozenset(files) if asks_for_file else frozenset(),
        {"account_code": tenant.account_code},
    )


def lock_tasks(plan_id: int) -> list[Task]:
    """Lock all tasks of the plan, always in one order, and return them as they are now.

    A status depends on other tasks, so every transaction that writes a task locks all of them.
    Each task has its `sheet`, which is not locked: read it again before you rely on its values.
    The lock order is: the tenant or the sheet, the tasks, the activity log, the plan.
    """
    rows = Task.objects.select_for_update(of=("self",)).select_related("sheet")
    return list(rows.filter(plan_id=plan_id).order_by("position"))
