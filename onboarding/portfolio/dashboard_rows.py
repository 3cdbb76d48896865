"""The rows of the dashboard and of its CSV file."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self

from django.db.models import Min, QuerySet
from django.template.loader import get_template

from checks.engine.outcomes import MESSAGE_KINDS
from checks.models import Check, Observation
from checks.queries import observations_by_kind
from onboarding.cutovers.queries import switched
from onboarding.models import Cutover, Phase, Plan, Task
from onboarding.plans.current_state import STALE_AFTER, TenantState, tenant_states
from onboarding.plans.forecast import Forecast
from onboarding.plans.forecast_inputs import forecasts_of
from onboarding.plans.planned_cutovers import window_bounds
from onboarding.plans.safe_times import (
    CUTOVER_KINDS,
    PlanSafeTime,
    latest_cutover_time,
    safe_times_by_kind,
)
from onboarding.portfolio.queries import (
    checks_of_kinds,
    failing_checks,
    unfinished,
    unfinished_tasks,
    with_plans,
)
from onboarding.portfolio.risk_list import ShownRisk, risks_prefetch, shown_risks
from onboarding.portfolio.row_cache import CachedRow, cached_rows
from onboarding.portfolio.tenant_status import TenantStatus, tenant_status
from tenants import database_time
from tenants.models import Tenant
from tenants.visible_text import visible

CSV_COLUMNS = (
    "Tenant", "Region", "Consultant", "Tasks done", "Tasks", "Failing checks",
    "No reliable answer", "Drift", "Next cutover", "Planned for (UTC)", "Status", "Forecast",
    "At risk",
)  # fmt: skip
# A run with the same answer ends a state that is too old to count, and raises no revision.
_RECHECKED_WITHIN = timedelta(minutes=1)


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
    risks: Sequence[ShownRisk]


def dashboard_rows(tenants: Sequence[Tenant]) -> list[CachedRow]:
    """The row of each tenant, in their order. The tenants are loaded with plan and consultant."""
    return cached_rows("dashboard", tenants, _compute)


def _compute(tenants: list[Tenant]) -> dict[int, CachedRow]:
    now = database_time.now()
    ids = [tenant.pk for tenant in tenants]
    checked_at = oldest_runs(ids)
    template = get_template("portfolio/dashboard_row.html")
    return {
        line.tenant.pk: CachedRow(
            html=template.render({"line": line}),
            cells=tuple(visible(str(cell)) for cell in _cells(line)),
            valid_until=min(_changes(line, checked_at.get(line.tenant.pk), now=now)),
        )
        for line in _lines(list(_with_risks(Tenant.objects.filter(pk__in=ids))), now=now)
    }


def _with_risks(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    return with_plans(tenants).prefetch_related(risks_prefetch())


def oldest_runs(tenants: Collection[int]) -> dict[int, datetime]:
    """The time of the oldest newest run by tenant. Without messages, which are never too old."""
    checks = Check.objects.filter(tenant__in=tenants, is_active=True, checked_at__isnull=False)
    oldest = checks.exclude(kind__in=MESSAGE_KINDS).order_by().values("tenant_id")
    return dict(oldest.annotate(at=Min("checked_at")).values_list("tenant_id", "at"))


def _changes(
    line: DashboardRow, checked_at: datetime | None, *, now: datetime
) -> Iterator[datetime]:
    """The times after `now` at which the row changes with time alone."""
    yield from changes_with_time(line.tenant, line.cutovers, checked_at, now=now)
    if line.status.safe_at is not None and line.status.safe_at > now:
        yield line.status.safe_at
    for cutover in line.cutovers:
        if cutover.planned_at <= now:
            # "Overdue by 3 hours" and, from a day, "by 2 days".
            hours = int((now - cutover.planned_at).total_seconds()) // 3600
            later = hours + 1 if hours < 24 else (hours // 24 + 1) * 24
            yield cutover.planned_at + timedelta(hours=later)


def changes_with_time(
    tenant: Tenant, cutovers: Sequence[Cutover], checked_at: datetime | None, *, now: datetime
) -> Iterator[datetime]:
    """The times after `now` that change the state, the forecast or the next cutover of a tenant.

    `checked_at` is the time of the oldest newest run.
    """
    zone = zoneinfo.ZoneInfo(tenant.time_zone)
    # The forecast begins today.
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    yield datetime.combine(tomorrow, time(), zone)
    if checked_at is not None:
        stale_at = checked_at + STALE_AFTER
        yield stale_at if stale_at > now else now + _RECHECKED_WITHIN
    times = [at for each in cutovers for at in (each.planned_at, *window_bounds(each))]
    yield from (at for at in times if at > now)


def _cells(line: DashboardRow) -> tuple[object, ...]:
    cutover = line.status.cutover
    return (
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
        " ".join(risk.sentence for risk in line.risks),
    )


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
    history = CutoverHistory.of(tenants)
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
                history.safe_time(tenant, _next_inbound(tenant, switched_ids), now=now),
                switched=switched_ids,
                now=now,
            ),
            domains=len(tenant.domains.all()),
            forecast=forecasts.get(tenant.pk),
            risks=shown_risks(tenant),
        )
        for tenant in tenants
    ]


@dataclass(frozen=True)
class CutoverHistory:
    """The checks that decide when inbound mail can switch, and their observations by check id."""

    checks: Sequence[Check]
    observations: Mapping[int, Sequence[Observation]]

    @classmethod
    def of(cls, tenants: Sequence[Tenant]) -> Self:
        """Two queries."""
        checks = list(checks_of_kinds(tenants, CUTOVER_KINDS))
        seen: dict[int, list[Observation]] = {}
        for observation in observations_by_kind(checks, CUTOVER_KINDS):
            seen.setdefault(observation.check_asked_id, []).append(observation)
        return cls(checks, seen)

    def safe_time(
        self, tenant: Tenant, domains: Collection[int | None], *, now: datetime
    ) -> PlanSafeTime | None:
        """The safe time of an inbound cutover of these domains of the tenant."""
        own = [c for c in self.checks if c.tenant_id == tenant.pk and c.domain_id in domains]
        observations = [o for check in own for o in self.observations.get(check.pk, [])]
        found = safe_times_by_kind(own, observations, tenant.region_values, now=now)
        return latest_cutover_time(found)


def _next_inbound(tenant: Tenant, switched: Collection[int]) -> set[int | None]:
    """The domains of the first inbound cutover that has not switched."""
    for cutover in tenant.plan.cutovers.all():
        if cutover.direction == Cutover.Direction.INBOUND and cutover.pk not in switched:
            return {domain.pk for domain in cutover.domains.all()}
    return set()
