"""The facts that a confirmation requires, and the tasks that open again without them.

A confirmed task requires its facts for as long as it is done: the values of its fields, the facts
of other pages, and the planned cutovers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import transaction

from onboarding.models import Plan, Task, TaskStatus
from onboarding.plans.confirmations import is_confirmed_by_sign_off
from onboarding.plans.domain_progress import CONFIRMATION_FIELDS, exempt_pairs
from onboarding.plans.planned_cutovers import unplanned_for, unplanned_refusal
from onboarding.plans.queries import has_file, lock_tasks
from onboarding.plans.rollup import own_status, recompute_rollup
from onboarding.plans.task_fields import (
    FieldRow,
    FieldType,
    has_fields,
    is_asked_per_domain,
    missing_refusal,
    rows_for,
    today_for,
)
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant
from tenants.services import write_activity

_CONFIRMED = (TaskStatus.DONE, TaskStatus.AWAITING_VERIFICATION)


def field_rows_of(
    task: Task, tenant: Tenant, *, scope: Sequence[Domain] | None = None
) -> tuple[FieldRow, ...]:
    """The fields of one task with their values, without the exempt domains.

    `scope` are these domains of a task that is done for each domain, if the caller has them.
    """
    if not has_fields(task, tenant):
        return ()
    domains: Sequence[Domain] = ()
    if task.is_per_domain and scope is not None:
        domains = scope
    elif is_asked_per_domain(task):
        exempt = exempt_pairs(tenant)
        domains = [d for d in tenant.domains.all() if (task.pk, d.pk) not in exempt]
    return rows_for(task, tenant, domains, has_file=has_file(task), today=today_for(tenant))


def unplanned_cutovers_of(task: Task, tasks: Sequence[Task], plan: Plan) -> tuple[str, ...]:
    """The directions whose cutover the confirmation of the task requires, and which has none."""
    if not task.planned_cutovers:
        return ()
    planned = set(plan.cutovers.values_list("direction", flat=True))
    return unplanned_for(task, tasks, planned)


def reopen_without_facts(plan: Plan) -> None:
    """Open the confirmed tasks again whose facts are missing now. Idempotent.

    The plan of a closed tenant does not change.
    """
    if plan.tenant.is_closed:
        return
    with transaction.atomic():
        tasks = lock_tasks(plan.pk)
        if withdraw_without_facts(plan, tasks):
            recompute_rollup(plan, tasks)


def withdraw_without_facts(plan: Plan, tasks: Sequence[Task]) -> bool:
    """Withdraw the confirmations of the tasks whose facts are missing, with an activity line each.

    The tasks are locked. Their statuses follow with the next roll-up. Returns whether any changed.
    """
    found = list(_without_facts(plan, tasks))
    for task, sentence in found:
        before = task.status
        for name in CONFIRMATION_FIELDS:
            setattr(task, name, None)
        task.undo = None
        task.save(update_fields=[*CONFIRMATION_FIELDS, "undo"])
        write_activity(
            plan.tenant,
            ActivityName.TASK_FACTS_MISSING,
            task=task.title,
            task_id=task.public_id,
            missing=sentence,
            before=before,
            after=own_status(task).value,
        )
    return bool(found)


def _without_facts(plan: Plan, tasks: Sequence[Task]) -> Iterator[tuple[Task, str]]:
    """Each confirmed task without a fact, with the sentence that names the fact.

    A sign-off is withdrawn on its sheet, and the domains of a per-domain task open it themselves.
    """
    for task in tasks:
        is_asked = bool(task.fields or task.planned_cutovers)
        if not is_asked or not task.applies or task.status not in _CONFIRMED or task.is_per_domain:
            continue
        lost = [row for row in field_rows_of(task, plan.tenant) if _is_lost(task, row)]
        unplanned = unplanned_cutovers_of(task, tasks, plan)
        sentence = missing_refusal(lost) or unplanned_refusal(unplanned)
        if sentence and not is_confirmed_by_sign_off(task):
            yield task, sentence


def _is_lost(task: Task, row: FieldRow) -> bool:
    """Whether a required value is missing that the confirmation can have had.

    The form of a confirmed task clears no value: without any, the task is older than the field. A
    new domain needs a value of its own.
    """
    if not row.is_missing:
        return False
    if row.definition.type is FieldType.FACT:
        return True
    key = f"{row.definition.key}."
    return row.domain is not None and any(name.startswith(key) for name in task.field_values)
