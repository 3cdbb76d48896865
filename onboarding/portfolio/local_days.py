"""The local day of a time in the tenant's own time zone, computed by the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import DateField, F, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from onboarding.models import Cutover


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


def with_local_day(cutovers: QuerySet[Cutover], first: date, days: int) -> QuerySet[Any]:
    """The cutovers of some days from `first` on, with their `day` in the tenant's time zone."""
    # No time zone differs from UTC by more than 14 hours.
    start = datetime.combine(first, time(), UTC) - timedelta(days=1)
    near = cutovers.filter(planned_at__gte=start, planned_at__lt=start + timedelta(days=days + 2))
    local = near.annotate(day=LocalDay(F("planned_at"), F("plan__tenant__time_zone")))
    return local.filter(day__gte=first, day__lt=first + timedelta(days=days))
