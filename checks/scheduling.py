"""When to look again, and the word for why. Pure functions; jitter is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.outcomes import Verdict
from checks.settling import SettledVerdict

# Somebody who fixes a record does it within a day; after that the hourly look is soon enough.
UNSETTLED_FOR = timedelta(days=1)
REQUESTED_FOR = timedelta(minutes=10)
# An open page says so about once a minute; one that was closed is forgotten soon after.
VIEWED_FOR = timedelta(minutes=2)
# Whatever the settings say, nothing is ever left alone for longer than this.
MAX_INTERVAL = timedelta(days=1)


class Interval(StrEnum):
    """The quickest that applies is taken, in this order."""

    CUTOVER = "cutover"  # a cutover's window is open
    REQUESTED = "requested"  # somebody said that they have just changed it
    SETTLING = "settling"  # a first no wants a second look
    VIEWED = "viewed"  # somebody has the step open
    UNSETTLED = "unsettled"  # not settled on a yes, and lately changed
    REOPENING = "reopening"  # a settled yes was contradicted, which takes a while to believe
    IDLE = "idle"  # settled, or long unchanged
    DEFERRED = "deferred"  # put off: somebody's look has just been at the host's address


@dataclass(frozen=True)
class Priorities:
    """Until when people want a check looked at more often, each None or past when nobody does."""

    cutover_until: datetime | None = None
    requested_until: datetime | None = None
    viewed_until: datetime | None = None


def choose_interval(
    settled: SettledVerdict,
    verdict: Verdict,
    *,
    now: datetime,
    unchanged_since: datetime,
    priorities: Priorities,
) -> Interval:
    """How fast the check is looked at after a look at `now` that came to `verdict`."""
    is_settled_pass = (
        settled.verdict is not None and settled.verdict.is_passing and verdict.is_passing
    )
    is_contradicted_pass = settled.is_contradicted and settled.allows_completion
    is_first_fail = settled.is_contradicted and not is_contradicted_pass
    applies = {
        Interval.CUTOVER: _is_future(priorities.cutover_until, now),
        Interval.REQUESTED: _is_future(priorities.requested_until, now) and not is_settled_pass,
        Interval.SETTLING: is_first_fail,
        Interval.VIEWED: _is_future(priorities.viewed_until, now) and not is_settled_pass,
        Interval.UNSETTLED: not (is_settled_pass or is_contradicted_pass)
        and now - unchanged_since <= UNSETTLED_FOR,
        Interval.REOPENING: is_contradicted_pass,
    }
    return next((each for each, does_apply in applies.items() if does_apply), Interval.IDLE)


def _is_future(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until


def next_run_at(
    now: datetime, interval: Interval, seconds: Mapping[str, int], *, jitter: float
) -> datetime:
    """The moment of the next look; `jitter` from -1 to 1 moves it by up to a tenth.

    Always after `now`, and never more than a day away.
    """
    wait = timedelta(seconds=seconds[interval.value] * (1 + jitter / 10))
    return now + min(wait, MAX_INTERVAL)
