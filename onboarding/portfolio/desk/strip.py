"""The cutovers of the next 14 days, by the local day of their tenants, with their readiness."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.urls import reverse

from onboarding.cutovers.queries import switched
from onboarding.models import Cutover, PlanRisk, Task
from onboarding.plans.current_state import tenant_states
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION, window_bounds
from onboarding.plans.rows import Shape
from onboarding.plans.task_roles import task_with_role
from onboarding.portfolio import filters
from onboarding.portfolio.cutover_labels import SWITCHED, readiness_label
from onboarding.portfolio.dashboard_rows import CutoverHistory
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.entries import TenantLabel
from onboarding.portfolio.queries import failing_checks, unfinished_tasks
from onboarding.portfolio.tenant_status import TenantStatus, tenant_status
from tenants.models import User

DAYS = filters.SOON.days
# The strip has no room for more, and a person cannot attend more.
MOST_CUTOVERS = 40


@dataclass(frozen=True)
class StripCutover:
    """One cutover: the shape and the short label of its readiness, and its complete status."""

    tenant: TenantLabel
    direction: str
    planned_at: datetime
    url: str
    shape: Shape
    label: str
    status: str


@dataclass(frozen=True)
class StripDay:
    day: date
    cutovers: Sequence[StripCutover]

    @property
    def is_weekend(self) -> bool:
        return self.day.weekday() >= 5


@dataclass(frozen=True)
class Strip:
    """The days from today on. `next_at`: the start of the next window, if it is ahead.

    `more` cutovers of these days have no room.
    """

    days: Sequence[StripDay]
    next_at: datetime | None
    more: int = 0

    @property
    def number(self) -> int:
        return sum(len(day.cutovers) for day in self.days)


def strip_of(user: User, *, today: date, now: datetime) -> Strip:
    """The strip of a person, in a constant number of queries."""
    end = today + timedelta(days=DAYS)
    found = queries.cutovers_ahead(user, days=DAYS, now=now)
    # A window of last night may still be open.
    ahead = [c for c in found if window_bounds(c)[1] > now and _local_day(c) < end]
    shown = ahead[:MOST_CUTOVERS]
    by_day: dict[date, list[StripCutover]] = {}
    for cutover, row in zip(shown, _rows(shown, now=now), strict=True):
        # A tenant may be a day behind.
        by_day.setdefault(max(_local_day(cutover), today), []).append(row)
    days = [today + timedelta(days=number) for number in range(DAYS)]
    return Strip(
        [StripDay(day, by_day.get(day, [])) for day in days],
        min((cutover.planned_at for cutover in ahead if cutover.planned_at > now), default=None),
        len(ahead) - len(shown),
    )


def _local_day(cutover: Cutover) -> date:
    zone = zoneinfo.ZoneInfo(cutover.plan.tenant.time_zone)
    return cutover.planned_at.astimezone(zone).date()


@dataclass(frozen=True)
class _StripFacts:
    """The facts behind the readiness of several cutovers."""

    tasks: Mapping[int, Mapping[str, Task]]
    switched: Collection[int]
    blocked: Collection[tuple[int, str]]
    # The windows that a risk concerns, and the plans with a risk that concerns no window.
    risky: Collection[tuple[int, str]]
    plans_at_risk: Collection[int]

    def is_at_risk(self, cutover: Cutover) -> bool:
        """Whether a stored risk concerns the cutover, or the whole tenant, as on the dashboard."""
        is_risky = (cutover.plan_id, cutover.public_id) in self.risky
        return is_risky or cutover.plan_id in self.plans_at_risk

    def open_tasks(self, cutover: Cutover) -> list[Task]:
        """The open tasks that the cutover waits for."""
        by_key = self.tasks.get(cutover.plan_id, {})
        role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
        task = task_with_role(by_key.values(), role)
        return open_dependencies_of(task, by_key) if task is not None else []


def _rows(cutovers: Sequence[Cutover], *, now: datetime) -> list[StripCutover]:
    """The readiness of each cutover, in their order: the status that the dashboard shows."""
    tenants = list({cutover.plan.tenant: None for cutover in cutovers})
    states = tenant_states(tenants, now=now)
    failing = list(failing_checks(tenants, now=now))
    tasks: dict[int, dict[str, Task]] = {}
    for task in unfinished_tasks(tenants):
        tasks.setdefault(task.plan_id, {})[task.key] = task
    risks = list(PlanRisk.objects.filter(plan__tenant__in=tenants))
    facts = _StripFacts(
        tasks,
        set(
            switched(Cutover.objects.filter(plan__tenant__in=tenants)).values_list("pk", flat=True)
        ),
        {(r.plan_id, r.params["target"]) for r in risks if r.code == PlanRisk.Code.BLOCKED},
        {(r.plan_id, r.params["target"]) for r in risks if r.cutover_at is not None},
        {r.plan_id for r in risks if r.cutover_at is None},
    )
    history = CutoverHistory.of(tenants)
    rows = []
    for cutover in cutovers:
        tenant = cutover.plan.tenant
        domains = {domain.pk for domain in cutover.domains.all()}
        status = tenant_status(
            cutover.plan,
            [cutover],
            list(tasks.get(cutover.plan_id, {}).values()),
            states[tenant.pk],
            [check for check in failing if check.tenant_id == tenant.pk],
            history.safe_time(tenant, domains, now=now),
            switched=facts.switched,
            now=now,
        )
        rows.append(_row(cutover, status, facts))
    return rows


def _row(cutover: Cutover, status: TenantStatus, facts: _StripFacts) -> StripCutover:
    shape, label = _readiness(cutover, status, facts)
    tenant = cutover.plan.tenant
    return StripCutover(
        TenantLabel.of(tenant),
        Cutover.Direction(cutover.direction).label,
        cutover.planned_at,
        reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id]),
        shape,
        label,
        label if label == SWITCHED else status.text,
    )


def _readiness(cutover: Cutover, status: TenantStatus, facts: _StripFacts) -> tuple[Shape, str]:
    is_switched = cutover.pk in facts.switched
    shape, label = readiness_label(
        status,
        is_switched=is_switched,
        is_blocked=(cutover.plan_id, cutover.public_id) in facts.blocked,
        open_tasks=len(facts.open_tasks(cutover)),
    )
    if not is_switched and facts.is_at_risk(cutover) and shape is not Shape.FAIL:
        return Shape.FAIL, "At risk"
    return shape, label
