"""TODO docstring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Prefetch, Q, QuerySet

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import (
    COMPLETE_STATUSES,
    Cutover,
    Drift,
    Phase,
    Task,
)
from onboarding.plans.planned_cutovers import (
    with_domains,  # NEW
)
from tenants.models import Tenant


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
    unknown = Q(latest__verdict=Verdict.UNKNOWN.value) & ~Q(kind=CheckKind.MESSAGE.value)
    settled_yes = Q(settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value])
    rows = (
        Check.objects.filter(tenant__in=tenants, is_active=True)
        .values("tenant_id")
        .annotate(
            passing=Count("pk", filter=settled_yes & ~unknown),
            failing=Count("pk", filter=Q(is_misconfigured=True) & ~unknown),
            unknown=Count("pk", filter=unknown),
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
        Check.objects.filter(tenant__in=tenants, is_active=True, is_misconfigured=True)
        .select_related("domain", "host", "latest", "tenant")
        .order_by("tenant__name", "kind")
    )


def regressed_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    return (
        Task.objects.filter(plan__tenant__in=tenants, status="regressed")
        .select_related("plan__tenant", "phase")
        .order_by("-status_changed_at")
    )


def open_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    """Tasks that apply and are not complete, groups left out, in each plan's order."""
    return (
        Task.objects.filter(plan__tenant__in=tenants, applies=True, is_group=False)
        .exclude(status__in=COMPLETE_STATUSES)
        .only(
            "plan_id",
            "key",
            "role",
            "title",
            "status",
            "depends_on",
            "responsibility",
            "is_optional",
            "applies",
        )
        .order_by("plan_id", "position")
    )


def checks_of_kind(tenants: Sequence[Tenant], kind: CheckKind) -> QuerySet[Check]:
    return Check.objects.filter(tenant__in=tenants, is_active=True, kind=kind).select_related(
        "domain", "host"
    )
