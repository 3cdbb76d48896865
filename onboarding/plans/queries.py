"""Reads of a plan's phases and tasks, and the lock that every write of a task needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Sum

from checks.expectations import lock_checks
from onboarding.models import (
    EvidenceFile,
    Phase,
    Plan,
    Task,
)
from onboarding.plans.task_fields import FieldType
from tenants.models import Tenant


def revisions_of(tenant_ids: Collection[int]) -> dict[int, int]:
    """The revision of the plan of each of these tenants, by tenant id."""
    rows = Plan.objects.filter(tenant__in=tenant_ids)
    return dict(rows.values_list("tenant_id", "revision"))


def sum_of_revisions() -> int:
    """A number that changes with the revision of any plan."""
    return int(Plan.objects.aggregate(total=Sum("revision", default=0))["total"])


def tasks_of(plan: Plan) -> QuerySet[Task]:
    """The tasks of the plan, each with `has_file`: whether evidence is attached to it."""
    rows = Task.objects.filter(plan=plan).annotate(
        has_file=Exists(EvidenceFile.objects.filter(task=OuterRef("pk")))
    )
    return rows.select_related(
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


def has_file(task: Task) -> bool:
    """Whether a field of the task is a file, and evidence is attached to the task.

    No query for a task that `tasks_of` has read.
    """
    if all(data["type"] != FieldType.FILE.value for data in task.fields):
        return False
    known: bool | None = getattr(task, "has_file", None)
    return task.files.exists() if known is None else known


def lock_tasks(plan_id: int, *, deletes: bool = False) -> list[Task]:
    """Lock all tasks of the plan, always in one order, and return them as they are now.

    A status depends on other tasks, so every transaction that writes a task locks all of them.
    Each task has its `sheet`, which is not locked: read it again before you rely on its values.
    `deletes`: the transaction deletes a task, so new comments and files must wait as well.
    docs/architecture.md has the order of all locks.
    """
    rows = Task.objects.select_for_update(of=("self",), no_key=not deletes).select_related("sheet")
    while True:
        tasks = list(rows.filter(plan_id=plan_id).order_by("position"))
        # PostgreSQL waits for the locks and then returns the rows of the time before: a task that
        # the other transaction inserted is missing. With all locks, no other can be inserted.
        if connection.vendor != "postgresql" or _has_all(tasks, plan_id):
            return tasks


def _has_all(tasks: Sequence[Task], plan_id: int) -> bool:
    present = Task.objects.filter(plan_id=plan_id).order_by().values_list("pk", flat=True)
    return {task.pk for task in tasks}.issuperset(present)


def lock_plan_facts(tenant: Tenant) -> None:
    """Lock the tasks and the checks of the tenant, for a change that both depend on.

    Call it after the lock of the tenant, domain or host, and before the first line of the activity
    log.
    """
    lock_tasks(tenant.plan.pk)
    lock_checks(tenant)
