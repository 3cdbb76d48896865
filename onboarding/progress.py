"""The upper half of the completion seam: a recorded run verifies or reopens tasks."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from checks.models import Check
from onboarding.models import Plan
from onboarding.monitoring import drifts
from onboarding.plans.evaluation import PlanContext, evaluate
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant


def apply_run(check_id: int) -> None:
    """Evaluate the tasks that a check can prove by its settled verdict. Idempotent.

    1. All subjects have settled on a passing verdict: the task is verified.
    2. A subject has settled on FAIL: the task regresses, if a check had verified it.
    3. Any other verdict changes nothing.

    The plan of a closed tenant does not change. A deviation from the baseline is a drift, whether
    the plan is open or closed.
    """
    check = Check.objects.select_related("tenant", "latest").filter(pk=check_id).first()
    plan = Plan.objects.filter(tenant=check.tenant).first() if check is not None else None
    if check is None or plan is None:
        return
    with transaction.atomic():
        is_new_answer = check.latest is not None and check.latest.runs == 1
        is_awaited = check.requested_until is not None and check.requested_until > timezone.now()
        if not _evaluate_tasks(plan, check) and (is_new_answer or is_awaited):
            plan.touch()
    # A separate transaction: it locks the check's row, which others lock before a plan's tasks.
    drifts.update_for_check(check)


def _evaluate_tasks(plan: Plan, check: Check) -> bool:
    """Whether a task changed: then the roll-up has updated open pages."""
    tasks = lock_tasks(plan.pk)
    # Read after the lock: a user who closes the tenant locks the tasks, too.
    if Tenant.objects.filter(pk=plan.tenant_id, closed_at__isnull=False).exists():
        return False
    concerned = [task for task in tasks if check.kind in task.check_kinds and task.applies]
    if not concerned:
        return False
    plan_context = PlanContext.of(check.tenant)
    changed = [
        task
        for task in concerned
        if evaluate(task, plan_context.evidence(task), plan_context.tenant)
    ]
    if changed:
        recompute_rollup(plan, tasks)
    return bool(changed)
