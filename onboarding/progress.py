"""The completion seam's upper half: a recorded run moves the tasks it can prove."""

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
    """Let the tasks that a check can prove follow its settled verdict. Idempotent.

    1. All subjects settled on yes: the task is proven.
    2. A subject settled on FAIL: reopened, if a check had completed it.
    3. Anything else changes nothing.

    The plan of a closed tenant stays as it was closed. What no longer holds since go-live is a
    drift, whether the plan is open or not.
    """
    check = Check.objects.select_related("tenant", "latest").filter(pk=check_id).first()
    plan = Plan.objects.filter(tenant=check.tenant).first() if check is not None else None
    if check is None or plan is None:
        return
    with transaction.atomic():
        moved = _evaluate_tasks(plan, check)
        is_new_answer = check.latest is not None and check.latest.runs == 1
        is_awaited = check.requested_until is not None and check.requested_until > timezone.now()
        if moved or is_new_answer or is_awaited:
            plan.touch()
    # Apart: it holds the check's row, which others hold before a plan's tasks.
    drifts.update_for_check(check)


def _evaluate_tasks(plan: Plan, check: Check) -> bool:
    tasks = lock_tasks(plan.pk)
    # Asked once the tasks are held: whoever closes the case holds them too.
    if Tenant.objects.filter(pk=plan.tenant_id, closed_at__isnull=False).exists():
        return False
    concerned = [task for task in tasks if check.kind in task.check_kinds and task.applies]
    if not concerned:
        return False
    plan_context = PlanContext.of(check.tenant)
    moved = [
        task
        for task in concerned
        if evaluate(task, plan_context.evidence(task), plan_context.tenant)
    ]
    if moved:
        recompute_rollup(plan)
    return bool(moved)
