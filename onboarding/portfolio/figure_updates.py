"""Load the facts behind the figures of tenants, and store the figures that have changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django.db.models import Model, QuerySet

from checks.models import Check
from onboarding.models import (
    AcceptedResidualRisk,
    Cutover,
    CutoverStatus,
    PhaseTime,
    Plan,
    PlanFigures,
    TaskStatus,
    WaitingPeriod,
)
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.current_state import TenantState
from onboarding.plans.forecast import Forecast
from onboarding.plans.forecast_sources import TenantRows
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.portfolio.dashboard_rows import CutoverHistory
from onboarding.portfolio.figures import (
    FigureFacts,
    Wait,
    cutover_statuses,
    phase_times,
    plan_figures,
)
from onboarding.portfolio.risks import Risk
from onboarding.portfolio.tenant_status import TenantStatus, tenant_status
from tenants.models import Tenant

_FINISHED = (TaskStatus.DONE, TaskStatus.VERIFIED)
Values = dict[int, dict[str, object]]


@dataclass(frozen=True)
class TenantFigures:
    """The figures of one tenant: the values of each row by its primary key."""

    plan: Values
    phases: Values
    cutovers: Values
    # The cutovers with the status of the tenant for each.
    statuses: Sequence[TenantStatus] = ()


@dataclass(frozen=True)
class FigureSources:
    """The rows of several tenants that no other result needs. Four queries."""

    waits: Mapping[int, Sequence[Wait]]
    accepted: Collection[int]
    history: CutoverHistory

    @classmethod
    def of(cls, tenants: Sequence[Tenant]) -> Self:
        waits: dict[int, list[Wait]] = {}
        rows = WaitingPeriod.objects.filter(task__plan__tenant__in=tenants).order_by()
        names = ("task__plan_id", "task_id", "side", "started_at", "ended_at")
        for plan_id, *values in rows.values_list(*names):
            waits.setdefault(plan_id, []).append(Wait(*values))
        accepted = AcceptedResidualRisk.objects.filter(tenant__in=tenants, withdrawn_at=None)
        return cls(
            waits, set(accepted.values_list("tenant_id", flat=True)), CutoverHistory.of(tenants)
        )

    def figures_of(
        self,
        rows: TenantRows,
        *,
        risks: Sequence[Risk],
        forecast: Forecast | None,
        state: TenantState,
        failing: Sequence[Check],
        switched: Collection[int],
    ) -> TenantFigures:
        """The figures of one tenant, whose plan and phases are loaded."""
        tenant = rows.tenant
        is_closed = tenant.is_closed
        ahead = [] if is_closed else [c for c in rows.cutovers if c.pk not in switched]
        facts = FigureFacts(
            phases=list(tenant.plan.phases.all()),
            tasks=rows.tasks,
            ahead=ahead,
            forecast=forecast,
            waits=self.waits.get(tenant.plan.pk, ()),
            follow_up=self._follow_up(rows, state) if is_closed else 0,
            calendar=rows.calendar,
            now=rows.now,
        )
        open_tasks = [task for task in rows.tasks if task.status not in _FINISHED]
        statuses = {
            cutover: tenant_status(
                tenant.plan,
                [cutover],
                open_tasks,
                state,
                failing,
                self._safe_time(cutover, rows),
                switched=switched,
                now=rows.now,
            )
            for cutover in rows.cutovers
        }
        return TenantFigures(
            {tenant.plan.pk: plan_figures(facts)},
            phase_times(facts),
            cutover_statuses(statuses, open_tasks, risks, switched),
            list(statuses.values()),
        )

    def _safe_time(self, cutover: Cutover, rows: TenantRows) -> PlanSafeTime | None:
        domains = {domain.pk for domain in cutover.domains.all()}
        return self.history.safe_time(rows.tenant, domains, now=rows.now)

    def _follow_up(self, rows: TenantRows, state: TenantState) -> int:
        """The accepted residual risks of a closed tenant that are not over, and its drifts."""
        if rows.tenant.pk not in self.accepted:
            return state.drifts
        found = obligations_of(rows.tasks, PlanContext.of(rows.tenant), now=rows.now)
        return state.drifts + len(found.risks)


def store_figures(plan: Plan, figures: TenantFigures) -> bool:
    """Store the rows that have changed, and state whether one has. The caller locks the plan."""
    changes = [
        _store(PlanFigures.objects.filter(plan=plan), figures.plan),
        _store(PhaseTime.objects.filter(phase__plan=plan), figures.phases),
        _store(CutoverStatus.objects.filter(cutover__plan=plan), figures.cutovers),
    ]
    return any(changes)


def _store(rows: QuerySet[Any], wanted: Values) -> bool:
    """One query if nothing has changed."""
    stored: dict[int, Model] = {row.pk: row for row in rows}
    created = [rows.model(pk=pk, **wanted[pk]) for pk in wanted if pk not in stored]
    changed = []
    for pk, row in stored.items():
        values = wanted.get(pk, {})
        if any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            changed.append(row)
    gone = [pk for pk in stored if pk not in wanted]
    if created:
        rows.model.objects.bulk_create(created)
    if changed:
        names = [field.name for field in rows.model._meta.fields if not field.primary_key]
        rows.model.objects.bulk_update(changed, names)
    if gone:
        rows.model.objects.filter(pk__in=gone).delete()
    return bool(created or changed or gone)
