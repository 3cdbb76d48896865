"""The local day of a time in the tenant's own time zone, computed by the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import DateField, F, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.utils.dateparse import parse_date

from onboarding.models import Cutover

_FIRST_YEAR, _LAST_YEAR = 2000, 2999


class LocalDay(Func):
    """The day of a time in a time zone. Both arguments are expressions."""

    output_field = DateField()
    # `AT TIME ZONE` reads the name of the zone from the row, which TruncDate does not.
    template = "((%(expressions)s)::date)"
    arg_joiner = " AT TIME ZONE "
    arity = 2

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """The function that Django's TruncDate uses: the value, the zone, and the stored zone."""
        return super().as_sql(
            compiler,
            connection,
            template="django_datetime_cast_date(%(expressions)s, 'UTC')",
            arg_joiner=", ",
            **extra,
        )


def parse_day(text: str) -> date | None:
    """The day of an address, such as 2026-12-01. None for another text, and outside our years."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day is not None and _has_known_year(day) else None


def _has_known_year(day: date) -> bool:
    # Python has no dates beyond the years 1 and 9999.
    return _FIRST_YEAR <= day.year <= _LAST_YEAR


def with_local_day(cutovers: QuerySet[Cutover], first: date, days: int) -> QuerySet[Any]:
    """The cutovers of some days from `first` on, with their `day` in the tenant's time zone.

    None before the year 2000 or after 2999.
    """
    if not _has_known_year(first):
        return with_local_day(cutovers.none(), date(_FIRST_YEAR, 1, 1), days)
    # No time zone differs from UTC by more than 14 hours.
    start = datetime.combine(first, time(), UTC) - timedelta(days=1)
    near = cutovers.filter(planned_at__gte=start, planned_at__lt=start + timedelta(days=days + 2))
    local = near.annotate(day=LocalDay(F("planned_at"), F("plan__tenant__time_zone")))
    return local.filter(day__gte=first, day__lt=first + timedelta(days=days))
