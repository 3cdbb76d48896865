"""The sides that have to act on confirmed tasks, for the roll-up."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.outcomes import UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Plan, Task
from onboarding.plans.next_action import kinds_that_decide, proof_action
from onboarding.plans.plan_context import PlanContext


def required_sides(plan: Plan, tasks: Sequence[Task]) -> dict[int, str]:
    """The side to act on each confirmed task that waits for a proof, by task id.

    The side is empty while a check decides. Complete tasks are listed only while a received message
    contradicts them. No query without such a task; at most seven otherwise.
    """
    concerned = [task for task in tasks if kinds_that_decide(task)]
    if any(task.is_complete for task in concerned) and not _has_failing_text(plan):
        concerned = [task for task in concerned if not task.is_complete]
    if not concerned:
        return {}
    # The MX switch decides whether a received message contradicts a task.
    kinds = {
        kind
        for task in concerned
        for kind in (*task.check_kinds, *task.evidence_kinds, *task.source_kinds)
    }
    plan_context = PlanContext.of(plan.tenant, kinds={*kinds, CheckKind.MX.value})
    found = {}
    for task in concerned:
        supporting = plan_context.evidence(task, task.evidence_kinds)
        action = proof_action(task, plan_context.evidence(task), supporting)
        if action is not None:
            found[task.pk] = action.side
    return found


def _has_failing_text(plan: Plan) -> bool:
    """Whether a message was a fault. A newer one need not end the contradiction."""
    checks = Check.objects.filter(tenant=plan.tenant_id, is_active=True, kind__in=UNVERIFIED_KINDS)
    rows = Observation.objects.filter(check_asked__in=checks, verdict=Verdict.FAIL.value)
    return rows.exists()
