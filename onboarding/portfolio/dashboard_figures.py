"""The figures of the dashboard: counts, waits, go-lives, work and forecasts of tenants.

Every figure is added up by the database over stored values, and leads to a list with the same
condition (`onboarding.portfolio.views.dashboard_lists`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Min,
    Q,
    QuerySet,
)
from django.db.models.functions import Coalesce, TruncQuarter
from django.utils.safestring import SafeString

from onboarding.models import Monitoring, PhaseTime, PlanFigures
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.portfolio import charts, filters
from onboarding.portfolio.medians import Median, medians
from onboarding.portfolio.quarters import Quarter
from tenants.models import Tenant

NEW_RISK = timedelta(days=1)
# The rows of a card. A link leads to all of them.
SHOWN = 10
QUARTERS = 7


@dataclass(frozen=True)
class DashboardCounts:
    """Numbers of tenants. The list of the dashboard has a filter for each."""

    active: int
    started_this_month: int
    at_risk: int
    newly_at_risk: int
    at_risk_soon: int
    too_long: int
    failing: int
    drifted: int
    follow_up: int


def counts_of(
    tenants: QuerySet[Tenant], with_closed: QuerySet[Tenant], *, now: datetime
) -> DashboardCounts:
    """`tenants` are the open ones."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    numbers = tenants.order_by().aggregate(
        active=Count("pk", filter=filters.active()),
        started_this_month=Count("pk", filter=filters.active() & Q(created_at__gte=month)),
        at_risk=Count("pk", filter=filters.at_risk()),
        at_risk_soon=Count("pk", filter=filters.at_risk() & filters.cut_over_soon(now)),
        too_long=Count("pk", filter=filters.at_risk(code="waiting")),
        failing=Count("pk", filter=filters.failing(now)),
    )
    risky = tenants.filter(filters.at_risk()).annotate(first=Min("plan__risks__since"))
    return DashboardCounts(
        **numbers,
        newly_at_risk=risky.filter(first__gte=now - NEW_RISK).count(),
        drifted=with_closed.filter(filters.drifted(now)).count(),
        follow_up=with_closed.filter(filters.with_follow_up()).count(),
    )


# --- Waits and durations by phase


@dataclass(frozen=True)
class PhaseFigures:
    """One phase: the implementations in it now, and its medians in this and the last quarter.

    Days are working days. A median is None without a completed phase in its quarter.
    """

    key: str
    title: str
    current: int
    number: int
    days: float | None
    client: float | None
    mimecast: float | None
    before: float | None
    bar: SafeString = field(default=SafeString(""))

    @property
    def change(self) -> float | None:
        """Days more than in the last quarter; None if one of the two has no median."""
        return None if self.days is None or self.before is None else self.days - self.before


def completed_phases(tenants: QuerySet[Tenant], quarter: Quarter) -> QuerySet[Any]:
    """The phases that were completed in the quarter, with their `key`."""
    return PhaseTime.objects.filter(
        phase__plan__tenant__in=tenants.order_by(),
        completed_on__range=(quarter.first, quarter.last),
    ).annotate(key=F("phase__key"))


def phase_rows_of(
    tenants: QuerySet[Tenant], with_closed: QuerySet[Tenant], quarter: Quarter
) -> list[PhaseFigures]:
    """The phases in the order of the plan template. Five queries."""
    completed = completed_phases(with_closed, quarter)
    by_column = {
        column: medians(completed, column, ["key"])
        for column in ("days", "client_days", "mimecast_days")
    }
    before = medians(completed_phases(with_closed, quarter.before), "days", ["key"])
    current = current_phases(tenants)
    titles = phase_titles()
    keys = [*titles, *sorted({*current, *(key for (key,) in before)} - {*titles})]
    none = Median(0, 0)
    most = max(
        (
            by_column["client_days"][key].value + by_column["mimecast_days"][key].value
            for key in by_column["days"]
        ),
        default=0.0,
    )
    rows = []
    for key in keys:
        client, mimecast = (
            by_column[column].get((key,), none) for column in ("client_days", "mimecast_days")
        )
        days = by_column["days"].get((key,))
        earlier = before.get((key,))
        rows.append(
            PhaseFigures(
                key,
                title_of(key, titles),
                current.get(key, 0),
                days.number if days is not None else 0,
                days.value if days is not None else None,
                client.value if days is not None else None,
                mimecast.value if days is not None else None,
                earlier.value if earlier is not None else None,
                charts.stacked_bar([("client", client.value), ("mimecast", mimecast.value)], most),
            )
        )
    return [row for row in rows if row.current or row.number or row.before is not None]


def current_phases(tenants: QuerySet[Tenant]) -> dict[str, int]:
    """The number of active implementations by the key of their current phase."""
    rows = PlanFigures.objects.filter(plan__tenant__in=tenants.order_by()).exclude(current_phase="")
    counted = rows.order_by().values("current_phase").annotate(number=Count("pk"))
    return dict(counted.values_list("current_phase", "number"))


def phase_titles() -> dict[str, str]:
    """The titles of the phases of new plans by their key, in the order of the template."""
    template = newest_template()
    if template is None:
        return {}
    return {phase.key: phase.title for phase in template_version_of(template).phases}


def title_of(key: str, titles: dict[str, str]) -> str:
    """The title of a phase. A phase that only older templates have is named after its key."""
    return titles.get(key) or key.replace("-", " ").capitalize()


# --- Go-lives


@dataclass(frozen=True)
class GoLiveQuarter:
    """The go-lives of one quarter, and the median of their calendar days; None without one."""

    quarter: Quarter
    number: int
    days: float | None


@dataclass(frozen=True)
class GoLives:
    """The last quarters, oldest first. The last one is this quarter."""

    quarters: Sequence[GoLiveQuarter]
    line: SafeString

    @property
    def now(self) -> GoLiveQuarter:
        return self.quarters[-1]

    @property
    def before(self) -> GoLiveQuarter:
        return self.quarters[-2]

    @property
    def change(self) -> float | None:
        now, before = self.now.days, self.before.days
        return None if now is None or before is None else now - before


def live_tenants(tenants: QuerySet[Tenant], since: Quarter, until: Quarter) -> QuerySet[Any]:
    """The verified inbound cutovers of these quarters, with their duration since the start.

    The monitoring of a tenant begins with its go-live.
    """
    took = ExpressionWrapper(
        F("started_at") - F("tenant__plan__created_at"), output_field=DurationField()
    )
    return Monitoring.objects.filter(
        tenant__in=tenants.order_by(),
        reason=Monitoring.Reason.CUTOVER,
        started_at__gte=since.begins_at,
        started_at__lt=until.after.begins_at,
    ).annotate(took=took, quarter=TruncQuarter("started_at"))


def go_lives_of(with_closed: QuerySet[Tenant], this: Quarter) -> GoLives:
    """The median days to go-live of the last quarters. One query."""
    first = this.earlier(QUARTERS - 1)
    found = medians(live_tenants(with_closed, first, this), "took", ["quarter"])
    by_quarter = {Quarter.of(at): median for (at,), median in found.items()}
    rows = []
    for number in range(QUARTERS):
        quarter = this.earlier(QUARTERS - 1 - number)
        median = by_quarter.get(quarter)
        rows.append(
            GoLiveQuarter(
                quarter,
                median.number if median is not None else 0,
                median.value if median is not None else None,
            )
        )
    label = "Median days to go-live by quarter: " + ", ".join(
        f"{row.quarter.label} {row.days:.0f}" for row in rows if row.days is not None
    )
    return GoLives(rows, charts.sparkline([row.days for row in rows], label))


# --- Consultants


@dataclass(frozen=True)
class ConsultantLoad:
    """The tenants of one consultant, or of none. The list has a filter for each number."""

    public_id: str
    name: str
    active: int
    soon: int
    at_risk: int
    on_mimecast: int
    bar: SafeString = field(default=SafeString(""))


def loads_of(tenants: QuerySet[Tenant], *, now: datetime) -> list[ConsultantLoad]:
    """Every consultant with an open tenant, most active implementations first. One query."""
    is_active = filters.active()
    rows = (
        tenants.order_by()
        .values("consultant__public_id", "consultant__name")
        .annotate(
            active=Count("pk", filter=is_active),
            soon=Count("pk", filter=filters.cut_over_soon(now)),
            at_risk=Count("pk", filter=filters.at_risk()),
            on_mimecast=Count("pk", filter=is_active & filters.waiting_on("mimecast")),
        )
        .order_by("-active", "consultant__name")
    )
    found = list(rows)
    most = max((row["active"] for row in found), default=0)
    return [
        ConsultantLoad(
            row["consultant__public_id"] or "none",
            row["consultant__name"] or "No consultant",
            row["active"],
            row["soon"],
            row["at_risk"],
            row["on_mimecast"],
            charts.bar(row["active"], most),
        )
        for row in found
    ]


# --- Forecasts


@dataclass(frozen=True)
class ForecastRow:
    tenant: Tenant
    figures: PlanFigures
    line: SafeString


@dataclass(frozen=True)
class ForecastRows:
    """Rows of forecasts with the days of their common scale."""

    rows: Sequence[ForecastRow]
    scale: charts.SlipScale | None


def forecasts_by_slip(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """The tenants with a forecast, largest slip first. A slip needs an original schedule."""
    return (
        tenants.filter(plan__figures__forecast_on__isnull=False)
        .select_related("plan__figures", "consultant")
        .order_by(
            Coalesce("plan__figures__slip_days", "plan__figures__late_days").desc(nulls_last=True),
            "plan__figures__forecast_on",
            "pk",
        )
    )


def forecast_rows(tenants: Sequence[Tenant]) -> ForecastRows:
    """The rows of these tenants, on one scale."""
    figures = [tenant.plan.figures for tenant in tenants]
    days = [
        day for each in figures for day in (each.forecast_on, each.due_on, each.original_due_on)
    ]
    known = [day for day in days if day is not None]
    if not known:
        return ForecastRows([], None)
    scale = charts.SlipScale(min(known), max(known))
    lines = [
        charts.slip_line(scale, each.forecast_on, due=each.due_on, original=each.original_due_on)
        if each.forecast_on is not None
        else SafeString("")
        for each in figures
    ]
    return ForecastRows(
        [ForecastRow(*row) for row in zip(tenants, figures, lines, strict=True)], scale
    )
