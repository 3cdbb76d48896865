"""Reads over many tenants, with a constant number of queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Count, Prefetch, QuerySet, Sum

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import (
    Cutover,
    Phase,
    Plan,
    Task,
    TaskStatus,
)
from onboarding.plans.current_state import FAILING, SubjectStatus, checks_with_status
from onboarding.plans.planned_cutovers import (
    with_domains,
)
from tenants.models import Host, Tenant
from tenants.proposals import open_proposals


def revision_of_tenants(tenants: QuerySet[Tenant]) -> str:
    """A text that changes with every visible change of one of the tenants."""
    plans = Plan.objects.filter(tenant__in=tenants.order_by())
    found = plans.aggregate(count=Count("pk"), total=Sum("revision", default=0))
    return f"{found['count']}-{found['total']}"


def with_plan(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Tenants with their plan and consultant, for rows that are computed already."""
    return tenants.select_related("plan", "consultant")


def with_plans(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Tenants with the rows of a list: plan, phases, planned cutovers and number of domains."""
    return tenants.select_related("plan", "consultant").prefetch_related(
        Prefetch("plan__phases", queryset=Phase.objects.order_by("position")),
        Prefetch("plan__cutovers", queryset=with_domains(Cutover.objects.all())),
        "domains",
    )


def unfinished(tenants: Iterable[Tenant]) -> list[Tenant]:
    """The tenants with a forecast: open ones with open tasks. The plans must be loaded."""
    return [
        tenant
        for tenant in tenants
        if not tenant.is_closed and tenant.plan.tasks_complete < tenant.plan.tasks_total
    ]


def open_proposal_counts(tenants: Sequence[Tenant]) -> dict[int, int]:
    """The proposals that wait for a consultant's decision, by tenant id; without zeros. One query.

    The domains of the tenants must be loaded (`with_plans`). A closed tenant has none.
    """
    open_tenants = [tenant for tenant in tenants if not tenant.is_closed]
    proposed = Host.objects.filter(
        tenant__in=open_tenants, proposed_at__isnull=False, confirmed_at__isnull=True
    )
    hosts = Counter(proposed.values_list("tenant_id", flat=True))
    counts = {
        tenant.pk: len(open_proposals(tenant.domains.all(), ())) + hosts[tenant.pk]
        for tenant in open_tenants
    }
    return {pk: count for pk, count in counts.items() if count}


def failing_checks(tenants: Sequence[Tenant], *, now: datetime) -> QuerySet[Check]:
    """The checks with a fault, also drifted ones, in the order of the tenants."""
    of_tenants = Check.objects.filter(tenant__in=tenants)
    return (
        checks_with_status(of_tenants, (SubjectStatus.DRIFTED, *FAILING), now=now)
        .select_related("domain", "host", "latest", "tenant")
        .order_by("tenant__name", "kind")
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


def checks_of_kinds(tenants: Sequence[Tenant], kinds: Sequence[CheckKind]) -> QuerySet[Check]:
    return Check.objects.filter(tenant__in=tenants, is_active=True, kind__in=kinds).select_related(
        "domain", "host"
    )
