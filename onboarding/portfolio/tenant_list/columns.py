"""The columns and the orders of the list of tenants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, FloatField, Min, OrderBy, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Cast, Lower, NullIf

from onboarding.models import PlanRisk
from tenants.models import Tenant, User
from tenants.queries import condition_of_staffed_tenants, is_staff_everywhere

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


# The orders by the columns of a client. The others show facts for staff.
_CLIENT_SORTS = {"name", *(COLUMNS[key].sort for key in CLIENT_COLUMNS if COLUMNS[key].sort)}
_STAFF_SORTS = {column.sort for column in COLUMNS.values() if not column.is_for_clients}


def is_known_sort(sort: str, *, is_staff: bool) -> bool:
    return sort.removeprefix("-") in (SORTS if is_staff else _CLIENT_SORTS)


def ordered(tenants: QuerySet[Tenant], sort: str, *, user: User) -> QuerySet[Tenant]:
    """The tenants in this order. Tenants without a value are last in both directions.

    A fact for staff orders only the tenants in which the person has a staff role.
    """
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    is_descending = is_reversed is not (key in _DESCENDING)
    if key == "risk":
        tenants = _with_risk(tenants)
    expressions = _EXPRESSIONS[key]
    if key in _STAFF_SORTS and not is_staff_everywhere(user):
        is_staffed = condition_of_staffed_tenants(user, "")
        expressions = [Case(When(is_staffed, then=each)) for each in expressions]
    directed = [_directed(each, is_descending=is_descending) for each in expressions]
    return tenants.order_by(*directed, "name", "pk")


def _directed(expression: Any, *, is_descending: bool) -> OrderBy:
    return OrderBy(expression, descending=is_descending, nulls_last=True)


_EXPRESSIONS: Mapping[str, Sequence[Any]] = {
    # The soonest window with a risk first, then the oldest risk: the order of the dashboard.
    "risk": [F("risk_window"), F("risk_since")],
    "name": [F("name")],
    "phase": [Cast("plan__tasks_complete", FloatField()) / NullIf(F("plan__tasks_total"), 0)],
    "waiting": [F(f"{_FIGURES}waiting_since")],
    "cutover": [F(f"{_FIGURES}next_cutover_at")],
    "forecast": [F(f"{_FIGURES}forecast_on")],
    "slip": [F(f"{_FIGURES}slip_days")],
    "due": [F(f"{_FIGURES}due_on")],
    "consultant": [Lower("consultant__name")],
    "created": [F("created_at")],
}


def _with_risk(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """With the soonest window and the oldest risk of each tenant."""
    risks = PlanRisk.objects.filter(plan=OuterRef("plan")).order_by().values("plan")
    return tenants.annotate(
        risk_window=Subquery(risks.annotate(at=Min("cutover_at")).values("at")),
        risk_since=Subquery(risks.annotate(at=Min("since")).values("at")),
    )
