"""The dashboard of managers: cutovers that are ready or at risk, and tenants by current phase."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.paginator import Paginator
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import observations_by_kind
from onboarding.cutovers.queries import switched
from onboarding.models import Cutover, Phase, Plan, Task
from onboarding.plans.current_state import TenantState, tenant_states
from onboarding.plans.forecast import Forecast
from onboarding.plans.forecast_inputs import forecasts_of
from onboarding.plans.safe_times import PlanSafeTime, safe_times_by_kind
from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import filters
from onboarding.portfolio.queries import (
    checks_of_kind,
    failing_checks,
    unfinished,
    unfinished_tasks,
    with_plans,
)
from onboarding.portfolio.tenant_status import TenantStatus, tenant_status
from tenants.access import require
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.queries import open_tenants_for, tenants_for

PAGE = 50


@dataclass(frozen=True)
class DashboardRow:
    """One tenant on the dashboard."""

    tenant: Tenant
    plan: Plan
    phases: list[Phase]
    cutovers: list[Cutover]
    state: TenantState
    status: TenantStatus
    domains: int
    forecast: Forecast | None


@dataclass(frozen=True)
class DashboardCounts:
    active: int
    started_this_month: int
    soon: int
    at_risk: int
    regressed_today: int
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
    now = timezone.now()
    tenants = open_tenants_for(current_user(request))
    all_tenants = tenants_for(current_user(request))
    chosen = filters.TenantFilter(request.GET, queryset=all_tenants)
    found = Paginator(with_plans(chosen.qs), PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": chosen,
        "found": found,
        "lines": _lines(list(found), now=now),
        "figures": _figures(tenants, all_tenants, now=now),
        "days": _days(tenants, now=now),
        "waits": _waits(tenants),
        "query": _query_without_page(request),
    }
    return show(request, "portfolio/dashboard_show.html", "dashboard", context)


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


@require(Permission.VIEW_DASHBOARD)
@require_GET
def dashboard_csv(request: HttpRequest) -> HttpResponse:
    """The complete list as a CSV file."""
    chosen = filters.TenantFilter(request.GET, queryset=tenants_for(current_user(request)))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="gangway-cutovers.csv"'
    rows = csv.writer(response)
    rows.writerow(
        ["Tenant", "Region", "Consultant", "Tasks done", "Tasks", "Failing checks",
         "No reliable answer", "Drift", "Next cutover", "Planned for (UTC)", "Status", "Forecast"]
    )  # fmt: skip
    for line in _lines(list(with_plans(chosen.qs)), now=timezone.now()):
        cutover = line.status.cutover
        rows.writerow(
            _plain(value)
            for value in (
                line.tenant.name,
                line.tenant.region,
                line.tenant.consultant or "",
                line.plan.tasks_complete,
                line.plan.tasks_total,
                line.state.failing,
                line.state.unknown,
                line.state.drifts,
                cutover.get_direction_display() if cutover else "",
                f"{cutover.planned_at:%Y-%m-%d %H:%M}" if cutover else "",
                f"{line.status.text} {line.status.safe_at or ''}".strip(),
                line.forecast.finish if line.forecast else "",
            )
        )
    return response


def _plain(value: object) -> str:
    """A cell that a spreadsheet does not evaluate as a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _lines(tenants: list[Tenant], *, now: datetime) -> list[DashboardRow]:
    states = tenant_states(tenants, now=now)
    failing: dict[int, list[Check]] = {}
    for check in failing_checks(tenants, now=now):
        failing.setdefault(check.tenant_id, []).append(check)
    tasks_by_plan: dict[int, list[Task]] = {}
    for task in unfinished_tasks(tenants):
        tasks_by_plan.setdefault(task.plan_id, []).append(task)
    cutovers = Cutover.objects.filter(plan__tenant__in=tenants)
    switched_ids = set(switched(cutovers).values_list("pk", flat=True))
    safety = _safeties(tenants, switched_ids, now=now)
    forecasts = forecasts_of(unfinished(tenants), now=now)
    return [
        DashboardRow(
            tenant=tenant,
            plan=tenant.plan,
            phases=list(tenant.plan.phases.all()),
            cutovers=list(tenant.plan.cutovers.all()),
            state=states[tenant.pk],
            status=tenant_status(
                tenant.plan,
                list(tenant.plan.cutovers.all()),
                tasks_by_plan.get(tenant.plan.pk, []),
                states[tenant.pk],
                failing.get(tenant.pk, []),
                safety.get(tenant.pk),
                switched=switched_ids,
                now=now,
            ),
            domains=len(tenant.domains.all()),
            forecast=forecasts.get(tenant.pk),
        )
        for tenant in tenants
    ]


def _safeties(
    tenants: list[Tenant], switched: Collection[int], *, now: datetime
) -> dict[int, PlanSafeTime]:
    """The safe time of the next inbound cutover by tenant, in two queries."""
    checks = list(checks_of_kind(tenants, CheckKind.MX_TTL))
    seen: dict[int, list[Observation]] = {}
    for observation in observations_by_kind(checks, [CheckKind.MX_TTL]):
        seen.setdefault(observation.check_asked_id, []).append(observation)
    found: dict[int, PlanSafeTime] = {}
    for tenant in tenants:
        domains = _next_inbound(tenant, switched)
        own = [check for check in checks if check.domain_id in domains]
        observations = [o for check in own for o in seen.get(check.pk, [])]
        safety = safe_times_by_kind(own, observations, tenant.region_values, now=now).get(
            CheckKind.MX_TTL
        )
        if safety is not None:
            found[tenant.pk] = safety
    return found


def _next_inbound(tenant: Tenant, switched: Collection[int]) -> set[int | None]:
    """The domains of the first inbound cutover that has not switched."""
    for cutover in tenant.plan.cutovers.all():
        if cutover.direction == Cutover.Direction.INBOUND and cutover.pk not in switched:
            return {domain.pk for domain in cutover.domains.all()}
    return set()


def _figures(
    tenants: QuerySet[Tenant], with_closed: QuerySet[Tenant], *, now: datetime
) -> DashboardCounts:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    numbers = tenants.aggregate(
        active=Count("pk", filter=filters.active()),
        started_this_month=Count("pk", filter=filters.active() & Q(created_at__gte=month)),
        soon=Count("pk", filter=filters.cut_over_soon(now)),
        at_risk=Count("pk", filter=filters.at_risk(now)),
        failing=Count("pk", filter=filters.failing(now)),
    )
    broken = Task.objects.filter(
        plan__tenant__in=tenants, status="regressed", regressed_at__gte=midnight
    ).count()
    drifted = with_closed.filter(filters.drifted(now)).count()
    return DashboardCounts(**numbers, regressed_today=broken, drifted=drifted)


def _days(tenants: QuerySet[Tenant], *, now: datetime) -> list[CutoverDay]:
    """The planned cutovers of each of the next 14 days. Days without cutovers are included."""
    today = now.date()
    planned = (
        Cutover.objects.filter(
            plan__tenant__in=tenants,
            planned_at__date__gte=today,
            planned_at__date__lt=today + filters.SOON,
        )
        .annotate(day=TruncDate("planned_at"))
        .values("day")
        .annotate(cutovers=Count("pk"))
    )
    counts = {row["day"]: row["cutovers"] for row in planned}
    days = (today + timedelta(days=ahead) for ahead in range(filters.SOON.days))
    return [CutoverDay(day, counts.get(day, 0)) for day in days]


def _waits(tenants: QuerySet[Tenant]) -> list[PhaseCount]:
    unfinished = Phase.objects.filter(plan__tenant__in=tenants, tasks_complete__lt=F("tasks_total"))
    first = Counter(
        unfinished.values("plan").annotate(first=Min("position")).values_list("first", flat=True)
    )
    titles = dict(Phase.objects.filter(position__in=first).values_list("position", "title"))
    return [
        PhaseCount(position, titles[position], number)
        for position, number in sorted(first.items(), key=lambda item: -item[1])
    ]
