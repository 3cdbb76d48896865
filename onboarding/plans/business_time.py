"""Business time: working hours between two times, and days at a distance in working days. Pure.

A calendar belongs to a tenant: its time zone, its working days and hours, and its holidays.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

_A_DAY = timedelta(days=1)
# Days. A calendar with a longer break has no working days at all.
_LONGEST_BREAK = 400


@dataclass(frozen=True)
class Calendar:
    """The working hours of a tenant. Weekdays count from 0, a Monday."""

    zone: zoneinfo.ZoneInfo
    weekdays: frozenset[int] = frozenset(range(5))
    opens: time = time(9)
    closes: time = time(17)
    holidays: frozenset[date] = field(default_factory=frozenset)

    def is_working(self, day: date) -> bool:
        return day.weekday() in self.weekdays and day not in self.holidays

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def seconds_between(self, start: datetime, end: datetime) -> int:
        """Working seconds from `start` to `end`; 0 when `end` is not later."""
        total = 0.0
        day, last = self.day_of(start), self.day_of(end)
        while day <= last:
            if self.is_working(day):
                begins = max(start, datetime.combine(day, self.opens, self.zone))
                ends = min(end, datetime.combine(day, self.closes, self.zone))
                # By timestamp: a working day with a change of the clock is shorter or longer.
                total += max(0.0, ends.timestamp() - begins.timestamp())
            day += _A_DAY
        return round(total)

    @property
    def seconds_a_day(self) -> int:
        opens, closes = (at.hour * 3600 + at.minute * 60 for at in (self.opens, self.closes))
        return max(closes - opens, 1)

    def days_between(self, start: datetime, end: datetime) -> float:
        """Working time from `start` to `end` in working days of the calendar's length."""
        return self.seconds_between(start, end) / self.seconds_a_day

    def shift(self, day: date, working_days: int) -> date:
        """The day `working_days` after `day`, or before it if negative; 0 is `day` itself."""
        left = abs(working_days)
        for candidate in self._from(day, forward=working_days > 0):
            if left == 0:
                break
            day = candidate
            left -= self.is_working(day)
        return day

    def _from(self, day: date, *, forward: bool) -> Iterator[date]:
        for _ in range(_LONGEST_BREAK * 4):
            day += _A_DAY if forward else -_A_DAY
            yield day

    def working_days_from(self, start: date, end: date) -> int:
        """Working days from `start` to `end`; negative when `end` is earlier."""
        if end < start:
            return -self.working_days_from(end, start)
        days = range((end - start).days)
        return sum(self.is_working(start + timedelta(days=n + 1)) for n in days)
