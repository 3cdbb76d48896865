"""Reads over many tenants, with a constant number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Prefetch, Q, QuerySet

from checks.engine.outcomes import MESSAGE_KINDS, UNVERIFIED_KINDS, CheckKind, Verdict
from checks.models import Check
from checks.queries import IS_PROPOSED
from onboarding.models import (
    Cutover,
    Drift,
    Phase,
    Task,
    TaskStatus,
)
from onboarding.plans.planned_cutovers import (
    with_domains,
)
from tenants.models import Tenant


def with_plans(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Tenants with the rows of a list: plan, phases, planned cutovers and number of domains."""
    return tenants.select_related("plan", "consultant").prefetch_related(
        Prefetch("plan__phases", queryset=Phase.objects.order_by("position")),
        Prefetch("plan__cutovers", queryset=with_domains(Cutover.objects.all())),
        "domains",
    )


@dataclass(frozen=True)
class CheckCounts:
    """The number of checks of a tenant by status."""

    passing: int = 0
    failing: int = 0
    unknown: int = 0


def check_counts(tenants: Sequence[Tenant]) -> dict[int, CheckCounts]:
    """Counts by tenant, in one query. A check is unknown without a settled verdict, or if its last
    run was UNKNOWN. An inconclusive test message does not count: others follow. A check of a value
    that a client proposed counts as neither passing nor failing."""
    unknown = Q(latest__verdict=Verdict.UNKNOWN.value) & ~Q(kind__in=MESSAGE_KINDS)
    settled_yes = Q(settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value])
    rows = (
        Check.objects.filter(tenant__in=tenants, is_active=True)
        .exclude(kind__in=UNVERIFIED_KINDS)
        .values("tenant_id")
        .annotate(
            passing=Count("pk", filter=settled_yes & ~unknown & ~IS_PROPOSED),
            failing=Count("pk", filter=Q(is_misconfigured=True) & ~unknown & ~IS_PROPOSED),
            unknown=Count("pk", filter=unknown),
        )
    )
    return {
        row["tenant_id"]: CheckCounts(row["passing"], row["failing"], row["unknown"])
        for row in rows
    }


def drift_counts(tenants: Sequence[Tenant]) -> dict[int, int]:
    """The number of open drifts by tenant."""
    rows = Drift.objects.filter(tenant__in=tenants, closed_at=None).values("tenant_id")
    return dict(rows.annotate(number=Count("pk")).values_list("tenant_id", "number"))


def failing_checks(tenants: Sequence[Tenant]) -> QuerySet[Check]:
    return (
        Check.objects.filter(tenant__in=tenants, is_active=True, is_misconfigured=True)
        .exclude(IS_PROPOSED)
        .select_related("domain", "host", "latest", "tenant")
        .order_by("tenant__name", "kind")
    )


def regressed_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    return (
        Task.objects.filter(plan__tenant__in=tenants, status="regressed")
        .select_related("plan__tenant", "phase")
        .order_by("-status_changed_at")
    )


def unfinished_tasks(tenants: Sequence[Tenant]) -> QuerySet[Task]:
    """Tasks that are neither done nor verified, in the order of each plan.

    Skipped tasks and groups are among them, because they pass on their dependencies.
    """
    return (
        Task.objects.filter(plan__tenant__in=tenants)
        .exclude(status__in=(TaskStatus.DONE, TaskStatus.VERIFIED))
        .only(
            "plan_id",
            "parent_id",
            "is_group",
            "key",
            "role",
            "title",
            "status",
            "depends_on",
            "responsibility",
            "is_optional",
            "applies",
            "wait_after",
        )
        .order_by("plan_id", "position")
    )


def checks_of_kind(tenants: Sequence[Tenant], kind: CheckKind) -> QuerySet[Check]:
    return Check.objects.filter(tenant__in=tenants, is_active=True, kind=kind).select_related(
        "domain", "host"
    )
