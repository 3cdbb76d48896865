"""The interval and the time of the next run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.outcomes import Verdict
from checks.scheduling import MAX_INTERVAL, Interval, Priorities, choose_interval, next_run_at
from checks.settling import SettledVerdict

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
YES, NO = SettledVerdict(PASS), SettledVerdict(FAIL)
FIRST_NO = SettledVerdict(None, 1, NOW)
CONTRADICTED = SettledVerdict(PASS, 1, NOW)
NO_PRIORITY = Priorities()
SOON, PAST = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("settled", "verdict", "hours_unchanged", "priorities", "expected"),
    [
        (YES, PASS, 0, NO_PRIORITY, Interval.IDLE),
        (YES, PASS, 0, Priorities(requested_until=SOON), Interval.IDLE),
        (YES, PASS, 0, Priorities(viewed_until=SOON), Interval.IDLE),
        (YES, PASS, 99, Priorities(cutover_until=SOON), Interval.CUTOVER),
        (YES, PASS, 99, Priorities(cutover_until=PAST), Interval.IDLE),
        (YES, UNKNOWN, 0, NO_PRIORITY, Interval.UNSETTLED),
        (YES, UNKNOWN, 99, NO_PRIORITY, Interval.IDLE),
        (NO, FAIL, 0, Priorities(requested_until=SOON), Interval.REQUESTED),
        (NO, FAIL, 0, Priorities(requested_until=PAST), Interval.UNSETTLED),
        (NO, UNKNOWN, 99, Priorities(requested_until=SOON), Interval.UNSETTLED),
        (FIRST_NO, UNKNOWN, 0, Priorities(requested_until=SOON), Interval.SETTLING),
        (YES, UNKNOWN, 0, Priorities(cutover_until=SOON), Interval.CUTOVER),
        (NO, FAIL, 0, Priorities(cutover_until=SOON, requested_until=SOON), Interval.CUTOVER),
        (NO, FAIL, 23, NO_PRIORITY, Interval.UNSETTLED),
        (NO, FAIL, 25, NO_PRIORITY, Interval.IDLE),
        (NO, FAIL, 25, Priorities(viewed_until=SOON), Interval.UNSETTLED),
        (NO, FAIL, 25, Priorities(viewed_until=PAST), Interval.IDLE),
        (FIRST_NO, FAIL, 0, NO_PRIORITY, Interval.SETTLING),
        (FIRST_NO, FAIL, 0, Priorities(requested_until=SOON), Interval.REQUESTED),
        (CONTRADICTED, FAIL, 0, NO_PRIORITY, Interval.REOPENING),
        (CONTRADICTED, FAIL, 99, NO_PRIORITY, Interval.REOPENING),
        (CONTRADICTED, UNKNOWN, 0, NO_PRIORITY, Interval.REOPENING),
        (CONTRADICTED, FAIL, 0, Priorities(viewed_until=SOON), Interval.UNSETTLED),
    ],
)
def test_choose_interval(
    settled: SettledVerdict,
    verdict: Verdict,
    hours_unchanged: int,
    priorities: Priorities,
    expected: Interval,
) -> None:
    unchanged_since = NOW - timedelta(hours=hours_unchanged)

    assert choose_interval(
        settled, verdict, now=NOW, unchanged_since=unchanged_since, priorities=priorities
    ) == (expected)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 60.0), (1.0, 66.0), (-1.0, 54.0)])
def test_next_run_jitter(jitter: float, seconds: float) -> None:
    intervals = {"unsettled": 60}

    assert next_run_at(NOW, Interval.UNSETTLED, intervals, jitter=jitter) == NOW + timedelta(
        seconds=seconds
    )


@given(
    st.sampled_from(Interval),
    st.fixed_dictionaries({each.value: st.integers(1, 86_400) for each in Interval}),
    st.floats(-1, 1),
)
def test_next_run_is_within_a_day(
    interval: Interval, seconds: dict[str, int], jitter: float
) -> None:
    following = next_run_at(NOW, interval, seconds, jitter=jitter)

    assert NOW < following <= NOW + MAX_INTERVAL


@pytest.mark.parametrize("name", ["CHECKS_INTERVAL_SECONDS", "CHECKS_INTERVAL_SECONDS_OF_SAMPLES"])
def test_every_interval_has_a_setting(name: str) -> None:
    seconds = getattr(settings, name)

    assert set(seconds) == set(Interval) - {Interval.DEFERRED}
    assert max(seconds["cutover"], seconds["requested"], seconds["unsettled"]) <= 60
