"""Compute the risks and the figures of tenants, and store them with the plan.

The rows belong to one revision of the plan, and are valid until the next time at which they change
with time alone. Lists filter the stored rows: tile, filter, list, badge and API always agree.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet

from checks.models import Check
from onboarding.cutovers.queries import switched
from onboarding.models import Cutover, OnCall, Plan, PlanRisk
from onboarding.plans.current_state import tenant_states
from onboarding.plans.forecast import forecast_of
from onboarding.plans.forecast_inputs import forecast_inputs
from onboarding.plans.forecast_sources import load_rows
from onboarding.plans.planned_cutovers import window_bounds
from onboarding.portfolio.dashboard_rows import changes_with_time, oldest_runs
from onboarding.portfolio.figure_updates import FigureSources, TenantFigures, store_figures
from onboarding.portfolio.figures import recalculated_at
from onboarding.portfolio.queries import failing_checks, with_plans
from onboarding.portfolio.risks import THRESHOLDS, Risk, RiskFacts, risks_of
from onboarding.portfolio.tenant_status import fault_sentence
from tenants import database_time
from tenants.models import Tenant


@dataclass(frozen=True)
class TenantResult:
    """The risks and the figures of one tenant, and the time until which they are valid."""

    tenant: Tenant
    risks: Sequence[Risk]
    figures: TenantFigures
    valid_until: datetime


logger = logging.getLogger(__name__)

# A page computes so many missing results itself. The beat computes the others within a minute.
MOST_AT_ONCE = 20
MOST_PER_BEAT = 1000


def with_outdated_risks(plans: QuerySet[Plan], *, now: datetime) -> QuerySet[Plan]:
    """The plans whose stored risks belong to an earlier revision, or were valid until now."""
    is_outdated = (
        Q(risks_revision=None)
        | ~Q(risks_revision=F("revision"))
        | Q(risks_valid_until__lte=now)
        | Q(figures=None)
    )
    return plans.filter(is_outdated)


def refresh(tenants: QuerySet[Tenant]) -> None:
    """Compute the risks of a few tenants of the list that are outdated, before a page shows them.

    A read-only or busy database changes nothing: the page then shows the stored risks.
    """
    plans = with_outdated_risks(Plan.objects.filter(tenant__in=tenants), now=database_time.now())
    ids = list(plans.order_by().values_list("tenant_id", flat=True)[:MOST_AT_ONCE])
    if not ids:
        return
    try:
        update(ids)
    except DatabaseError as error:
        logger.warning("the risks of %d tenants could not be stored: %s", len(ids), error)


def update(tenant_ids: Collection[int]) -> None:
    """Compute and store the risks of these tenants, in a constant number of queries for reading."""
    now = database_time.now()
    tenants = list(with_plans(Tenant.objects.filter(pk__in=tenant_ids)))
    for result in _compute(tenants, now=now):
        with transaction.atomic():
            _store(result, now=now)


def _store(result: TenantResult, *, now: datetime) -> None:
    """Replace the rows if they differ. A changed list is a visible change of the plan.

    While another transaction changes the plan, nothing is stored: a page must not wait for it, and
    the result would be outdated.
    """
    plan, found = result.tenant.plan, result.risks
    locked = Plan.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=plan.pk)
    current = locked.values_list("revision", flat=True).first()
    if current is None:
        return
    # Of the facts that were read: a change since then makes the result outdated.
    revision = plan.revision
    stored = list(PlanRisk.objects.filter(plan=plan))
    if [_values(risk) for risk in stored] != [_new_values(risk) for risk in found]:
        since = {_identity(risk): risk.since for risk in stored}
        PlanRisk.objects.filter(plan=plan).delete()
        PlanRisk.objects.bulk_create(_rows(plan, found, since, now=now))
        Plan.objects.filter(pk=plan.pk).update(revision=F("revision") + 1)
        revision = revision + 1 if current == revision else revision
    store_figures(plan, result.figures)
    Plan.objects.filter(pk=plan.pk).update(
        risks_revision=revision, risks_valid_until=result.valid_until
    )


def _rows(
    plan: Plan,
    found: Sequence[Risk],
    since: Mapping[tuple[str, str], datetime],
    *,
    now: datetime,
) -> Iterator[PlanRisk]:
    for position, risk in enumerate(found):
        yield PlanRisk(
            plan=plan,
            code=risk.code,
            position=position,
            params=dict(risk.params, target=risk.target),
            cutover_at=risk.cutover_at,
            since=since.get(risk.identity, now),
        )


def _identity(row: PlanRisk) -> tuple[str, str]:
    return row.code, row.params["target"]


def _values(row: PlanRisk) -> tuple[object, ...]:
    return row.code, row.params, row.cutover_at


def _new_values(risk: Risk) -> tuple[object, ...]:
    return str(risk.code), dict(risk.params, target=risk.target), risk.cutover_at


# --- The facts


def _compute(tenants: Sequence[Tenant], *, now: datetime) -> Iterator[TenantResult]:
    states = tenant_states(tenants, now=now)
    failing: dict[int, list[Check]] = {}
    for check in failing_checks(tenants, now=now):
        failing.setdefault(check.tenant_id, []).append(check)
    has_switched = set(
        switched(Cutover.objects.filter(plan__tenant__in=tenants)).values_list("pk", flat=True)
    )
    on_call = _on_call_sides(tenants)
    checked_at = oldest_runs([tenant.pk for tenant in tenants])
    phases = {t.plan.pk: {p.pk: p.key for p in t.plan.phases.all()} for t in tenants}
    sources = FigureSources.of(tenants)
    for rows in load_rows(tenants, now=now):
        tenant = rows.tenant
        faults, state = failing.get(tenant.pk, []), states[tenant.pk]
        ahead = [cutover for cutover in rows.cutovers if cutover.pk not in has_switched]
        is_active = tenant.plan.tasks_complete < tenant.plan.tasks_total
        has_forecast = is_active and not tenant.is_closed
        forecast = forecast_of(forecast_inputs(rows)) if has_forecast else None
        facts = RiskFacts(
            tasks=rows.tasks,
            failing={c.public_id: fault_sentence(c) for c in faults},
            drifts=state.drifts,
            ahead=ahead if is_active else [],
            expected=forecast.window_days if forecast is not None else {},
            on_call=on_call,
            calendar=rows.calendar,
            now=now,
            waiting_days=settings.RISK_WAITING_DAYS,
            phases=phases[tenant.plan.pk],
        )
        found = risks_of(facts, is_closed=tenant.is_closed)
        figures = sources.figures_of(
            rows, risks=found, forecast=forecast, state=state, failing=faults, switched=has_switched
        )
        changes = [
            *changes_with_time(tenant, rows.cutovers, checked_at.get(tenant.pk), now=now),
            *_threshold_times(ahead),
            *recalculated_at(figures.statuses, now=now),
        ]
        yield TenantResult(tenant, found, figures, min(at for at in changes if at > now))


def _threshold_times(cutovers: Iterable[Cutover]) -> Iterator[datetime]:
    for cutover in cutovers:
        yield from (cutover.planned_at - each for each in THRESHOLDS)
        yield window_bounds(cutover)[1]


def _on_call_sides(tenants: Sequence[Tenant]) -> dict[int, set[str]]:
    """The sides with a person on call, by cutover. A person who left the tenant does not count."""
    sides: dict[int, set[str]] = {}
    rows = OnCall.objects.filter(cutover__plan__tenant__in=tenants)
    members = Tenant.objects.filter(pk__in=[t.pk for t in tenants], memberships__isnull=False)
    known = set(members.values_list("pk", "memberships__user_id"))
    for each in rows.select_related("user", "cutover__plan"):
        user = each.user
        is_member = user is None or (each.cutover.plan.tenant_id, user.pk) in known
        if user is None or (user.is_active and (user.is_mimecast or is_member)):
            sides.setdefault(each.cutover_id, set()).add(each.side)
    return sides
