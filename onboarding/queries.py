"""Reads of plans, with what their pages need already joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.models import (
    COMPLETE,
    Cutover,
    CutoverDomain,
    DomainPart,
    Drift,
    Phase,
    Plan,
    Task,
)
from onboarding.plans.scopes import TASK_OF_DIRECTION
from tenants.models import Tenant


def tasks_of(plan: Plan) -> QuerySet[Task]:
    return Task.objects.filter(plan=plan).select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "marked_by", "assignee", "sheet"
    )


def phases_of(plan: Plan) -> QuerySet[Phase]:
    return Phase.objects.filter(plan=plan)


def phases_with_tasks(plan: Plan) -> tuple[list[Phase], list[Task]]:
    """A plan's phases and its tasks, each of which has its phase at hand. Two queries."""
    phases = {phase.pk: phase for phase in phases_of(plan)}
    tasks = list(tasks_of(plan))
    for task in tasks:
        task.phase = phases[task.phase_id]
    return list(phases.values()), tasks


def with_domains(cutovers: QuerySet[Cutover]) -> QuerySet[Cutover]:
    """Cutovers in the order of their windows, each with its domains."""
    return cutovers.order_by("planned_at", "pk").prefetch_related("domains")


def switched(cutovers: QuerySet[Cutover]) -> QuerySet[Cutover]:
    """Those whose domains have all switched, as far as can be known: MX proven; for outbound a
    message proven, or the client's word where no message can be asked for."""
    yes = Check.objects.filter(
        domain=OuterRef("domain"),
        is_active=True,
        settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value],
    )
    messages = Check.objects.filter(
        domain=OuterRef("domain"), is_active=True, kind=Kind.MESSAGE.value
    )
    said = DomainPart.objects.filter(
        domain=OuterRef("domain"),
        task__key=TASK_OF_DIRECTION[Cutover.Direction.OUTBOUND],
        client_confirmed_at__isnull=False,
    )
    by_mx = Q(direction=Cutover.Direction.INBOUND) & Q(Exists(yes.filter(kind=Kind.MX.value)))
    by_message = Q(Exists(yes.filter(kind=Kind.MESSAGE.value)))
    by_word = ~Q(Exists(messages)) & Q(Exists(said))
    outbound = Q(direction=Cutover.Direction.OUTBOUND) & (by_message | by_word)
    chosen = CutoverDomain.objects.filter(cutover=OuterRef("pk"))
    return cutovers.filter(Exists(chosen), ~Exists(chosen.exclude(by_mx | outbound)))


def with_plans(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Tenants as a list shows them: plan, phases, planned cutovers and the number of domains."""
    return tenants.select_related("plan", "consultant").prefetch_related(
        Prefetch("plan__phases", queryset=Phase.objects.order_by("position")),
        Prefetch("plan__cutovers", queryset=with_domains(Cutover.objects.all())),
        "domains",
    )


@dataclass(frozen=True)
class CheckCounts:
    """A tenant's checks by standing."""

    passing: int = 0
    failing: int = 0
    unknown: int = 0


def check_counts(tenants: Sequence[Tenant]) -> dict[int, CheckCounts]:
    """One query for any number of tenants. A check is unknown while nothing about it is settled
    or its last look could not tell. A message that told nothing leaves nobody in the dark."""
    could_not_tell = Q(latest__verdict=Verdict.UNKNOWN.value) & ~Q(kind=Kind.MESSAGE.value)
    settled_yes = Q(settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value])
    rows = (
        Check.objects.filter(tenant__in=tenants, is_active=True)
        .values("tenant_id")
        .annotate(
            passing=Count("pk", filter=settled_yes & ~could_not_tell),
            failing=Count("pk", filter=Q(is_at_fault=True) & ~could_not_tell),
            unknown=Count("pk", filter=could_not_tell),
        )
    )
    return {
        row["tenant_id"]: CheckCounts(row["passing"], row["failing"], row["unknown"])
        for row in rows
    }


def drift_counts(tenants: Sequence[Tenant]) -> dict[int, int]:
    """How many drifts each tenant has open."""
    rows = Drift.objects.filter(tenant__in=tenants, closed_at=None).values("tenant_id")
    return dict(rows.annotate(number=Count("pk")).values_list("tenant_id", "number"))


def failing_checks(tenants: Sequence[Tenant]) -> QuerySet[Check]:
    return (
        Check.objects.filter(tenant__in=tenants, is_active=True, is_at_fault=True)
        .select_related("domain", "host", "latest", "tenant")
        .order_by("tenant__name", "kind")
    )


def broken_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    return (
        Task.objects.filter(plan__tenant__in=tenants, state="broken")
        .select_related("plan__tenant", "phase")
        .order_by("-state_since")
    )


def open_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    """Tasks that apply and are not complete, groups left out, in each plan's order."""
    return (
        Task.objects.filter(plan__tenant__in=tenants, applies=True, is_group=False)
        .exclude(state__in=COMPLETE)
        .only(
            "plan_id",
            "key",
            "title",
            "state",
            "depends_on",
            "responsibility",
            "is_optional",
            "applies",
        )
        .order_by("plan_id", "position")
    )


def checks_of_kind(tenants: Sequence[Tenant], kind: Kind) -> QuerySet[Check]:
    return Check.objects.filter(tenant__in=tenants, is_active=True, kind=kind).select_related(
        "domain", "host"
    )
