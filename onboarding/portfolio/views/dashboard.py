"""The dashboard of managers: risks, cutovers, waits, forecasts and work, with a list for each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET

from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import dashboard_calendar, filters, risk_updates
from onboarding.portfolio import dashboard_figures as figures
from onboarding.portfolio.accepted_risks import accepted_risk_rows, accepted_risks
from onboarding.portfolio.dashboard_rows import dashboard_rows
from onboarding.portfolio.dashboard_scope import DashboardScope, query_without_page
from onboarding.portfolio.export_formats import CSV
from onboarding.portfolio.list_exports import DASHBOARD
from onboarding.portfolio.quarters import Quarter
from onboarding.portfolio.queries import revision_of_tenants, with_plan
from onboarding.portfolio.risk_list import tenants_at_risk
from onboarding.portfolio.row_cache import cached_overview
from onboarding.portfolio.views.list_files import file_response
from tenants import database_time
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission
from tenants.queries import tenants_staffed_by

PAGE = 50
# The tenants in the card "At risk, and why", and the rows of other cards. Links lead to all.
SHOWN_AT_RISK, SHOWN_ACCEPTED, SHOWN_LOADS = 8, 5, 12


def _cached_overview(
    user: User, scope: DashboardScope, *, is_quarter: bool, now: datetime
) -> dict[str, Any]:
    return cached_overview(
        user,
        lambda: _overview(scope, is_quarter=is_quarter, now=now),
        kind=f"dashboard {is_quarter} {scope.query}",
    )


@require(Permission.VIEW_DASHBOARD)
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    user, now = current_user(request), database_time.now()
    all_tenants = tenants_staffed_by(user)
    risk_updates.refresh(all_tenants)
    revision = revision_of_tenants(all_tenants)  # before the rows: no change is missed
    chosen = filters.TenantFilter(request.GET, queryset=all_tenants)
    scope = DashboardScope.of(chosen, all_tenants)
    is_quarter = request.GET.get("calendar") == "quarter"
    found = Paginator(with_plan(chosen.qs), PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": chosen,
        "scope": scope,
        "found": found,
        "rows": dashboard_rows(list(found)),
        **_cached_overview(user, scope, is_quarter=is_quarter, now=now),
        "is_quarter": is_quarter,
        "today": now.date(),
        "query": query_without_page(request),
        # The calendar is a card of the page and restricts no list.
        "is_filtered": bool({*request.GET} - {"page", "calendar"}),
        "revision": revision,
        # Only a dashboard without an active tenant reads it.
        "has_tenants": SimpleLazyObject(all_tenants.exists),
    }
    return show(request, "portfolio/dashboard_show.html", "dashboard", context)


def _overview(scope: DashboardScope, *, is_quarter: bool, now: datetime) -> dict[str, Any]:
    """Every card of the page. The number of queries does not depend on the number of tenants."""
    quarter = Quarter.of(now.date())
    accepted = accepted_risks(scope.with_closed, now=now)
    forecasts = figures.forecasts_by_slip(scope.tenants)
    loads = figures.loads_of(scope.tenants, now=now)
    soon = dashboard_calendar.calendar_of(scope.tenants, now.date(), is_quarter=False)
    if is_quarter:
        calendar = dashboard_calendar.calendar_of(scope.tenants, now.date(), is_quarter=True)
    return {
        "figures": figures.counts_of(scope.tenants, scope.with_closed, now=now),
        "at_risk": tenants_at_risk(scope.tenants, SHOWN_AT_RISK),
        "soon": soon,
        "calendar": calendar if is_quarter else soon,
        "quarter": quarter,
        "phases": figures.phase_rows_of(scope.tenants, scope.with_closed, quarter),
        "go_lives": figures.go_lives_of(scope.with_closed, quarter),
        "loads": loads[:SHOWN_LOADS],
        "more_loads": loads[SHOWN_LOADS:],
        "forecasts": figures.forecast_rows(list(forecasts[: figures.SHOWN])),
        "forecast_number": forecasts.count(),
        "accepted": accepted_risk_rows(list(accepted[:SHOWN_ACCEPTED])),
        "accepted_number": accepted.count(),
    }


@require(Permission.VIEW_DASHBOARD)
@require_GET
def dashboard_export(request: HttpRequest) -> HttpResponseBase:
    """The list of the dashboard as a CSV file."""
    return file_response(request, DASHBOARD, CSV)
