"""Pages and order of lists. A cursor remains valid while rows appear and disappear."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from tenants.rest.problems import invalid

MOST_ROWS = 200


class CursorPages(CursorPagination):
    """50 rows on a page, or `page_size`. The view or `ordering` decides about the order."""

    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = f"The number of rows on a page, at most {MOST_ROWS}."
    cursor_query_description = "The position of the page, from `next` or `previous`."
    max_page_size = MOST_ROWS

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        size = request.query_params.get("page_size", "")
        if size and not (size.isascii() and size.isdecimal() and 0 < int(size[:9]) <= MOST_ROWS):
            raise invalid({"page_size": [f"Enter a number from 1 to {MOST_ROWS}."]})
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError, OverflowError):
            # The cursor has another order's position.
            raise _invalid_cursor() from None

    def decode_cursor(self, request: Request) -> Any:
        try:
            encoded = request.query_params.get(self.cursor_query_param, "")
            encoded.encode("ascii")
            return super().decode_cursor(request)
        except (LookupError, ValueError, NotFound):
            raise _invalid_cursor() from None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def _invalid_cursor() -> Exception:
    return invalid({"cursor": ["This cursor does not belong to this list. Start without one."]})


class KnownOrdering(OrderingFilter):
    """The order of a list. Rejects unknown names, and makes every order total."""

    ordering_description = "The field by which the list is ordered. A minus reverses the order."

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        given = request.query_params.get(self.ordering_param, "")
        known = getattr(view, "ordering_fields", ())
        if given and given.removeprefix("-") not in known:
            choices = ", ".join(known) or "none"
            raise invalid({self.ordering_param: [f"Unknown order. Known: {choices}."]})
        chosen = (given,) if given else view.ordering
        return [*chosen, view.tie_break] if view.tie_break not in chosen else list(chosen)
