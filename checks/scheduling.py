"""When a check runs next, and the reason. Pure functions; jitter is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.outcomes import Verdict
from checks.settling import SettledVerdict

# A person who corrects a record does it within a day. After that, an hourly run is enough.
UNSETTLED_FOR = timedelta(days=1)
REQUESTED_FOR = timedelta(minutes=10)
# An open page repeats its request about once a minute; a closed page expires soon after.
VIEWED_FOR = timedelta(minutes=2)
# The upper limit of every setting.
MAX_INTERVAL = timedelta(days=1)


class Interval(StrEnum):
    """The shortest interval that applies wins, in this order."""

    CUTOVER = "cutover"  # a cutover window is open
    REQUESTED = "requested"  # a person has just changed a record
    SETTLING = "settling"  # a first no needs a second run
    UNSETTLED = "unsettled"  # no settled pass, and changed recently or open on a page
    REOPENING = "reopening"  # runs contradict a settled pass; reopening is slow
    IDLE = "idle"  # settled, or unchanged for long
    DEFERRED = "deferred"  # the host's address was probed a moment ago


@dataclass(frozen=True)
class Priorities:
    """The end times of the three priorities of a check; None or past when not in force."""

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
    """Return the interval after a run at `now` with this verdict."""
    is_settled_pass = (
        settled.verdict is not None and settled.verdict.is_passing and verdict.is_passing
    )
    is_requested = _is_future(priorities.requested_until, now) and not is_settled_pass
    # A silent server needs the whole time limit of a run. More runs would occupy the workers.
    is_unanswered = verdict is Verdict.UNKNOWN
    is_contradicted_pass = settled.is_contradicted and settled.allows_completion
    is_first_fail = settled.is_contradicted and not is_contradicted_pass
    applies = {
        Interval.CUTOVER: _is_future(priorities.cutover_until, now),
        Interval.REQUESTED: is_requested and not is_unanswered,
        Interval.SETTLING: is_first_fail,
        Interval.UNSETTLED: is_requested
        or (_is_future(priorities.viewed_until, now) and not is_settled_pass)
        or (
            not (is_settled_pass or is_contradicted_pass) and now - unchanged_since <= UNSETTLED_FOR
        ),
        Interval.REOPENING: is_contradicted_pass,
    }
    return next((each for each, does_apply in applies.items() if does_apply), Interval.IDLE)


def _is_future(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until


def next_run_at(
    now: datetime, interval: Interval, seconds: Mapping[str, int], *, jitter: float
) -> datetime:
    """Return the time of the next run; `jitter` from -1 to 1 shifts it by up to a tenth.

    The result is always after `now`, and at most a day later.
    """
    wait = timedelta(seconds=seconds[interval.value] * (1 + jitter / 10))
    return now + min(wait, MAX_INTERVAL)
