"""A frozen clock for tests, which `django.utils.timezone.now` reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.utils import timezone

# The Monday of the worked example.
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(text: str) -> datetime:
    """The time of a text: `Tue 14:07` is in the first week, `2 Tue 14:07:30` in the second."""
    *week, day, time = text.split()
    hour, minute, second = (int(part) for part in f"{time}:0".split(":")[:3])
    days = 7 * (int(week[0]) - 1 if week else 0) + _DAYS.index(day)
    return MONDAY + timedelta(days=days, hours=hour, minutes=minute, seconds=second)


class Clock:
    """A clock that changes only by `move_to`, and never goes back."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def move_to(self, time: datetime) -> None:
        assert time >= self.now, f"{time} is before {self.now}"
        self.now = time


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, datetime)


@contextmanager
def frozen(now: datetime) -> Iterator[Clock]:
    """Freeze the time at `now`.

    It replaces the `datetime` that `django.utils.timezone.now` uses, and not the function itself.
    Fields with the function as default are therefore frozen too.
    """
    clock = Clock(now)

    class FrozenDatetime(datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clock.now.astimezone(tz)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "datetime", FrozenDatetime)
        yield clock
