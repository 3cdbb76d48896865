"""Filters of the dashboard. Each number on it links to one of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import django_filters
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import Cutover, Drift, PlanRisk, Responsibility
from onboarding.plans.current_state import FAILING, SubjectStatus, checks_with_status
from onboarding.portfolio.local_days import with_local_day
from tenants import database_time
from tenants.models import Tenant, User
from tenants.regions import load_regions

SOON = timedelta(days=14)
# The filters of the whole dashboard. All others concern its list alone.
SCOPE = ("consultant", "region")


def _planned(**conditions: Any) -> Exists:
    return Exists(Cutover.objects.filter(plan__tenant=OuterRef("pk"), **conditions))


def _check(*statuses: SubjectStatus, now: datetime) -> Q:
    """Tenants with such a check. The checks are read once for all tenants, not for each."""
    counted = Check.objects.all()
    if statuses == (SubjectStatus.UNKNOWN,):
        # An inconclusive test message is no gap, because others follow.
        counted = counted.exclude(kind=CheckKind.MESSAGE)
    found = checks_with_status(counted, statuses, now=now)
    return Q(pk__in=found.order_by().values("tenant"))


def active() -> Q:
    """Implementations with open tasks."""
    return Q(plan__tasks_complete__lt=F("plan__tasks_total"))


def cut_over_soon(now: datetime) -> Q:
    return Q(_planned(planned_at__gte=now, planned_at__lt=now + SOON))


def failing(now: datetime) -> Q:
    return _check(*FAILING, now=now)


def has_unknown_check(now: datetime) -> Q:
    return _check(SubjectStatus.UNKNOWN, now=now)


def at_risk(**conditions: Any) -> Q:
    """Tenants with a stored risk (`onboarding.portfolio.risks`)."""
    return Q(Exists(PlanRisk.objects.filter(plan__tenant=OuterRef("pk"), **conditions)))


def drifted(now: datetime) -> Q:
    """A drift is open and not muted."""
    return Q(Exists(unmuted_drifts(now).filter(tenant=OuterRef("pk"))))


def unmuted_drifts(now: datetime) -> QuerySet[Drift]:
    return Drift.objects.filter(closed_at__isnull=True).exclude(muted_until__gt=now)


def with_follow_up() -> Q:
    """Closed implementations with residual risks that are not over, or with drift."""
    return Q(closed_at__isnull=False, plan__figures__follow_up__gt=0)


def waiting_on(side: str) -> Q:
    """The task that has waited longest waits on this side, or on both."""
    return Q(plan__figures__waiting_on__in=(side, Responsibility.BOTH))


def switching_on(day: date) -> Q:
    """A cutover begins on this day of the tenant."""
    cutovers = Cutover.objects.filter(plan__tenant=OuterRef("pk"))
    return Q(Exists(with_local_day(cutovers, day, 1)))


SHOW_CHOICES = {
    "active": "Active implementations",
    "soon": "Cutover in the next 14 days",
    "risk": "At risk",
    "risk-soon": "At risk, with a cutover in the next 14 days",
    "failing": "With a failing check",
    "unknown": "With a check without a reliable answer",
    "on-mimecast": "Waiting on Mimecast",
    "on-client": "Waiting on the client",
    "drifted": "Drifted since go-live",
    "follow-up": "Closed, with open follow-up",
    "closed": "Closed",
}
# Only these choices include closed tenants.
_WITH_CLOSED = ("drifted", "follow-up", "closed")


class TenantFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    consultant = django_filters.ModelChoiceFilter(
        queryset=User.objects.filter(staff_role=User.StaffRole.CONSULTANT).order_by("name"),
        to_field_name="public_id",
        empty_label="All consultants",
        null_label="No consultant",
        null_value="none",
    )
    region = django_filters.ChoiceFilter(
        choices=lambda: [(r.id, r.name) for r in load_regions().values()],
        empty_label="All regions",
    )
    show = django_filters.ChoiceFilter(
        label="Show",
        choices=list(SHOW_CHOICES.items()),
        method="filter_show",
        empty_label="All tenants",
    )
    day = django_filters.DateFilter(label="Day", method="filter_day")
    phase = django_filters.CharFilter(
        label="Current phase", field_name="plan__figures__current_phase"
    )
    risk = django_filters.ChoiceFilter(
        label="Risk", choices=PlanRisk.Code.choices, method="filter_risk"
    )

    class Meta:
        model = Tenant
        fields: list[str] = []

    def filter_show(self, tenants: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        now = database_time.now()
        conditions = {
            "active": active(),
            "soon": cut_over_soon(now),
            "risk": at_risk(),
            "risk-soon": at_risk() & cut_over_soon(now),
            "failing": failing(now),
            "unknown": has_unknown_check(now),
            "on-mimecast": active() & waiting_on("mimecast"),
            "on-client": active() & waiting_on("client"),
            "drifted": drifted(now),
            "follow-up": with_follow_up(),
            "closed": Q(closed_at__isnull=False),
        }
        return tenants.filter(conditions[value])

    def filter_queryset(self, queryset: QuerySet[Tenant]) -> QuerySet[Tenant]:
        found: QuerySet[Tenant] = super().filter_queryset(queryset)
        if self.form.cleaned_data.get("show") in _WITH_CLOSED:
            return found
        return found.filter(closed_at__isnull=True)

    def filter_day(self, tenants: QuerySet[Tenant], name: str, value: date) -> QuerySet[Tenant]:
        return tenants.filter(switching_on(value))

    def filter_risk(self, tenants: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        return tenants.filter(at_risk(code=value))

    @property
    def risk_label(self) -> str:
        """The label of the chosen risk, or an empty text."""
        return dict(PlanRisk.Code.choices).get(self.form.cleaned_data.get("risk", ""), "")

    def in_scope(self, tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
        """The tenants of the chosen consultant and region, without the other filters."""
        chosen = self.form.cleaned_data if self.is_valid() else {}
        for name in SCOPE:
            if chosen.get(name):
                tenants = self.filters[name].filter(tenants, chosen[name])
        return tenants
