"""Load the closing obligations of a plan from the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from checks.engine.outcomes import UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check, Observation
from checks.queries import observations_by_kind
from onboarding.models import AcceptedResidualRisk, Cutover, Task, TaskRole, TaskStatus
from onboarding.plans.closing_obligations import (
    ClosingFacts,
    ClosingObligations,
    InboundDomain,
    closing_obligations,
)
from onboarding.plans.current_verdicts import STALE_AFTER, is_older_than, verdict_now
from onboarding.plans.mx_ttls import lowest_ttl, original_ttl, target_ttl
from onboarding.plans.next_action import contradicting_messages, kinds_that_decide
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import OPENS_BEFORE, with_domains
from onboarding.plans.proof import ProofSubject
from onboarding.plans.safe_times import SWITCH_KINDS, safe_time_of
from onboarding.plans.task_roles import task_with_role
from tenants import database_time
from tenants.models import Tenant


def acceptances_of(tenant: Tenant) -> list[AcceptedResidualRisk]:
    """The acceptances that are not withdrawn."""
    rows = AcceptedResidualRisk.objects.filter(tenant=tenant, withdrawn_at=None)
    return list(rows.select_related("accepted_by"))


def obligations_of(
    tasks: Sequence[Task], plan_context: PlanContext, *, now: datetime | None = None
) -> ClosingObligations:
    """The closing obligations of the plan with these tasks. A constant number of queries."""
    at = now or database_time.now()
    tenant = plan_context.tenant
    facts = ClosingFacts(
        tasks,
        _inbound_domains(tasks, plan_context, now=at),
        _locked_down(tasks, plan_context, now=at),
        plan_context.zone,
        at,
        _contradicted(tasks, plan_context),
    )
    return closing_obligations(facts, acceptances_of(tenant))


def _contradicted(tasks: Iterable[Task], plan_context: PlanContext) -> list[tuple[str, str]]:
    """Each domain once, with the first task that a received message contradicts."""
    found: dict[str, str] = {}
    for task in tasks:
        if not kinds_that_decide(task) & UNVERIFIED_KINDS:
            continue
        supporting = plan_context.evidence(task, task.evidence_kinds)
        for subject in contradicting_messages(task, plan_context.evidence(task), supporting):
            found.setdefault(subject.name, task.title)
    return list(found.items())


def _applicable(tasks: Iterable[Task], role: TaskRole) -> Task | None:
    task = task_with_role(tasks, role)
    if task is None or not task.applies or task.status == TaskStatus.NOT_APPLICABLE:
        return None
    return task


def _locked_down(
    tasks: Iterable[Task], plan_context: PlanContext, *, now: datetime
) -> list[tuple[str, Verdict]]:
    task = _applicable(tasks, TaskRole.LOCKDOWN)
    if task is None:
        return []
    subjects = plan_context.evidence(task, [CheckKind.LOCKDOWN.value]).subjects
    return [(subject.name, verdict_now(subject, now=now)) for subject in subjects]


def _inbound_domains(
    tasks: Iterable[Task], plan_context: PlanContext, *, now: datetime
) -> list[InboundDomain]:
    """Every domain in the scope of the task that switches inbound mail."""
    task = _applicable(tasks, TaskRole.SWITCHES_INBOUND)
    if task is None:
        return []
    history = list(observations_by_kind(plan_context.checks, list(SWITCH_KINDS)))
    opened = _opened_by_domain(task)
    return [
        _inbound_domain(subject, plan_context, history, opened, now=now)
        for subject in plan_context.evidence(task, [CheckKind.MX.value]).subjects
    ]


def _opened_by_domain(task: Task) -> dict[int, datetime]:
    """The opening of each domain's inbound window, by domain id."""
    planned = Cutover.objects.filter(plan=task.plan_id, direction=Cutover.Direction.INBOUND)
    return {
        domain.pk: cutover.planned_at - OPENS_BEFORE
        for cutover in with_domains(planned)
        for domain in cutover.domains.all()
    }


def _inbound_domain(
    subject: ProofSubject,
    plan_context: PlanContext,
    history: Sequence[Observation],
    opened: dict[int, datetime],
    *,
    now: datetime,
) -> InboundDomain:
    check = subject.check
    if check is None:
        reason = "No check of these MX records exists."
        return InboundDomain(subject.name, None, reason, None, target_ttl(0), has_switched=False)
    of_domain = {
        each.pk
        for each in plan_context.checks
        if each.kind in SWITCH_KINDS and each.domain_id == check.domain_id
    }
    before = opened.get(check.domain_id or 0, check.first_verified_at)
    has_switched = check.first_verified_at is not None
    target = target_ttl(original_ttl(check, of_domain, history, before=before))
    if is_older_than(check, STALE_AFTER, now=now):
        reason = "The last check is too old to count."
        return InboundDomain(subject.name, None, reason, None, target, has_switched)
    safe_at = _safe_at(check, history, plan_context)
    reason = "" if safe_at else "Not every name server publishes exactly the new answer."
    ttl = lowest_ttl(check.latest)
    return InboundDomain(subject.name, safe_at, reason, ttl, target, has_switched)


def _safe_at(
    check: Check, history: Iterable[Observation], plan_context: PlanContext
) -> datetime | None:
    own = [each for each in history if each.check_asked_id == check.pk]
    safe_time = safe_time_of(check, own, plan_context.tenant.region_values)
    return safe_time.safe_at if safe_time is not None else None
