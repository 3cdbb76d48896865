"""How a person may move a task: the acts, from where, by whom, and with what words. Pure.

Confirming stands in `services`, for a check may have a say in it; everything else people say of a
task is a move of this table. A proof moves tasks by itself and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from onboarding.models import Mark, Responsibility, TaskState

ACCEPTED_AT_MOST = timedelta(days=365)
LONGEST_REASON = 500

_OPEN = frozenset(
    {
        TaskState.TODO,
        TaskState.IN_PROGRESS,
        TaskState.WAITING,
        TaskState.BLOCKED,
        TaskState.HALF,
        TaskState.CLAIMED,
        TaskState.BROKEN,
    }
)


class Party(StrEnum):
    """Who may make a move: whoever confirms tasks, or only whoever steers the plan."""

    EITHER_SIDE = "either side"
    WHO_STEERS = "whoever steers the plan"


@dataclass(frozen=True)
class Move:
    """One thing a person can say of a task. `label` is what the button says."""

    key: str
    label: str
    mark: Mark
    origins: frozenset[TaskState]
    party: Party = Party.EITHER_SIDE
    asks_why: str = ""
    asks_until: bool = False
    only_optional: bool = False

    @property
    def needs_words(self) -> bool:
        return bool(self.asks_why)


# A word about a task that somebody set aside would be lost under it.
SET_DOWN = {
    Mark.DECLINED: "It was declined: take it up again first.",
    Mark.ACCEPTED: "It is accepted as it is: bring it back first.",
    Mark.SET_ASIDE: "It was set aside as not applicable: bring it back first.",
}
# What can be said of a task that only time completes.
_OF_WAITS = frozenset({"accept", "set-aside", "bring-back"})
_BACK = frozenset({TaskState.IN_PROGRESS, TaskState.WAITING, TaskState.BLOCKED})

MOVES: Mapping[str, Move] = MappingProxyType(
    {
        move.key: move
        for move in (
            Move("start", "We have started", Mark.IN_PROGRESS, _OPEN - {TaskState.IN_PROGRESS}),
            Move(
                "wait",
                "Wait for the other side",
                Mark.WAITING,
                _OPEN - {TaskState.WAITING},
                asks_why="What do they have to do or answer?",
            ),
            Move(
                "block",
                "It is blocked",
                Mark.BLOCKED,
                _OPEN - {TaskState.BLOCKED},
                asks_why="What is in the way?",
            ),
            Move("resume", "Go on with it", Mark.NONE, _BACK),
            Move(
                "decline",
                "Decline it",
                Mark.DECLINED,
                _OPEN,
                asks_why="Why is it not wanted?",
                only_optional=True,
            ),
            Move(
                "accept",
                "Accept it as it is",
                Mark.ACCEPTED,
                _OPEN,
                party=Party.WHO_STEERS,
                asks_why="Which risk is taken, and why?",
                asks_until=True,
            ),
            Move(
                "set-aside",
                "It does not apply",
                Mark.SET_ASIDE,
                _OPEN,
                party=Party.WHO_STEERS,
                asks_why="Why does it not apply?",
            ),
            Move("take-up", "Take it up again", Mark.NONE, frozenset({TaskState.DECLINED})),
            Move(
                "bring-back",
                "Bring it back",
                Mark.NONE,
                frozenset({TaskState.ACCEPTED, TaskState.NOT_APPLICABLE}),
                party=Party.WHO_STEERS,
            ),
        )
    }
)


@dataclass(frozen=True)
class Mover:
    """The person before a task: the side they speak for, if any, and whether they steer."""

    side: str
    may_steer: bool


@dataclass(frozen=True)
class Place:
    """What of a task decides which moves there are."""

    state: str
    mark: str
    responsibility: str
    is_group: bool = False
    is_optional: bool = False
    is_wait: bool = False


def refusal(move: Move, place: Place, mover: Mover) -> str:
    """Why the person may not make the move from there; empty when they may."""
    if place.is_group:
        return "This is a group: it stands as the tasks below it do."
    if not mover.side:
        return "You can read this plan, but not move its tasks."
    if move.party is Party.WHO_STEERS and not mover.may_steer:
        return "Only a consultant can say this of a task."
    if not mover.may_steer and place.responsibility not in (mover.side, Responsibility.BOTH):
        return f"This task is {Responsibility(place.responsibility).label}’s."
    if place.state not in move.origins:
        return (
            f"The task stands at “{TaskState(place.state).label}” now, where this cannot be said."
        )
    return _refusal_there(move, place)


def _refusal_there(move: Move, place: Place) -> str:
    """Why nobody can make the move from there, whoever they are."""
    if move.key == "bring-back" and not place.mark:
        return "The tenant’s profile says that this task does not apply: change it there."
    if place.is_wait and move.key not in _OF_WAITS:
        return "Only time completes this: it is accepted as it is, set aside, or waited for."
    if move.only_optional and not place.is_optional:
        return "Only what the article offers as optional can be declined."
    return ""


def moves_from(place: Place, mover: Mover) -> list[Move]:
    """What this person can say of the task now."""
    return [move for move in MOVES.values() if not refusal(move, place, mover)]


def problem_with(because: str, until: datetime | None, move: Move, *, now: datetime) -> str:
    """What is wrong with the words given for a move; empty when nothing is."""
    if move.needs_words and not because.strip():
        return "Say it in a few words: whoever reads this later was not here."
    if len(because) > LONGEST_REASON:
        return f"Say it in at most {LONGEST_REASON} characters; you wrote {len(because)}."
    if not move.asks_until:
        return ""
    if until is None or until <= now:
        return "Say until when, with a day that is still to come."
    if until > now + ACCEPTED_AT_MOST:
        return "A risk is accepted for a year at most: choose an earlier day."
    return ""


def side_waited_for(move: Move, side: str) -> str:
    """Whom a task waits for after the move: the other side, where somebody says that it waits."""
    if move.mark is not Mark.WAITING:
        return ""
    is_client = side == Responsibility.CLIENT
    return Responsibility.MIMECAST if is_client else Responsibility.CLIENT


def said_meanwhile(mark: str, because: str, *, by: str) -> str:
    """What whoever confirms a task did not read yet."""
    words = f": “{because}”" if because else ""
    return (
        f"{by} said meanwhile that it is “{Mark(mark).label.lower()}”{words}. Nothing was changed:"
        " confirm it if it is done all the same."
    )
