"""Timestamps for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from checks.templatetags.timestamps import (
    ago,
    exact_to_second,
    format_countdown,
    local_time,
    next_check,
)
from tests.clock import Clock

# They show times relative to that of the database.
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=5, minutes=50), "5 h ago"),
        (timedelta(days=1, hours=2), "1 day ago"),
        (timedelta(days=13), "13 days ago"),
        (-timedelta(seconds=20), "in 20 s"),
        (-timedelta(minutes=10, seconds=1), "in 10 min"),
    ],
)
def test_ago_is_short(distance: timedelta, words: str) -> None:
    assert ago(timezone.now() - distance) == words


def test_ago_shows_old_dates() -> None:
    assert ago(datetime(2024, 11, 3, 12, tzinfo=UTC)) == "3 Nov 2024"


def test_next_check_overdue() -> None:
    assert ">due now</time>" in next_check(timezone.now() - timedelta(hours=1))


@pytest.fixture
def new_year(fixed_monday: Clock) -> Clock:
    """The first hour of 2027 in UTC: still 2026 in New York."""
    fixed_monday.move_to(datetime(2027, 1, 1, 0, 30, tzinfo=UTC))
    return fixed_monday


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        (datetime(2026, 12, 31, 22, tzinfo=UTC), "UTC", "Thu 31 Dec 2026, 22:00 UTC"),
        (datetime(2026, 12, 31, 22, tzinfo=UTC), "America/New_York", "Thu 31 Dec, 17:00 EST"),
        (datetime(2027, 1, 1, 9, tzinfo=UTC), "UTC", "Fri 1 Jan, 09:00 UTC"),
        (datetime(2027, 1, 1, 9, tzinfo=UTC), "America/New_York", "Fri 1 Jan 2027, 04:00 EST"),
        (datetime(2028, 6, 5, 9, tzinfo=UTC), "UTC", "Mon 5 Jun 2028, 09:00 UTC"),
    ],
)
def test_other_years_are_shown(new_year: Clock, at: datetime, zone: str, words: str) -> None:
    assert f">{words}</time>" in local_time(at, zone)


def test_record_of_an_earlier_year(new_year: Clock) -> None:
    at = datetime(2026, 6, 1, 9, 8, 7, tzinfo=UTC)

    assert ">Mon 1 Jun 2026, 09:08:07 UTC</time>" in exact_to_second(at, "UTC")


def test_exact_time_in_tenant_time_zone(fixed_monday: Clock) -> None:
    shown = local_time(datetime(2026, 12, 4, 0, 0, tzinfo=UTC), "America/New_York")

    assert shown == (
        '<time class="nowrap" datetime="2026-12-04T00:00:00+00:00" '
        'title="Fri 4 Dec 2026, 00:00:00 UTC">Thu 3 Dec, 19:00 EST</time>'
    )


@pytest.mark.parametrize(
    ("seconds", "face"),
    [
        (0, "00:00:00"),
        (3_725, "01:02:05"),
        (86_399, "23:59:59"),
        (86_400, "1 day 00:00:00"),
        (200_000, "2 days 07:33:20"),
    ],
)
def test_countdown_omits_zero_days(seconds: int, face: str) -> None:
    assert format_countdown(seconds) == face
