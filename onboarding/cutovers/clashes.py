"""What speaks against a window's day, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from onboarding.models import Cutover, Freeze, OnCall
from onboarding.plans.worktime import Calendar

# Two switches of one tenant this close cannot be told apart when something goes wrong.
SETTLES_IN = timedelta(hours=24)


@dataclass(frozen=True)
class Surroundings:
    """What stands around a tenant's windows: its own cutovers with their domains, those that the
    same consultant has at other tenants, and the days on which people are away or nothing may be
    switched."""

    own: Sequence[Cutover]
    elsewhere: Sequence[Cutover]
    calendar: Calendar
    holidays: Mapping[date, str] = field(default_factory=dict)
    freezes: Sequence[Freeze] = ()
    # Who is on call for the tenant's own windows, and where else these people are.
    on_call: Sequence[OnCall] = ()
    on_call_elsewhere: Sequence[OnCall] = ()


def clashes(cutover: Cutover, around: Surroundings) -> list[str]:
    """Sentences about the window that take nobody's words (those that do are objections)."""
    return list(
        dict.fromkeys(
            [*_days(cutover, around), *_same_tenant(cutover, around), *_person(cutover, around)]
        )
    )


def days_of(cutover: Cutover, calendar: Calendar) -> list[date]:
    """The days that the window touches. One that ends at midnight does not touch the next."""
    first = calendar.day_of(cutover.planned_at)
    last = calendar.day_of(cutover.ends_at - timedelta(microseconds=1))
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _days(cutover: Cutover, around: Surroundings) -> Iterator[str]:
    for day in days_of(cutover, around.calendar):
        if day in around.holidays:
            yield f"{named_day(day)} is a holiday: {around.holidays[day]}."
        elif day.weekday() not in around.calendar.weekdays:
            yield f"{named_day(day)} is not a working day: whoever is needed may not be there."


def named_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _same_tenant(cutover: Cutover, around: Surroundings) -> Iterator[str]:
    for other in around.own:
        if other.pk != cutover.pk and abs(other.planned_at - cutover.planned_at) < SETTLES_IN:
            yield f"The {other.direction} cutover of {other.covers} is less than a day away."


def _person(cutover: Cutover, around: Surroundings) -> Iterator[str]:
    for other in around.elsewhere:
        if _overlap(other, cutover):
            # Whose it is must not be told: a client reads this too.
            yield "Your consultant has another cutover in the same hours."
    here = {each.user_id for each in around.on_call if each.cutover_id == cutover.pk}
    for each in around.on_call_elsewhere:
        if each.user_id in here and _overlap(each.cutover, cutover):
            yield f"{each} is on call for another cutover in the same hours."


def _overlap(one: Cutover, other: Cutover) -> bool:
    return one.planned_at < other.ends_at and other.planned_at < one.ends_at
