"""The columns and the orders of the list of tenants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, FloatField, Min, OrderBy, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast, Lower, NullIf

from onboarding.models import PlanRisk
from tenants.models import Tenant

COMFORTABLE, COMPACT = "comfortable", "compact"
DENSITIES = {COMFORTABLE: "Comfortable", COMPACT: "Compact"}


@dataclass(frozen=True)
class ListColumn:
    """One column. `sort` is the name of its order, or empty. `is_number`: aligned to the end."""

    key: str
    label: str
    sort: str = ""
    is_for_clients: bool = False
    is_number: bool = False


TENANT = ListColumn("tenant", "Tenant", "name", is_for_clients=True)
# The columns that a person can choose, in the order of the table.
COLUMNS: Mapping[str, ListColumn] = {
    column.key: column
    for column in (
        ListColumn("risk", "Risk", "risk"),
        ListColumn("phase", "Phase", "phase", is_for_clients=True),
        ListColumn("tasks", "Tasks done", "phase", is_for_clients=True, is_number=True),
        ListColumn("waiting", "Waiting on", "waiting"),
        ListColumn("cutover", "Next cutover", "cutover", is_for_clients=True),
        ListColumn("forecast", "Forecast", "forecast"),
        ListColumn("slip", "Against the schedule", "slip", is_number=True),
        ListColumn("due", "Due date", "due"),
        ListColumn("checks", "Checks", is_for_clients=True),
        ListColumn("consultant", "Consultant", "consultant", is_for_clients=True),
        ListColumn("created", "Created", "created"),
    )
}
DEFAULT_COLUMNS = ("risk", "phase", "waiting", "cutover", "forecast", "checks", "consultant")
CLIENT_COLUMNS = ("phase", "tasks", "cutover", "checks", "consultant")


def chosen_columns(keys: Collection[str], *, is_staff: bool) -> tuple[str, ...]:
    """The known keys in the order of the table; the default without one."""
    if not is_staff:
        return CLIENT_COLUMNS
    return tuple(key for key in COLUMNS if key in keys) or DEFAULT_COLUMNS


# --- Order

_FIGURES = "plan__figures__"
# Each order by its name. An order is descending with a minus before its name.
SORTS: Mapping[str, str] = {
    "name": "Tenant",
    "risk": "Risk, most urgent first",
    "phase": "Progress",
    "waiting": "Longest wait first",
    "cutover": "Next cutover",
    "forecast": "Forecast",
    "slip": "Largest slip first",
    "due": "Due date",
    "consultant": "Consultant",
    "created": "Newest first",
}
_DESCENDING = ("slip", "created")


def is_known_sort(sort: str) -> bool:
    return sort.removeprefix("-") in SORTS


def ordered(tenants: QuerySet[Tenant], sort: str) -> QuerySet[Tenant]:
    """The tenants in this order. Tenants without a value are last in both directions."""
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    if key == "risk":
        return _by_risk(tenants, is_reversed=is_reversed)
    is_descending = is_reversed is not (key in _DESCENDING)
    return tenants.order_by(_directed(_EXPRESSIONS[key], is_descending=is_descending), "name", "pk")


def _directed(expression: Any, *, is_descending: bool) -> OrderBy:
    return OrderBy(expression, descending=is_descending, nulls_last=True)


_EXPRESSIONS: Mapping[str, Any] = {
    "name": F("name"),
    "phase": Cast("plan__tasks_complete", FloatField()) / NullIf(F("plan__tasks_total"), 0),
    "waiting": F(f"{_FIGURES}waiting_since"),
    "cutover": F(f"{_FIGURES}next_cutover_at"),
    "forecast": F(f"{_FIGURES}forecast_on"),
    "slip": F(f"{_FIGURES}slip_days"),
    "due": F(f"{_FIGURES}due_on"),
    "consultant": Lower("consultant__name"),
    "created": F("created_at"),
}


def _by_risk(tenants: QuerySet[Tenant], *, is_reversed: bool) -> QuerySet[Tenant]:
    """The soonest window with a risk first, then the oldest risk: the order of the dashboard."""
    risks = PlanRisk.objects.filter(plan=OuterRef("plan")).order_by().values("plan")
    found = tenants.annotate(
        risk_window=Subquery(risks.annotate(at=Min("cutover_at")).values("at")),
        risk_since=Subquery(risks.annotate(at=Min("since")).values("at")),
    )
    return found.order_by(
        _directed(F("risk_window"), is_descending=is_reversed),
        _directed(F("risk_since"), is_descending=is_reversed),
        "name",
        "pk",
    )
