"""When to look again, and the word for why. Pure functions; jitter is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.outcomes import Verdict
from checks.settling import Standing

# Somebody who fixes a record does it within a day; after that the hourly look is soon enough.
WATCHED_FOR = timedelta(days=1)
HURRIED_FOR = timedelta(minutes=10)
# An open page says so about once a minute; one that was closed is forgotten soon after.
ATTENDED_FOR = timedelta(minutes=2)
# Whatever the settings say, nothing is ever left alone for longer than this.
LONGEST = timedelta(days=1)


class Pace(StrEnum):
    """The quickest that applies is taken, in this order."""

    CLOSE = "close"  # a cutover's window is open
    HURRIED = "hurried"  # somebody said that they have just changed it
    CONFIRMING = "confirming"  # a first no wants a second look
    ATTENDED = "attended"  # somebody has the step open
    WATCHED = "watched"  # not settled on a yes, and lately changed
    DOUBTING = "doubting"  # a settled yes was contradicted, which takes a while to believe
    QUIET = "quiet"  # settled, or long unchanged
    TURN = "turn"  # put off: somebody's look has just been at the host's address


@dataclass(frozen=True)
class Wishes:
    """Until when people want a check looked at more often, each None or past when nobody does."""

    closely_until: datetime | None = None
    hurried_until: datetime | None = None
    attended_until: datetime | None = None


def pace(
    standing: Standing,
    verdict: Verdict,
    *,
    now: datetime,
    unchanged_since: datetime,
    wishes: Wishes,
) -> Pace:
    """How fast the check is looked at after a look at `now` that came to `verdict`."""
    is_settled_yes = standing.verdict is not None and standing.verdict.is_yes and verdict.is_yes
    is_doubted_yes = standing.is_being_doubted and standing.holds_up_tasks
    is_first_no = standing.is_being_doubted and not is_doubted_yes
    applies = {
        Pace.CLOSE: _is_ahead(wishes.closely_until, now),
        Pace.HURRIED: _is_ahead(wishes.hurried_until, now) and not is_settled_yes,
        Pace.CONFIRMING: is_first_no,
        Pace.ATTENDED: _is_ahead(wishes.attended_until, now) and not is_settled_yes,
        Pace.WATCHED: not (is_settled_yes or is_doubted_yes)
        and now - unchanged_since <= WATCHED_FOR,
        Pace.DOUBTING: is_doubted_yes,
    }
    return next((each for each, holds in applies.items() if holds), Pace.QUIET)


def _is_ahead(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until


def next_look(
    now: datetime, at_pace: Pace, seconds: Mapping[str, int], *, jitter: float
) -> datetime:
    """The moment of the next look; `jitter` from -1 to 1 moves it by up to a tenth.

    Always after `now`, and never more than a day away.
    """
    wait = timedelta(seconds=seconds[at_pace.value] * (1 + jitter / 10))
    return now + min(wait, LONGEST)
