"""Conflicts of a window with holidays, other cutovers and people's calendars. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from onboarding.models import Cutover, Freeze, OnCall
from onboarding.plans.business_time import Calendar

# With less than this between two switches, the cause of a fault cannot be attributed to one.
MIN_GAP = timedelta(hours=24)


@dataclass(frozen=True)
class ConflictContext:
    """The calendar of a tenant: its own cutovers with their domains, its consultant's cutovers at
    other tenants, holidays, freezes and the people on call."""

    own: Sequence[Cutover]
    consultant_cutovers: Sequence[Cutover]
    calendar: Calendar
    holidays: Mapping[date, str] = field(default_factory=dict)
    freezes: Sequence[Freeze] = ()
    # The people on call for the tenant's own windows, and the same people at other tenants.
    on_call: Sequence[OnCall] = ()
    on_call_at_other_tenants: Sequence[OnCall] = ()


def find_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> list[str]:
    """Warnings about the window, as sentences. They need no accepted risk; blockers do."""
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
            yield f"{format_day(day)} is not a working day. People may be absent."


def format_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _own_cutover_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> Iterator[str]:
    for other in conflict_context.own:
        if other.pk != cutover.pk and abs(other.planned_at - cutover.planned_at) < MIN_GAP:
            yield (
                f"The {other.direction} cutover of {other.domain_summary} is less than a day away."
            )


def _people_conflicts(cutover: Cutover, conflict_context: ConflictContext) -> Iterator[str]:
    for other in conflict_context.consultant_cutovers:
        if _overlap(other, cutover):
            # The client reads this sentence too: it must not name the other tenant.
            yield "Your consultant has another cutover at the same time."
    here = {each.user_id for each in conflict_context.on_call if each.cutover_id == cutover.pk}
    for each in conflict_context.on_call_at_other_tenants:
        if each.user_id in here and _overlap(each.cutover, cutover):
            yield f"{each} is on call for another cutover at the same time."


def _overlap(one: Cutover, other: Cutover) -> bool:
    return one.planned_at < other.ends_at and other.planned_at < one.ends_at
