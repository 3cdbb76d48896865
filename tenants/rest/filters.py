"""Filters that several lists of the API share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django_filters.fields import IsoDateTimeField


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
