"""The views above the list of tenants, with the number of tenants of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import QueryDict

from onboarding.models import SavedView
from onboarding.portfolio.row_cache import cached_overview
from onboarding.portfolio.tenant_list.conditions import TenantListFilter
from onboarding.portfolio.tenant_list.list_state import ListState, built_in_views
from tenants.models import Tenant, User

# The saved views whose tenants are counted, one query each. The others have no number.
MOST_COUNTED = 12


@dataclass(frozen=True)
class ViewTab:
    """One view. `address` is its query string; `number` is None without a count."""

    address: str
    label: str
    number: int | None
    is_current: bool
    is_shared: bool = False


def tabs_of(state: ListState, views: Sequence[SavedView], *, revision: str) -> list[ViewTab]:
    """The built-in views, then the saved ones. The counts are computed once for each change."""
    built_in = built_in_views(state.user)
    counted = [*(view.query for view in built_in), *(view.query for view in views[:MOST_COUNTED])]
    digest = hashlib.sha256(repr(counted).encode()).hexdigest()
    numbers = cached_overview(
        state.user,
        lambda: _counts(state.user, state.visible, counted),
        kind=f"tenant views {digest}",
        revision=revision,
    )
    tabs = [
        ViewTab(f"show={each.key}", each.label, numbers[each.query], state.view == each.key)
        for each in built_in
    ]
    return tabs + [
        ViewTab(
            f"view={each.public_id}",
            each.name,
            numbers.get(each.query),
            state.view == each.public_id,
            each.is_shared,
        )
        for each in views
    ]


def _counts(user: User, visible: QuerySet[Tenant], queries: Sequence[str]) -> dict[str, int]:
    return {
        query: TenantListFilter(QueryDict(query), queryset=visible, person=user)
        .qs.order_by()
        .count()
        for query in queries
    }
