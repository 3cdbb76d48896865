"""The manager's cutover dashboard: which are ready, which are at risk, where they wait."""

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

from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from checks.queries import history
from onboarding import filters, queries
from onboarding.models import Cutover, Phase, Plan, Task
from onboarding.plans.outlook import Outlook, outlook
from onboarding.plans.safety import Safety, safeties
from onboarding.queries import CheckCounts
from onboarding.views.shared import show, signed_in
from tenants.access import act
from tenants.models import Tenant
from tenants.permissions import Act
from tenants.queries import open_tenants_for, tenants_for

PAGE = 50


@dataclass(frozen=True)
class Line:
    """One tenant on the dashboard."""

    tenant: Tenant
    plan: Plan
    phases: list[Phase]
    cutovers: list[Cutover]
    counts: CheckCounts
    outlook: Outlook
    domains: int
    drifts: int


@dataclass(frozen=True)
class Figures:
    active: int
    started_this_month: int
    soon: int
    at_risk: int
    broken_today: int
    failing: int
    drifted: int


@dataclass(frozen=True)
class Day:
    day: date
    cutovers: int


@dataclass(frozen=True)
class Wait:
    """A phase and the tenants whose first unfinished phase it is."""

    position: int
    title: str
    tenants: int


@act(Act.WATCH_ALL)
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    tenants = open_tenants_for(signed_in(request))
    everybodys = tenants_for(signed_in(request))
    chosen = filters.TenantFilter(request.GET, queryset=everybodys)
    found = Paginator(queries.with_plans(chosen.qs), PAGE).get_page(request.GET.get("page"))
    context = {
        "filter": chosen,
        "found": found,
        "lines": _lines(list(found), now=now),
        "figures": _figures(tenants, everybodys, now=now),
        "days": _days(tenants, now=now),
        "waits": _waits(tenants),
        "query": _query_without_page(request),
    }
    return show(request, "onboarding/dashboard.html", "dashboard", context)


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


@act(Act.WATCH_ALL)
@require_GET
def dashboard_csv(request: HttpRequest) -> HttpResponse:
    """The same list as a file, whole."""
    chosen = filters.TenantFilter(request.GET, queryset=tenants_for(signed_in(request)))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="gangway-cutovers.csv"'
    rows = csv.writer(response)
    rows.writerow(
        ["Tenant", "Region", "Consultant", "Steps done", "Steps", "Failing checks",
         "Could not tell", "Drifted", "Next cutover", "Planned for (UTC)", "Standing"]
    )  # fmt: skip
    for line in _lines(list(queries.with_plans(chosen.qs)), now=timezone.now()):
        cutover = line.outlook.cutover
        rows.writerow(
            _plain(value)
            for value in (
                line.tenant.name,
                line.tenant.region,
                line.tenant.consultant or "",
                line.plan.tasks_complete,
                line.plan.tasks_total,
                line.counts.failing,
                line.counts.unknown,
                line.drifts,
                cutover.get_direction_display() if cutover else "",
                f"{cutover.planned_at:%Y-%m-%d %H:%M}" if cutover else "",
                f"{line.outlook.words} {line.outlook.safe_at or ''}".strip(),
            )
        )
    return response


def _plain(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _lines(tenants: list[Tenant], *, now: datetime) -> list[Line]:
    counts = queries.check_counts(tenants)
    failing: dict[int, list[Check]] = {}
    for check in queries.failing_checks(tenants):
        failing.setdefault(check.tenant_id, []).append(check)
    open_tasks: dict[int, list[Task]] = {}
    for task in queries.open_tasks(tenants):
        open_tasks.setdefault(task.plan_id, []).append(task)
    cutovers = Cutover.objects.filter(plan__tenant__in=tenants)
    switched = set(queries.switched(cutovers).values_list("pk", flat=True))
    safety = _safeties(tenants, switched, now=now)
    drifts = queries.drift_counts(tenants)
    return [
        Line(
            tenant=tenant,
            plan=tenant.plan,
            phases=list(tenant.plan.phases.all()),
            cutovers=list(tenant.plan.cutovers.all()),
            counts=counts.get(tenant.pk, CheckCounts()),
            outlook=outlook(
                tenant.plan,
                list(tenant.plan.cutovers.all()),
                open_tasks.get(tenant.plan.pk, []),
                counts.get(tenant.pk, CheckCounts()),
                failing.get(tenant.pk, []),
                safety.get(tenant.pk),
                switched=switched,
                now=now,
            ),
            domains=len(tenant.domains.all()),
            drifts=drifts.get(tenant.pk, 0),
        )
        for tenant in tenants
    ]


def _safeties(
    tenants: list[Tenant], switched: Collection[int], *, now: datetime
) -> dict[int, Safety]:
    """The clock of every tenant's next inbound cutover, in two queries."""
    checks = list(queries.checks_of_kind(tenants, Kind.MX_TTL))
    seen: dict[int, list[Observation]] = {}
    for observation in history(checks, [Kind.MX_TTL]):
        seen.setdefault(observation.check_asked_id, []).append(observation)
    found: dict[int, Safety] = {}
    for tenant in tenants:
        domains = _next_inbound(tenant, switched)
        own = [check for check in checks if check.domain_id in domains]
        observations = [o for check in own for o in seen.get(check.pk, [])]
        safety = safeties(own, observations, tenant.region_values, now=now).get(Kind.MX_TTL)
        if safety is not None:
            found[tenant.pk] = safety
    return found


def _next_inbound(tenant: Tenant, switched: Collection[int]) -> set[int | None]:
    """The domains of the first inbound cutover that has not been seen to be done."""
    for cutover in tenant.plan.cutovers.all():
        if cutover.direction == Cutover.Direction.INBOUND and cutover.pk not in switched:
            return {domain.pk for domain in cutover.domains.all()}
    return set()


def _figures(tenants: QuerySet[Tenant], with_closed: QuerySet[Tenant], *, now: datetime) -> Figures:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    numbers = tenants.aggregate(
        active=Count("pk", filter=filters.active()),
        started_this_month=Count("pk", filter=filters.active() & Q(created_at__gte=month)),
        soon=Count("pk", filter=filters.cut_over_soon(now)),
        at_risk=Count("pk", filter=filters.at_risk(now)),
        failing=Count("pk", filter=filters.failing()),
    )
    broken = Task.objects.filter(
        plan__tenant__in=tenants, state="broken", broken_at__gte=midnight
    ).count()
    drifted = with_closed.filter(filters.drifted(now)).count()
    return Figures(**numbers, broken_today=broken, drifted=drifted)


def _days(tenants: QuerySet[Tenant], *, now: datetime) -> list[Day]:
    """Planned cutovers on each of the next fourteen days, days without any included."""
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
    return [Day(day, counts.get(day, 0)) for day in days]


def _waits(tenants: QuerySet[Tenant]) -> list[Wait]:
    unfinished = Phase.objects.filter(plan__tenant__in=tenants, tasks_complete__lt=F("tasks_total"))
    first = Counter(
        unfinished.values("plan").annotate(first=Min("position")).values_list("first", flat=True)
    )
    titles = dict(Phase.objects.filter(position__in=first).values_list("position", "title"))
    return [
        Wait(position, titles[position], number)
        for position, number in sorted(first.items(), key=lambda item: -item[1])
    ]
