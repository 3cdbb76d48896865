"""The upper half of the completion seam: recorded runs verify or reopen tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from checks import reactions
from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import Plan, Task
from onboarding.monitoring import drifts
from onboarding.plans.evaluation import evaluate
from onboarding.plans.next_action import kinds_that_decide
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import can_change
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.safe_times import OLD_ROUTE_SWITCHES
from tenants import database_time
from tenants.models import Tenant


def apply_runs(tenant_id: int, check_ids: Sequence[int]) -> None:
    """Evaluate the tasks that these checks of one tenant can prove, once for all. Idempotent.

    1. All subjects have settled on a passing verdict: the task is verified.
    2. A subject has settled on FAIL: the task regresses, if a check had verified it.
    3. Any other verdict changes nothing.

    Only checks whose answer or settled verdict is new are evaluated. The plan of a closed tenant
    does not change. A deviation from the baseline is a drift, whether the plan is open or closed.
    Drifts that depend on the time alone follow by the beat (onboarding.monitoring.tasks).
    """
    checks = _checks_of(tenant_id, check_ids)
    plan = Plan.objects.select_related("tenant").filter(tenant=tenant_id).first()
    if plan is not None:
        changed = [check for check in checks if check.unevaluated_since is not None]
        now = database_time.now()
        awaited = [check for check in checks if _is_awaited(check, now)]
        if changed or awaited:
            with transaction.atomic():
                if not _evaluate_tasks(plan, changed, awaited):
                    plan.touch()
        # A separate transaction: it locks a check's row, which others lock before a plan's tasks.
        drifts.update_for_checks(plan.tenant, checks)
    reactions.mark_evaluated(checks)


def _is_awaited(check: Check, now: datetime) -> bool:
    """Whether a person waits for the run: after a request, or with a submitted message."""
    is_requested = check.requested_until is not None and check.requested_until > now
    return is_requested or check.needs_message


def _checks_of(tenant_id: int, check_ids: Sequence[int]) -> list[Check]:
    rows = Check.objects.filter(tenant=tenant_id, pk__in=check_ids).order_by("pk")
    return list(rows.select_related("domain", "host").defer("expectation"))


def _evaluate_tasks(plan: Plan, changed: Sequence[Check], awaited: Sequence[Check]) -> bool:
    """Whether the roll-up has updated open pages, because a task changed or can change its side.

    After a confirmation, a run with an unchanged answer can contradict it. A message that is judged
    is no longer pending. Both change the side that has to act, and no verdict.
    """
    tasks = lock_tasks(plan.pk)
    # Read after the lock: a user who closes the tenant locks the tasks, too.
    if Tenant.objects.filter(pk=plan.tenant_id, closed_at__isnull=False).exists():
        return False
    concerned = [task for task in tasks if task.applies and can_change(task, plan.tenant, changed)]
    kinds_of_runs = {check.kind for check in (*changed, *awaited)}
    is_next = any(_kinds_of_side(task) & kinds_of_runs for task in tasks)
    done = _evaluated(plan, concerned) if concerned else []
    if done or is_next:
        recompute_rollup(plan, tasks)
    return bool(done) or is_next


def _kinds_of_side(task: Task) -> frozenset[str]:
    """The kinds of checks whose runs can change the side to act. MX leaves a safe time unknown."""
    ends_route = task.role in OLD_ROUTE_SWITCHES and task.is_open_leaf
    return kinds_that_decide(task) | ({CheckKind.MX.value} if ends_route else set())


def _evaluated(plan: Plan, concerned: Sequence[Task]) -> list[Task]:
    """The tasks that changed."""
    kinds = {CheckKind.MX.value}
    for task in concerned:
        kinds |= {*task.check_kinds, *task.source_kinds}
    plan_context = PlanContext.of(plan.tenant, kinds=kinds)
    return [
        task
        for task in concerned
        if evaluate(task, plan_context.evidence(task), plan_context.tenant)
    ]
