"""When to look again, and the word for why. Pure functions; jitter is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.outcomes import Verdict
from checks.settling import Standing

# Somebody who fixes a record does it within a day; after that the hourly look is soon enough.
WATCHED_FOR = timedelta(days=1)
HURRIED_FOR = timedelta(minutes=10)


class Pace(StrEnum):
    HURRIED = "hurried"  # somebody said that they have just changed it
    CONFIRMING = "confirming"  # a no after a yes wants a second look
    WATCHED = "watched"  # not settled on a yes, and lately changed
    QUIET = "quiet"  # settled, or long unchanged


def pace(
    standing: Standing,
    verdict: Verdict,
    *,
    now: datetime,
    unchanged_since: datetime,
    hurried_until: datetime | None,
) -> Pace:
    """How fast the check is looked at after a look at `now` that came to `verdict`."""
    if standing.is_being_doubted:
        return Pace.CONFIRMING
    is_settled_yes = standing.verdict is not None and standing.verdict.is_yes and verdict.is_yes
    if hurried_until is not None and now < hurried_until and not is_settled_yes:
        return Pace.HURRIED
    if is_settled_yes or now - unchanged_since > WATCHED_FOR:
        return Pace.QUIET
    return Pace.WATCHED


def next_look(
    now: datetime, at_pace: Pace, seconds: Mapping[str, int], *, jitter: float
) -> datetime:
    """The moment of the next look; `jitter` from -1 to 1 moves it by up to a tenth."""
    return now + timedelta(seconds=seconds[at_pace.value] * (1 + jitter / 10))
