"""The forecast as the schedule page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from onboarding.models import Cutover
from onboarding.plan_templates.registry import template_version_of
from onboarding.plans.forecast import (
    Forecast,
    ForecastAction,
    ForecastInputs,
    StepKind,
    best_action,
    forecast_of,
    why_no_action,
)
from onboarding.plans.forecast_inputs import forecast_inputs
from onboarding.plans.forecast_sources import TenantRows, load_rows
from onboarding.portfolio.forms import WhatIfForm
from onboarding.portfolio.what_if import ForecastChange, WhatIf, what_if
from tenants.models import Tenant


@dataclass(frozen=True)
class ExpectedCutover:
    """A cutover with its planned and its expected day. `late` are working days.

    A direction without a window has no cutover and no planned day.
    """

    label: str
    cutover: Cutover | None
    planned_on: date | None
    expected_on: date
    late: int = 0


@dataclass(frozen=True)
class ForecastCard:
    """The forecast of one tenant, the action that moves it, and the what-if."""

    inputs: ForecastInputs
    forecast: Forecast
    cutovers: Sequence[ExpectedCutover]
    form: WhatIfForm
    action: ForecastAction | None
    no_action: str
    what_if: WhatIf | None = None


def load_card(tenant: Tenant, query: Mapping[str, str], *, now: datetime) -> ForecastCard:
    """The card of a tenant. `query` has the values of a what-if."""
    (rows,) = load_rows([tenant], now=now)
    inputs = forecast_inputs(rows)
    forecast = forecast_of(inputs)
    action = best_action(inputs, forecast)
    version = template_version_of(tenant.plan.template)
    definitions = {definition.key: definition for definition in version.tasks}
    form = WhatIfForm(
        query if any(name in query for name in WhatIfForm.base_fields) else None,
        today=inputs.today,
        tasks=[(step.key, step.title) for step in inputs.steps if step.kind is StepKind.WORK],
        products=version.products,
        bought=tenant.products,
    )
    change = _change(form, tenant)
    return ForecastCard(
        inputs,
        forecast,
        list(expected_cutovers(rows, inputs, forecast)),
        form,
        action,
        "" if action is not None else why_no_action(inputs, forecast),
        None if change.is_empty else what_if(rows, definitions, change, forecast),
    )


def _change(form: WhatIfForm, tenant: Tenant) -> ForecastChange:
    if not form.is_bound or not form.is_valid():
        return ForecastChange()
    cleaned = form.cleaned_data
    fields = ("platform", "directory_method", "authentication")
    profile: dict[str, object] = {name: cleaned[name] for name in fields if cleaned[name]}
    if cleaned["add_product"] or cleaned["remove_product"]:
        kept = [each for each in tenant.products if each != cleaned["remove_product"]]
        added = [cleaned["add_product"]] if cleaned["add_product"] else []
        profile["products"] = [*kept, *added]
    days = {"outbound": cleaned["outbound_on"], "inbound": cleaned["inbound_on"]}
    return ForecastChange(
        profile,
        {direction: day for direction, day in days.items() if day is not None},
        cleaned["task"],
        cleaned["done_on"],
    )


def expected_cutovers(
    rows: TenantRows, inputs: ForecastInputs, forecast: Forecast
) -> Iterator[ExpectedCutover]:
    """The expected day of each open cutover, in the order of the plan."""
    by_id = {cutover.public_id: cutover for cutover in rows.cutovers}
    calendar = inputs.calendars["both"]
    for span in forecast.spans.values():
        if span.step.kind is not StepKind.CUTOVER:
            continue
        for window in span.step.windows:
            cutover, expected = by_id[window.key], (span.windows or {})[window.key]
            late = calendar.working_days_from(window.day, expected)
            label = f"{cutover} of {cutover.domain_summary}"
            yield ExpectedCutover(label, cutover, window.day, expected, late)
        if span.step.is_unplanned or not span.step.windows:
            yield ExpectedCutover(span.step.title, None, None, span.end)
