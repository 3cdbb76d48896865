"""How soon a check is looked at again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.cadence import Pace, next_look, pace
from checks.engine.outcomes import Verdict
from checks.settling import Standing

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
YES = Standing(Verdict.PASS)
NO = Standing(Verdict.FAIL, failing_looks=2)
SECONDS = {"hurried": 5, "confirming": 15, "watched": 60, "quiet": 3600}


@pytest.mark.parametrize(
    ("standing", "verdict", "unchanged_for", "hurried_for", "expected"),
    [
        (YES, Verdict.PASS, timedelta(), None, Pace.QUIET),
        (YES, Verdict.PASS, timedelta(), timedelta(minutes=5), Pace.QUIET),
        (NO, Verdict.FAIL, timedelta(), timedelta(minutes=5), Pace.HURRIED),
        (NO, Verdict.FAIL, timedelta(), timedelta(minutes=-1), Pace.WATCHED),
        (NO, Verdict.FAIL, timedelta(hours=23), None, Pace.WATCHED),
        (NO, Verdict.FAIL, timedelta(hours=25), None, Pace.QUIET),
        (YES, Verdict.UNKNOWN, timedelta(), None, Pace.WATCHED),
        (Standing(Verdict.PASS, 1), Verdict.FAIL, timedelta(), None, Pace.CONFIRMING),
        (Standing(None, 1), Verdict.FAIL, timedelta(), timedelta(minutes=5), Pace.CONFIRMING),
    ],
)
def test_pace_follows_what_is_at_stake(
    standing: Standing,
    verdict: Verdict,
    unchanged_for: timedelta,
    hurried_for: timedelta | None,
    expected: Pace,
) -> None:
    result = pace(
        standing,
        verdict,
        now=NOW,
        unchanged_since=NOW - unchanged_for,
        hurried_until=NOW + hurried_for if hurried_for is not None else None,
    )

    assert result == expected


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 60.0), (1.0, 66.0), (-1.0, 54.0)])
def test_next_look_is_jittered_by_a_tenth_at_most(jitter: float, seconds: float) -> None:
    assert next_look(NOW, Pace.WATCHED, SECONDS, jitter=jitter) == NOW + timedelta(seconds=seconds)
