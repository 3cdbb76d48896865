"""The stored risks of tenants as lists show them: the sentence and the link of each reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Min, Prefetch, QuerySet
from django.urls import reverse

from onboarding.models import PlanRisk
from onboarding.portfolio.queries import with_plan
from onboarding.portfolio.risks import sentence_of
from tenants.models import Tenant

_CUTOVER_CODES = (
    PlanRisk.Code.OVERDUE,
    PlanRisk.Code.BLOCKED,
    PlanRisk.Code.NO_APPROVER,
    PlanRisk.Code.NO_ON_CALL,
)


@dataclass(frozen=True)
class ShownRisk:
    """One reason: its sentence, and the page where a person can act on it."""

    code: str
    sentence: str
    url: str
    since: datetime
    cutover_at: datetime | None


@dataclass(frozen=True)
class TenantAtRisk:
    tenant: Tenant
    risks: Sequence[ShownRisk]

    @property
    def cutover_at(self) -> datetime | None:
        """The start of the first window that a reason concerns."""
        return min((r.cutover_at for r in self.risks if r.cutover_at is not None), default=None)


def shown_risks(tenant: Tenant) -> list[ShownRisk]:
    """The reasons of a tenant, most urgent first. Its plan is loaded with `risks_prefetch`."""
    return [
        ShownRisk(
            risk.code,
            sentence_of(risk.code, risk.params),
            url_of(risk, tenant.public_id),
            risk.since,
            risk.cutover_at,
        )
        for risk in tenant.plan.risks.all()
    ]


def url_of(risk: PlanRisk, public_id: str) -> str:
    target = risk.params["target"]
    if risk.code in _CUTOVER_CODES:
        return reverse("onboarding:cutover-room", args=[public_id, target])
    if risk.code == PlanRisk.Code.FAILING:
        return f"{reverse('onboarding:domains', args=[public_id])}?check={target}"
    if risk.code == PlanRisk.Code.DRIFT:
        return reverse("onboarding:monitoring", args=[public_id])
    if risk.code == PlanRisk.Code.LATE:
        return reverse("onboarding:schedule", args=[public_id])
    place = f"?phase={risk.params['phase']}#{risk.params['key']}"
    return reverse("onboarding:plan-show", args=[public_id]) + place


def risks_prefetch() -> Prefetch[str]:
    """The risks of each tenant of a list, in one query."""
    return Prefetch("plan__risks", queryset=PlanRisk.objects.order_by("position"))


def tenants_at_risk(tenants: QuerySet[Tenant], most: int | None = None) -> list[TenantAtRisk]:
    """The tenants with a reason, those with the soonest cutover first. Two queries."""
    found = tenants.filter(plan__risks__isnull=False).annotate(
        soonest=Min("plan__risks__cutover_at"), urgency=Min("plan__risks__since")
    )
    soonest = F("soonest").asc(nulls_last=True)
    ordered = found.order_by(soonest, "urgency", "pk")
    rows = with_plan(ordered).prefetch_related(risks_prefetch())[:most]
    return [TenantAtRisk(tenant, shown_risks(tenant)) for tenant in rows]
