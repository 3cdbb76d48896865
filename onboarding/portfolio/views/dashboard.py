"""The dashboard of managers: cutovers that are ready or at risk, and tenants by current phase."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, F, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from onboarding.models import Phase
from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import dashboard_csv, filters, risk_updates
from onboarding.portfolio.dashboard_rows import dashboard_rows
from onboarding.portfolio.queries import revision_of_tenants, with_plan
from onboarding.portfolio.risk_list import tenants_at_risk
from onboarding.portfolio.row_cache import cached_overview
from onboarding.portfolio.tasks import queue_dashboard_csv
from tenants import database_time
from tenants.access import require
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.queries import open_tenants_for, tenants_for

PAGE = 50
# The tenants in the card "At risk, and why". A link leads to all of them.
SHOWN_AT_RISK = 8
NEW_RISK = timedelta(days=1)


@dataclass(frozen=True)
class DashboardCounts:
    active: int
    started_this_month: int
    soon: int
    at_risk: int
    newly_at_risk: int
    failing: int
    drifted: int


@dataclass(frozen=True)
class CutoverDay:
    day: date
    cutovers: int


@dataclass(frozen=True)
class PhaseCount:
    """A phase and the tenants whose first unfinished phase it is."""

    position: int
    title: str
    tenants: int


@require(Permission.VIEW_DASHBOARD)
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    now = database_time.now()
    tenants = open_tenants_for(current_user(request))
    all_tenants = tenants_for(current_user(request))
    risk_updates.refresh(all_tenants)
    # Before the rows: a change in between updates the page once more.
    revision = revision_of_tenants(all_tenants)
    chosen = filters.TenantFilter(request.GET, queryset=all_tenants)

    def overview() -> dict[str, Any]:
        return {
            "figures": _figures(tenants, all_tenants, now=now),
            "days": _days(tenants, now=now),
            "waits": _waits(tenants),
        }

    found = Paginator(with_plan(chosen.qs), PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": chosen,
        "found": found,
        "rows": dashboard_rows(list(found)),
        "at_risk": tenants_at_risk(all_tenants, SHOWN_AT_RISK),
        **cached_overview(current_user(request), overview),
        "query": _query_without_page(request),
        "revision": revision,
    }
    return show(request, "portfolio/dashboard_show.html", "dashboard", context)


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


@require(Permission.VIEW_DASHBOARD)
@require_GET
def dashboard_export(request: HttpRequest) -> HttpResponseBase:
    """The complete list as a CSV file; for many tenants, the progress of the worker before it."""
    user, query = current_user(request), request.GET.urlencode()
    tenants = dashboard_csv.chosen_tenants(user, request.GET)
    if dashboard_csv.is_sent_at_once(tenants):
        return _as_file(StreamingHttpResponse(dashboard_csv.csv_lines(tenants)))
    total = tenants.count()
    queue_dashboard_csv(user, query, total=total)
    export = dashboard_csv.export_of(user, query) or dashboard_csv.CsvExport(0, total)
    # An open page shows the link to the file, and cannot download it.
    if export.text and not getattr(request, "htmx", False):
        return _as_file(HttpResponse(export.text))
    return show(request, "portfolio/dashboard_export.html", "export", {"export": export})


def _as_file(response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Type"] = "text/csv; charset=utf-8"
    response["Content-Disposition"] = 'attachment; filename="gangway-cutovers.csv"'
    return response


def _figures(
    tenants: QuerySet[Tenant], with_closed: QuerySet[Tenant], *, now: datetime
) -> DashboardCounts:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    numbers = tenants.aggregate(
        active=Count("pk", filter=filters.active()),
        started_this_month=Count("pk", filter=filters.active() & Q(created_at__gte=month)),
        soon=Count("pk", filter=filters.cut_over_soon(now)),
        failing=Count("pk", filter=filters.failing(now)),
    )
    risky = tenants.filter(filters.at_risk()).annotate(first=Min("plan__risks__since"))
    newly = risky.filter(first__gte=now - NEW_RISK)
    drifted = with_closed.filter(filters.drifted(now)).count()
    return DashboardCounts(
        **numbers, at_risk=risky.count(), newly_at_risk=newly.count(), drifted=drifted
    )


def _days(tenants: QuerySet[Tenant], *, now: datetime) -> list[CutoverDay]:
    """The cutovers of each of the next 14 days, by the day of their tenant. Also empty days."""
    today, number = now.date(), filters.SOON.days
    found = filters.cutovers_by_local_day(tenants, today, number)
    days = (today + timedelta(days=ahead) for ahead in range(number))
    return [CutoverDay(day, len(found.get(day, []))) for day in days]


def _waits(tenants: QuerySet[Tenant]) -> list[PhaseCount]:
    unfinished = Phase.objects.filter(plan__tenant__in=tenants, tasks_complete__lt=F("tasks_total"))
    first_of = dict(unfinished.values_list("plan").annotate(first=Min("position")).order_by())
    # One plan of each phase has its title.
    example_of = {first: plan for plan, first in first_of.items()}
    examples = Phase.objects.filter(plan__in=example_of.values(), position__in=example_of)
    titles = dict(examples.order_by().values_list("position", "title"))
    counts = Counter(first_of.values())
    return [
        PhaseCount(position, titles[position], number)
        for position, number in sorted(counts.items(), key=lambda item: -item[1])
    ]
