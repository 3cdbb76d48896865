"""What speaks against a window's day, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from onboarding.models import Cutover
from onboarding.worktime import Calendar

# Two switches of one tenant this close cannot be told apart when something goes wrong.
SETTLES_IN = timedelta(hours=24)


def clashes(
    cutover: Cutover,
    others: Sequence[Cutover],
    calendar: Calendar,
    holidays: Mapping[date, str],
) -> list[str]:
    """Sentences about the window. `others` are the same consultant's and the same tenant's planned
    cutovers, their tenants fetched."""
    return [*_days(cutover, calendar, holidays), *_people(cutover, others)]


def _days(cutover: Cutover, calendar: Calendar, holidays: Mapping[date, str]) -> Iterator[str]:
    first, last = calendar.day_of(cutover.planned_at), calendar.day_of(cutover.ends_at)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day in holidays:
            yield f"{_named(day)} is a holiday: {holidays[day]}."
        elif day.weekday() not in calendar.weekdays:
            yield f"{_named(day)} is not a working day: whoever is needed may not be there."


def _named(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _people(cutover: Cutover, others: Sequence[Cutover]) -> Iterator[str]:
    for other in others:
        if other.pk == cutover.pk:
            continue
        if other.plan_id == cutover.plan_id:
            distance = abs(other.planned_at - cutover.planned_at)
            if distance < SETTLES_IN:
                yield f"The {other.direction} cutover of the same tenant is less than a day away."
        elif other.planned_at < cutover.ends_at and cutover.planned_at < other.ends_at:
            # Whose it is must not be told: a client reads this too.
            yield "Your consultant has another cutover in the same hours."
