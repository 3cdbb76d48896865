"""The status of a tenant on the dashboard. Pure: the caller fetches the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import strip_tags

from checks.engine.outcomes import Verdict
from checks.models import Check
from checks.templatetags.findings import finding, latest_findings
from onboarding.models import Cutover, Plan, Task, TaskStatus
from onboarding.plans.current_state import TenantState
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.rows import Shape
from onboarding.plans.safe_times import PlanSafeTime
from tenants.models import Tenant


@dataclass(frozen=True)
class TenantStatus:
    """The shape, the text, and the cutover that they concern."""

    shape: Shape
    text: str
    cutover: Cutover | None = None
    # The time that completes the text "Ready from".
    safe_at: datetime | None = None


def tenant_status(
    plan: Plan,
    cutovers: Sequence[Cutover],
    tasks: Sequence[Task],
    state: TenantState,
    failing: Sequence[Check],
    safety: PlanSafeTime | None = None,
    *,
    switched: Collection[int] = (),
    now: datetime,
) -> TenantStatus:
    """The first that applies.

    Closed, done, regressed, failing, drifted, not planned, overdue, waiting or ready.

    `tasks` are the plan's tasks that are neither done nor verified. `failing` are its failing and
    drifted checks. `safety` is the safe time of the next inbound cutover. `switched` are the ids of
    the cutovers whose domains have all switched; they are in the past, even with open follow-up
    tasks.
    """
    if plan.tenant.is_closed:
        return _closed(plan.tenant, state)
    if state.are_tasks_done:
        return TenantStatus(_shape_of_done(state), state.task_headline)
    by_key = {task.key: task for task in tasks}
    open_tasks = [task for task in tasks if task.is_open_leaf]
    roles = {task.role for task in open_tasks}
    ahead = [
        cutover
        for cutover in cutovers
        if ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)] in roles
        and cutover.pk not in switched
    ]
    cutover = ahead[0] if ahead else None
    regressed = [task for task in open_tasks if task.status == TaskStatus.REGRESSED]
    if regressed:
        text = f"{regressed[0].title} regressed{_and_more(regressed)}"
        return TenantStatus(Shape.FAIL, text, cutover)
    if failing:
        return TenantStatus(Shape.FAIL, fault_sentence(failing[0]) + _and_more(failing), cutover)
    if state.drifts:
        # A drift of the region's values belongs to no check.
        return TenantStatus(Shape.FAIL, state.monitoring_headline, cutover)
    if cutover is None:
        return TenantStatus(Shape.TODO, "No cutover planned")
    readiness = _readiness(cutover, by_key, state, now=now)
    if readiness.shape is Shape.PASS and _must_wait(cutover, safety):
        return TenantStatus(Shape.WAITING, "Ready from", cutover, _safe_at(safety))
    return readiness


def _closed(tenant: Tenant, state: TenantState) -> TenantStatus:
    """A closed tenant waits for nothing. Its headline names the problems of the monitoring."""
    if tenant.completed_at is None:
        return TenantStatus(Shape.NOT_APPLICABLE, "Closed before completion")
    label = "Completed, all checks pass" if state.is_clear else f"Completed, but {state.problems}"
    return TenantStatus(_shape_of_done(state), label)


def _shape_of_done(state: TenantState) -> Shape:
    if state.has_fault:
        return Shape.FAIL
    return Shape.PASS if state.is_clear else Shape.UNKNOWN


def _and_more(rows: Sequence[object]) -> str:
    return f" and {len(rows) - 1} more" if len(rows) > 1 else ""


def fault_sentence(check: Check) -> str:
    """The first sentence of the newest finding, with its domain or host.

    A check may pass and be drifted, such as the check of a TTL that was never raised.
    """
    if check.settled.verdict is not Verdict.FAIL:
        return f"{check.subject}: {check.get_kind_display()} drifted"
    return newest_finding(check)


def newest_finding(check: Check) -> str:
    """The first sentence of the newest run's first finding, without a full stop."""
    findings = latest_findings(check)
    if not findings:
        return f"{check.subject}: {check.get_kind_display()} check failed"
    # A full stop inside a name is not followed by a space.
    sentences = " ".join(strip_tags(finding(findings[0])).split()).split(". ")
    sentence = sentences[0].removesuffix(".")
    return sentence if sentence.startswith(str(check.subject)) else f"{check.subject}: {sentence}"


def _must_wait(cutover: Cutover, safety: PlanSafeTime | None) -> bool:
    """Only an inbound cutover waits until caches have dropped the old answer."""
    return cutover.direction == Cutover.Direction.INBOUND and bool(safety and safety.is_ahead)


def _safe_at(safety: PlanSafeTime | None) -> datetime | None:
    return safety.safe_time.safe_at if safety is not None else None


def _readiness(
    cutover: Cutover, by_key: dict[str, Task], state: TenantState, *, now: datetime
) -> TenantStatus:
    role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    task = next(task for task in by_key.values() if task.role == role)
    open_dependencies = [each.title for each in open_dependencies_of(task, by_key)]
    if cutover.planned_at < now:
        return TenantStatus(Shape.FAIL, _overdue(now - cutover.planned_at), cutover)
    if open_dependencies:
        text = f"Waiting on {open_dependencies[0]}{_and_more(open_dependencies)}"
        return TenantStatus(Shape.WAITING, text, cutover)
    if state.unknown:
        checks = "1 check" if state.unknown == 1 else f"{state.unknown} checks"
        return TenantStatus(Shape.UNKNOWN, f"Tasks done; no reliable answer from {checks}", cutover)
    if state.contradicted:
        text = f"Tasks done; {state.last_runs_disagree}"
        return TenantStatus(Shape.UNKNOWN, text, cutover)
    return TenantStatus(Shape.PASS, "Ready", cutover)


def _overdue(delay: timedelta) -> str:
    hours = int(delay.total_seconds()) // 3600
    amount, unit = (hours // 24, "day") if hours >= 24 else (hours, "hour")
    if amount == 0:
        return "Cutover overdue"
    return f"Cutover overdue by {amount} {unit}{'s' if amount > 1 else ''}"
