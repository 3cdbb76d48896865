"""Filters that several lists of the API share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request


class RequestedFilters(DjangoFilterBackend):  # type: ignore[misc]  # django-filter is untyped
    """The filters of a list. Without one in the request, no form is built."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        filters = getattr(view, "filterset_class", None)
        if filters is None or not filters.base_filters.keys() & request.query_params.keys():
            return queryset
        return super().filter_queryset(request, queryset, view)


class MomentField(IsoDateTimeField):  # type: ignore[misc]  # django-filter is untyped
    """A moment in ISO 8601, as UTC. PostgreSQL rejects some offsets that ISO 8601 permits."""

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        if moment is None:
            return None
        try:
            utc: datetime = moment.astimezone(UTC)
        except OverflowError as error:
            # In UTC, the first and the last day of the calendar can be outside it.
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        return utc


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]  # django-filter is untyped
    """A limit in time, such as `changed_since`."""

    field_class = MomentField
