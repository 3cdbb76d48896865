"""How soon a check is looked at again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from checks.cadence import LONGEST, Pace, Wishes, next_look, pace
from checks.engine.outcomes import Verdict
from checks.settling import Standing

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
YES, NO = Standing(PASS), Standing(FAIL)
FIRST_NO = Standing(None, 1, NOW)
DOUBTED = Standing(PASS, 1, NOW)
NOBODY = Wishes()
SOON, PAST = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("standing", "verdict", "hours_unchanged", "wishes", "expected"),
    [
        (YES, PASS, 0, NOBODY, Pace.QUIET),
        (YES, PASS, 0, Wishes(hurried_until=SOON), Pace.QUIET),
        (YES, PASS, 0, Wishes(attended_until=SOON), Pace.QUIET),
        (YES, PASS, 99, Wishes(closely_until=SOON), Pace.CLOSE),
        (YES, PASS, 99, Wishes(closely_until=PAST), Pace.QUIET),
        (YES, UNKNOWN, 0, NOBODY, Pace.WATCHED),
        (YES, UNKNOWN, 99, NOBODY, Pace.QUIET),
        (NO, FAIL, 0, Wishes(hurried_until=SOON), Pace.HURRIED),
        (NO, FAIL, 0, Wishes(hurried_until=PAST), Pace.WATCHED),
        (NO, FAIL, 0, Wishes(closely_until=SOON, hurried_until=SOON), Pace.CLOSE),
        (NO, FAIL, 23, NOBODY, Pace.WATCHED),
        (NO, FAIL, 25, NOBODY, Pace.QUIET),
        (NO, FAIL, 25, Wishes(attended_until=SOON), Pace.ATTENDED),
        (NO, FAIL, 25, Wishes(attended_until=PAST), Pace.QUIET),
        (FIRST_NO, FAIL, 0, NOBODY, Pace.CONFIRMING),
        (FIRST_NO, FAIL, 0, Wishes(hurried_until=SOON), Pace.HURRIED),
        (DOUBTED, FAIL, 0, NOBODY, Pace.DOUBTING),
        (DOUBTED, FAIL, 99, NOBODY, Pace.DOUBTING),
        (DOUBTED, UNKNOWN, 0, NOBODY, Pace.DOUBTING),
        (DOUBTED, FAIL, 0, Wishes(attended_until=SOON), Pace.ATTENDED),
    ],
)
def test_pace_follows_what_is_at_stake(
    standing: Standing, verdict: Verdict, hours_unchanged: int, wishes: Wishes, expected: Pace
) -> None:
    unchanged_since = NOW - timedelta(hours=hours_unchanged)

    assert pace(standing, verdict, now=NOW, unchanged_since=unchanged_since, wishes=wishes) == (
        expected
    )


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 60.0), (1.0, 66.0), (-1.0, 54.0)])
def test_next_look_is_jittered_by_a_tenth_at_most(jitter: float, seconds: float) -> None:
    paces = {"watched": 60}

    assert next_look(NOW, Pace.WATCHED, paces, jitter=jitter) == NOW + timedelta(seconds=seconds)


@given(
    st.sampled_from(Pace),
    st.fixed_dictionaries({each.value: st.integers(1, 86_400) for each in Pace}),
    st.floats(-1, 1),
)
def test_the_next_look_is_always_ahead_and_within_a_day(
    at_pace: Pace, seconds: dict[str, int], jitter: float
) -> None:
    following = next_look(NOW, at_pace, seconds, jitter=jitter)

    assert NOW < following <= NOW + LONGEST


@pytest.mark.parametrize("cadence", ["CHECKS_CADENCE", "CHECKS_CADENCE_OF_SAMPLES"])
def test_the_settings_know_every_pace(cadence: str) -> None:
    seconds = getattr(settings, cadence)

    assert set(seconds) == set(Pace) - {Pace.TURN}
    assert max(seconds["close"], seconds["hurried"], seconds["attended"]) <= 60
