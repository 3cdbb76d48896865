"""The lists behind the numbers of the dashboard. Each has exactly as many rows as its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.dateformat import format as date_format
from django.views.decorators.http import require_GET

from onboarding.models import CutoverStatus
from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import dashboard_calendar, filters, local_days, risk_updates
from onboarding.portfolio import dashboard_figures as figures
from onboarding.portfolio.accepted_risks import accepted_risk_rows, accepted_risks
from onboarding.portfolio.dashboard_scope import DashboardScope, query_without_page
from onboarding.portfolio.quarters import Quarter
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission
from tenants.queries import tenants_staffed_by

PAGE = 50
LONGEST_DAYS = 92
Rows = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class DashboardList:
    """A heading, the rows in their order, and the conversion of one page for its template."""

    name: str
    title: str
    found: QuerySet[Any]
    rows: Rows = list
    note: str = ""


@require(Permission.VIEW_DASHBOARD)
@require_GET
def cutover_list(request: HttpRequest) -> HttpResponse:
    """`?first=2026-11-30&days=14&state=ready`: the cutovers by the days of their tenants."""
    scope = _scope(request)
    first = local_days.parse_day(request.GET.get("first", "")) or database_time.now().date()
    days = min(max(_number(request.GET.get("days", "")), 1), LONGEST_DAYS)
    found = dashboard_calendar.cutovers_of(scope.tenants, first, days).select_related(
        "plan__tenant", "status"
    )
    state = request.GET.get("state", "")
    label = dict(CutoverStatus.State.choices).get(state, "")
    if label:
        found = found.filter(state=state)
    last = date.fromordinal(first.toordinal() + days - 1)
    until = f" to {date_format(last, 'D j M Y')}" if days > 1 else ""
    title = f"Cutovers, {date_format(first, 'D j M Y')}{until}"
    note = f"State: {label}. " if label else ""
    note += "Days and times are local to each tenant."
    return _shown(request, scope, DashboardList("cutovers", title, found, note=note))


@require(Permission.VIEW_DASHBOARD)
@require_GET
def forecast_list(request: HttpRequest) -> HttpResponse:
    scope = _scope(request)
    found = figures.forecasts_by_slip(scope.tenants)
    note = "Largest slip first. Days are working days of each tenant."
    shown = DashboardList("forecasts", "Forecasts", found, figures.forecast_rows, note)
    return _shown(request, scope, shown)


@require(Permission.VIEW_DASHBOARD)
@require_GET
def phase_list(request: HttpRequest) -> HttpResponse:
    """`?phase=…&quarter=2026-Q4`: the completed phases behind a median."""
    scope, quarter = _scope(request), _quarter(request)
    key = request.GET.get("phase", "")
    title = f"{figures.title_of(key, figures.phase_titles())}, completed in {quarter.label}"
    found = figures.completed_phases(scope.with_closed, quarter).filter(key=key)
    ordered = found.select_related("phase__plan__tenant").order_by("-days", "pk")
    note = "Longest first. Days are working days of each tenant."
    return _shown(request, scope, DashboardList("phases", title, ordered, note=note))


@require(Permission.VIEW_DASHBOARD)
@require_GET
def go_live_list(request: HttpRequest) -> HttpResponse:
    """`?quarter=2026-Q4`: the go-lives behind a median."""
    scope, quarter = _scope(request), _quarter(request)
    found = figures.live_tenants(scope.with_closed, quarter, quarter)
    ordered = found.select_related("tenant__plan").order_by("-took", "pk")
    note = "Days from the start of the plan to the verified inbound cutover. Longest first."
    title = f"Go-lives in {quarter.label}"
    return _shown(request, scope, DashboardList("go-lives", title, ordered, note=note))


@require(Permission.VIEW_DASHBOARD)
@require_GET
def accepted_risk_list(request: HttpRequest) -> HttpResponse:
    scope = _scope(request)
    found = accepted_risks(scope.with_closed, now=database_time.now())
    note = "Soonest end first."
    shown = DashboardList("accepted-risks", "Accepted risks", found, accepted_risk_rows, note)
    return _shown(request, scope, shown)


def _scope(request: HttpRequest) -> DashboardScope:
    visible = tenants_staffed_by(current_user(request))
    risk_updates.refresh(visible)
    return DashboardScope.of(filters.TenantFilter(request.GET, queryset=visible), visible)


def _shown(request: HttpRequest, scope: DashboardScope, chosen: DashboardList) -> HttpResponse:
    page = Paginator(chosen.found, PAGE).get_page(request.GET.get("page"))
    context = {
        "list": chosen,
        "rows_template": f"portfolio/dashboard_list_{chosen.name.replace('-', '_')}.html",
        "found": page,
        "rows": chosen.rows(list(page)),
        "scope": scope,
        "query": query_without_page(request),
    }
    return show(request, "portfolio/dashboard_list.html", "list", context)


def _quarter(request: HttpRequest) -> Quarter:
    """The quarter of the address, or this one."""
    today = database_time.now().date()
    return Quarter.parse(request.GET.get("quarter", "")) or Quarter.of(today)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else filters.SOON.days
