"""A query of the list of tenants: its filters, order, columns and density, and the chosen view.

An address has either the values themselves, or names a view: `show` is one of the built-in views,
`view` a saved one. Without both, the list opens with the person's default view.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet
from django.http import QueryDict

from onboarding.models import PlanRisk, SavedView
from onboarding.portfolio.tenant_list import columns
from onboarding.portfolio.tenant_list.conditions import ANY, ME, TenantListFilter
from tenants.models import Tenant, User

FILTERS = tuple(TenantListFilter.base_filters)
# The parameters of a query, in the order in which a view stores them.
PARAMETERS = (*FILTERS, "sort", "column", "density")
DEFAULT_SORT = "name"


@dataclass(frozen=True)
class BuiltInView:
    """A view that every member of staff has. `query` is its query string."""

    key: str
    label: str
    query: str


def built_in_views(user: User) -> list[BuiltInView]:
    """The views of the person's role. A consultant's views begin with their own tenants."""
    if not user.is_mimecast:
        return [BuiltInView("all", "Your tenants", ""), BuiltInView("closed", "Closed", _CLOSED)]
    is_consultant = user.staff_role == User.StaffRole.CONSULTANT
    own = f"&consultant={ME}" if is_consultant else ""
    mine = [BuiltInView("mine", "My tenants", f"consultant={ME}")] if is_consultant else []
    return [
        *mine,
        BuiltInView("risk", "At risk", f"risk={ANY}{own}&sort=risk"),
        BuiltInView("soon", "Cutover in 14 days", f"next_cutover=7&next_cutover=14{own}{_BY_DAY}"),
        BuiltInView("waiting", "Waiting too long", f"{_TOO_LONG}{own}&sort=waiting"),
        BuiltInView("drifted", "Drift since go-live", f"status=drifted{own}"),
        BuiltInView("all", "All open", ""),
        BuiltInView("closed", "Closed", _CLOSED),
    ]


_CLOSED = "status=closed"
_BY_DAY = "&sort=cutover"
_TOO_LONG = f"risk={PlanRisk.Code.WAITING.value}"


@dataclass(frozen=True)
class ListState:
    """The query of a request as the list that it describes."""

    user: User
    values: QueryDict
    # The key of the built-in view or the id of the saved view with this query; empty without one.
    view: str
    # The saved view that the address names, also with changed values.
    saved: SavedView | None
    visible: QuerySet[Tenant]

    @cached_property
    def filter(self) -> TenantListFilter:
        return TenantListFilter(self.values, queryset=self.visible, person=self.user)

    @property
    def sort(self) -> str:
        chosen = self.values.get("sort", "")
        is_known = columns.is_known_sort(chosen, is_staff=self.user.is_mimecast)
        return chosen if is_known else DEFAULT_SORT

    @property
    def density(self) -> str:
        chosen = self.values.get("density", "")
        return chosen if chosen in columns.DENSITIES else columns.COMFORTABLE

    @property
    def columns(self) -> tuple[str, ...]:
        keys = self.values.getlist("column")
        return columns.chosen_columns(keys, is_staff=self.user.is_mimecast)

    @cached_property
    def query(self) -> str:
        return query_of(self.values)

    @property
    def tenants(self) -> QuerySet[Tenant]:
        found: QuerySet[Tenant] = self.filter.qs
        return columns.ordered(found, self.sort, user=self.user)

    @property
    def is_filtered(self) -> bool:
        return any(self.values.get(name) for name in FILTERS)

    @property
    def is_changed(self) -> bool:
        """Whether the address names a saved view and has other values than it stores."""
        return self.saved is not None and self.saved.query != self.query

    def query_with(self, name: str, value: str = "", *, without: str = "") -> str:
        """The query with another value of one parameter; `without` removes one of its values."""
        values = self.values.copy()
        if without:
            values.setlist(name, [each for each in values.getlist(name) if each != without])
        else:
            values[name] = value
        return query_of(values)


def query_of(values: QueryDict) -> str:
    """The known values in a fixed order, so that equal lists have equal queries."""
    kept = QueryDict(mutable=True)
    for name, texts in _present_values(values):
        kept.setlist(name, texts)
    return kept.urlencode()


def _present_values(values: QueryDict) -> Iterator[tuple[str, list[str]]]:
    defaults: Mapping[str, Sequence[str]] = {
        "sort": [DEFAULT_SORT],
        "density": [columns.COMFORTABLE],
        "column": columns.DEFAULT_COLUMNS,
    }
    for name in PARAMETERS:
        texts = list(dict.fromkeys(text for text in values.getlist(name) if text.strip()))
        if texts and texts != list(defaults.get(name, ())):
            yield name, texts


def state_of(
    user: User, given: QueryDict, visible: QuerySet[Tenant], views: Sequence[SavedView]
) -> ListState:
    """The list of a request. `views` are the saved views of the person, and the shared ones."""
    built_in = {view.key: view for view in built_in_views(user)}
    saved = next((view for view in views if view.public_id == given.get("view")), None)
    if any(name in given for name in PARAMETERS):
        values = given
    elif saved is not None:
        values = QueryDict(saved.query)
    elif given.get("show") in built_in:
        values = QueryDict(built_in[str(given["show"])].query)
    else:
        saved = next((view for view in views if view.is_default and view.owner_id == user.pk), None)
        first = built_in.get("mine", built_in["all"]).query
        values = QueryDict(saved.query if saved is not None else first)
    query = query_of(values)
    view = _view_with(query, saved, built_in.values())
    return ListState(user, QueryDict(query), view, saved, visible)


def _view_with(query: str, saved: SavedView | None, built_in: Iterable[BuiltInView]) -> str:
    if saved is not None:
        return saved.public_id
    wanted = _filters_of(query)
    return next((view.key for view in built_in if _filters_of(view.query) == wanted), "")


def _filters_of(query: str) -> list[tuple[str, list[str]]]:
    """The filters alone: another order or other columns show the same tenants."""
    return [(name, texts) for name, texts in _present_values(QueryDict(query)) if name in FILTERS]
