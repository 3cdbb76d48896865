"""The checks of a task, and a confirmation that runs them."""

from __future__ import annotations

from django.db.models import QuerySet

from checks.models import Check
from checks.run_requests import may_run_now
from checks.tasks import run_now
from onboarding.models import COMPLETE_STATUSES, Task
from onboarding.plans.proof import checks_of_kinds
from onboarding.plans.services import confirm_task
from onboarding.plans.tasks import queue_related_runs
from tenants.models import Tenant, User


def checks_of_task(task: Task, tenant: Tenant) -> QuerySet[Check]:
    """The checks that verify or support the task. No query for a task without checks."""
    kinds = [*task.check_kinds, *task.evidence_kinds]
    return checks_of_kinds(task, kinds, tenant) if kinds else Check.objects.none()


def confirm_and_check(
    task: Task, tenant: Tenant, *, by: User, side: str, expected: str = ""
) -> None:
    """Confirm the whole task, and run its checks at once, within the limit on runs.

    The proof then follows the confirmation without a delay, and a related check does not contradict
    the confirmation with an answer from before it. Raises the errors of `confirm_task`.
    """
    status = confirm_task(task, by=by, side=side, expected=expected)
    if not (task.check_kinds or task.evidence_kinds) or not may_run_now(by):
        return
    if status not in COMPLETE_STATUSES and task.check_kinds:
        run_now(checks_of_task(task, tenant))
    elif task.evidence_kinds:
        queue_related_runs(task)
