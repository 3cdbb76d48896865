"""The calendar of the dashboard: cutovers by the local day of their tenants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Value, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils.safestring import SafeString

from onboarding.models import Cutover, CutoverStatus
from onboarding.portfolio import charts
from onboarding.portfolio.local_days import with_local_day
from tenants.models import Tenant

WEEKS, QUARTER_WEEKS = 2, 13
# The cutovers of one day. A link leads to all of them.
SHOWN_OF_DAY = 4
State = CutoverStatus.State


def cutovers_of(tenants: QuerySet[Tenant], first: date, days: int) -> QuerySet[Any]:
    """The cutovers of these days, with their local `day` and their `state`. In their order."""
    rows = Cutover.objects.filter(plan__tenant__in=tenants.order_by())
    state = Coalesce("status__state", Value(State.OPEN.value))
    found: QuerySet[Any] = with_local_day(rows, first, days).annotate(state=state)
    return found.order_by("planned_at", "pk")


@dataclass(frozen=True)
class CalendarDay:
    """One day with the number of its cutovers. `cutovers` are the first of them."""

    day: date
    number: int
    cutovers: Sequence[Any] = ()

    @property
    def more(self) -> int:
        return self.number - len(self.cutovers)

    @property
    def is_weekend(self) -> bool:
        return self.day.weekday() >= 5


@dataclass(frozen=True)
class CalendarWeek:
    days: Sequence[CalendarDay]
    bar: SafeString = field(default=SafeString(""))

    @property
    def number(self) -> int:
        return sum(day.number for day in self.days)

    @property
    def first(self) -> date:
        return self.days[0].day

    @property
    def last(self) -> date:
        return self.days[-1].day


@dataclass(frozen=True)
class CutoverCalendar:
    """The weeks from a day on, and the number of cutovers by their state."""

    weeks: Sequence[CalendarWeek]
    states: dict[str, int]

    @property
    def number(self) -> int:
        return sum(self.states.values())

    @property
    def days(self) -> int:
        return 7 * len(self.weeks)

    @property
    def at_risk(self) -> int:
        return self.states[State.AT_RISK]

    @property
    def shown_states(self) -> list[tuple[State, int]]:
        """The states with a cutover, and their numbers."""
        return [(state, self.states[state]) for state in State if self.states[state]]

    @property
    def first(self) -> date:
        return self.weeks[0].first

    @property
    def last(self) -> date:
        return self.weeks[-1].last


def calendar_of(tenants: QuerySet[Tenant], today: date, *, is_quarter: bool) -> CutoverCalendar:
    """Two weeks with their first cutovers, or the weeks of a quarter. From today on.

    A quarter begins with the Monday of this week, and has no cutovers of single days.
    """
    first = today - timedelta(days=today.weekday()) if is_quarter else today
    weeks = QUARTER_WEEKS if is_quarter else WEEKS
    found = cutovers_of(tenants, first, 7 * weeks)
    numbers: dict[date, int] = {}
    states: dict[str, int] = {state.value: 0 for state in State}
    counted = found.order_by().values("day", "state").annotate(number=Count("pk"))
    for day, state, number in counted.values_list("day", "state", "number"):
        numbers[day] = numbers.get(day, 0) + number
        states[state] += number
    shown = {} if is_quarter else _first_of_days(found)
    days = [first + timedelta(days=number) for number in range(7 * weeks)]
    listed = [CalendarDay(day, numbers.get(day, 0), shown.get(day, ())) for day in days]
    parts = [CalendarWeek(listed[at : at + 7]) for at in range(0, len(listed), 7)]
    most = max((week.number for week in parts), default=0)
    return CutoverCalendar(
        [CalendarWeek(week.days, charts.bar(week.number, most)) for week in parts], states
    )


def _first_of_days(found: QuerySet[Any]) -> dict[date, list[Any]]:
    place = Window(RowNumber(), partition_by=[F("day")], order_by=["planned_at", "pk"])
    rows = found.annotate(place=place).filter(place__lte=SHOWN_OF_DAY)
    by_day: dict[date, list[Any]] = {}
    for cutover in rows.select_related("plan__tenant", "status"):
        by_day.setdefault(cutover.day, []).append(cutover)
    return by_day
