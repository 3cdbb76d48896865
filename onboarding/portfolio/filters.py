"""Filters of the dashboard. Each number on it links to one of them."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import django_filters
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import Cutover, Drift, Phase, PlanRisk
from onboarding.plans.current_state import FAILING, SubjectStatus, checks_with_status
from tenants import database_time
from tenants.models import Tenant, User
from tenants.regions import load_regions

SOON = timedelta(days=14)


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


def at_risk() -> Q:
    """Tenants with a stored risk (`onboarding.portfolio.risks`)."""
    return Q(Exists(PlanRisk.objects.filter(plan__tenant=OuterRef("pk"))))


def drifted(now: datetime) -> Q:
    """A drift is open and not muted."""
    return Q(Exists(unmuted_drifts(now).filter(tenant=OuterRef("pk"))))


def unmuted_drifts(now: datetime) -> QuerySet[Drift]:
    return Drift.objects.filter(closed_at__isnull=True).exclude(muted_until__gt=now)


def cutovers_by_local_day(
    tenants: QuerySet[Tenant], first: date, days: int
) -> dict[date, list[int]]:
    """The tenant of each cutover by its day, in the tenant's own time zone. One query.

    `days` is the number of days from `first` on.
    """
    # No time zone differs from UTC by more than 14 hours.
    start = datetime.combine(first, time(), UTC) - timedelta(days=1)
    end = start + timedelta(days=days + 2)
    planned = Cutover.objects.filter(
        plan__tenant__in=tenants, planned_at__gte=start, planned_at__lt=end
    )
    found: dict[date, list[int]] = {}
    rows = planned.values_list("planned_at", "plan__tenant_id", "plan__tenant__time_zone")
    for planned_at, tenant_id, zone in rows:
        day = planned_at.astimezone(zoneinfo.ZoneInfo(zone)).date()
        if first <= day < first + timedelta(days=days):
            found.setdefault(day, []).append(tenant_id)
    return found


def in_phase(position: int) -> Q:
    """The first phase with open tasks has this position."""
    unfinished = Phase.objects.filter(
        plan__tenant=OuterRef("pk"), tasks_complete__lt=F("tasks_total")
    )
    earlier = Q(Exists(unfinished.filter(position__lt=position)))
    return Q(Exists(unfinished.filter(position=position))) & ~earlier


SHOW_CHOICES = {
    "active": "Active implementations",
    "soon": "Cutover in the next 14 days",
    "risk": "At risk",
    "failing": "With a failing check",
    "unknown": "With a check without a reliable answer",
    "drifted": "Drifted since go-live",
    "closed": "Closed",
}
# Only these two choices include closed tenants.
_WITH_CLOSED = ("drifted", "closed")


class TenantFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    consultant = django_filters.ModelChoiceFilter(
        queryset=User.objects.filter(staff_role=User.StaffRole.CONSULTANT).order_by("name"),
        to_field_name="public_id",
        empty_label="All consultants",
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
    waiting = django_filters.NumberFilter(label="Waiting", method="filter_waiting")

    class Meta:
        model = Tenant
        fields: list[str] = []

    def filter_show(self, tenants: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        now = database_time.now()
        conditions = {
            "active": active(),
            "soon": cut_over_soon(now),
            "risk": at_risk(),
            "failing": failing(now),
            "unknown": has_unknown_check(now),
            "drifted": drifted(now),
            "closed": Q(closed_at__isnull=False),
        }
        return tenants.filter(conditions[value])

    def filter_queryset(self, queryset: QuerySet[Tenant]) -> QuerySet[Tenant]:
        found: QuerySet[Tenant] = super().filter_queryset(queryset)
        if self.form.cleaned_data.get("show") in _WITH_CLOSED:
            return found
        return found.filter(closed_at__isnull=True)

    def filter_day(self, tenants: QuerySet[Tenant], name: str, value: date) -> QuerySet[Tenant]:
        found = cutovers_by_local_day(tenants, value, 1).get(value, [])
        return tenants.filter(pk__in=found)

    def filter_waiting(self, tenants: QuerySet[Tenant], name: str, value: Any) -> QuerySet[Tenant]:
        return tenants.filter(active(), in_phase(int(value)))
