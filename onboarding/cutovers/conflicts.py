"""What speaks against a window's day, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from onboarding.models import Cutover, Freeze, OnCall
from onboarding.plans.business_time import Calendar

# Two switches of one tenant this close cannot be told apart when something goes wrong.
MIN_GAP = timedelta(hours=24)


@dataclass(frozen=True)
class ConflictContext:
    """What stands conflict_context a tenant's windows: its own cutovers with their domains, those that the
    same consultant has at other tenants, and the days on which people are away or nothing may be
    switched."""

    own: Sequence[Cutover]
    consultant_cutovers: Sequence[Cutover]
    calendar: Calendar
    holidays: Mapping[date, str] = field(default_factory=dict)
    freezes: Sequence[Freeze] = ()
    # Who is on call for the tenant's own windows, and where else these people are.
    on_call: Sequence[OnCall] = ()
    on_call_at_other_tenants: Sequence[OnCall] = ()


def find_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> list[str]:
    """Sentences about the window that take nobody's words (those that do are objections)."""
    return list(
        dict.fromkeys(
            [
                *_day_conflicts(cutover, conflict_context),
                *_own_cutover_conflicts(cutover, conflict_context),
                *_people_conflicts(cutover, conflict_context),
            ]
        )
    )


def window_days(cutover: Cutover, calendar: Calendar) -> list[date]:
    """The days that the window touches. One that ends at midnight does not touch the next."""
    first = calendar.day_of(cutover.planned_at)
    last = calendar.day_of(cutover.ends_at - timedelta(microseconds=1))
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _day_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> Iterator[str]:
    for day in window_days(cutover, conflict_context.calendar):
        if day in conflict_context.holidays:
            yield f"{format_day(day)} is a holiday: {conflict_context.holidays[day]}."
        elif day.weekday() not in conflict_context.calendar.weekdays:
            yield f"{format_day(day)} is not a working day: whoever is needed may not be there."


def format_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _own_cutover_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> Iterator[str]:
    for other in conflict_context.own:
        if other.pk != cutover.pk and abs(other.planned_at - cutover.planned_at) < MIN_GAP:
            yield f"The {other.direction} cutover of {other.domain_summary} is less than a day away."


def _people_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> Iterator[str]:
    for other in conflict_context.consultant_cutovers:
        if _overlap(other, cutover):
            # Whose it is must not be told: a client reads this too.
            yield "Your consultant has another cutover in the same hours."
    here = {each.user_id for each in conflict_context.on_call if each.cutover_id == cutover.pk}
    for each in conflict_context.on_call_at_other_tenants:
        if each.user_id in here and _overlap(each.cutover, cutover):
            yield f"{each} is on call for another cutover in the same hours."


def _overlap(one: Cutover, other: Cutover) -> bool:
    return one.planned_at < other.ends_at and other.planned_at < one.ends_at
