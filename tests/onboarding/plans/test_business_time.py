"""Working hours and working days in a tenant's calendar."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.plans.business_time import Calendar

LONDON = zoneinfo.ZoneInfo("Europe/London")
CALENDAR = Calendar(LONDON, holidays=frozenset({date(2026, 12, 25), date(2026, 12, 28)}))
FRIDAY = date(2026, 12, 4)


def at(day: int, hour: int, minute: int = 0, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        (at(4, 10), at(4, 12), 2),
        (at(4, 6), at(4, 20), 8),
        (at(4, 16), at(7, 10), 2),  # over a weekend
        (at(5, 9), at(6, 17), 0),  # Saturday and Sunday
        (at(24, 16), at(29, 10), 2),  # over Christmas and Boxing Day
        (at(4, 12), at(4, 10), 0),  # backwards
        (at(1, 8, month=6), at(1, 9, month=6), 1),  # 9 to 10 in summer time
    ],
)
def test_seconds_between_counts_opening_hours(start: datetime, end: datetime, hours: float) -> None:
    assert CALENDAR.seconds_between(start, end) == hours * 3600


def test_skipped_clock_hour_is_not_counted() -> None:
    night = Calendar(LONDON, weekdays=frozenset(range(7)), opens=time(0), closes=time(4))

    # On 29 March 2026 the clock changes from 1:00 to 2:00.
    assert night.seconds_between(at(28, 12, month=3), at(29, 12, month=3)) == 3 * 3600


@pytest.mark.parametrize(
    ("day", "working_days", "expected"),
    [
        (FRIDAY, 0, FRIDAY),
        (FRIDAY, 1, date(2026, 12, 7)),
        (FRIDAY, -4, date(2026, 11, 30)),
        (date(2026, 12, 24), 1, date(2026, 12, 29)),
        (date(2026, 12, 29), -1, date(2026, 12, 24)),
        (date(2026, 12, 5), 1, date(2026, 12, 7)),
    ],
)
def test_shift_skips_days_off(day: date, working_days: int, expected: date) -> None:
    assert CALENDAR.shift(day, working_days) == expected


@given(
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.integers(-60, 60),
    st.sets(st.integers(0, 6), min_size=1).map(frozenset),
)
def test_shift_and_count_agree(day: date, n: int, weekdays: frozenset[int]) -> None:
    calendar = Calendar(LONDON, weekdays=weekdays)
    shifted = calendar.shift(day, n)

    if n > 0:
        assert calendar.working_days_from(day, shifted) == n
        assert calendar.is_working(shifted)
    if n < 0 and calendar.is_working(day):
        assert calendar.working_days_from(day, shifted) == n


def test_shift_without_working_days_ends() -> None:
    closed = Calendar(LONDON, weekdays=frozenset())

    assert closed.shift(FRIDAY, 1) > FRIDAY + timedelta(days=1000)
