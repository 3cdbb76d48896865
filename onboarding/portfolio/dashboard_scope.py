"""The tenants of the dashboard and its lists: of one consultant or region, or all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from onboarding.portfolio import filters
from tenants.models import Tenant


@dataclass(frozen=True)
class DashboardScope:
    """The open tenants, and all of them. `query` is the begin of the query of every link.

    `without_consultant` is the same, for a link that chooses another consultant.
    """

    tenants: QuerySet[Tenant]
    with_closed: QuerySet[Tenant]
    query: str
    without_consultant: str

    @classmethod
    def of(cls, chosen: filters.TenantFilter, visible: QuerySet[Tenant]) -> Self:
        with_closed = chosen.in_scope(visible)
        values = {name: str(chosen.data.get(name) or "") for name in filters.SCOPE}
        return cls(
            with_closed.filter(closed_at__isnull=True),
            with_closed,
            _begin_of_query(values),
            _begin_of_query(values | {"consultant": ""}),
        )


def _begin_of_query(values: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{query}&" if query else ""


def query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()
