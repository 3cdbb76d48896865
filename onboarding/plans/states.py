"""Where a task stands, from its facts. Pure functions; nothing else decides a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import COMPLETE, Mark, Responsibility, TaskState


@dataclass(frozen=True)
class Facts:
    """What is known of one task that is not a group."""

    applies: bool
    responsibility: str
    has_check: bool
    mimecast_confirmed_at: datetime | None = None
    client_confirmed_at: datetime | None = None
    proven_at: datetime | None = None
    broken_at: datetime | None = None
    mark: str = Mark.NONE


_OPEN_STATE_OF_MARK = {
    Mark.BLOCKED.value: TaskState.BLOCKED,
    Mark.WAITING.value: TaskState.WAITING,
    Mark.IN_PROGRESS.value: TaskState.IN_PROGRESS,
}


def state_of(facts: Facts) -> TaskState:
    """The state that the facts amount to.

    1. What does not apply, by the profile or because a person set it aside, is not to be done.
    2. A proof outweighs everything people said; a broken proof outweighs what they confirmed before
       it, and not a risk that somebody took in words.
    3. A task of both sides is done when each side has confirmed its part.
    4. Where a check can prove the task, confirmations make a claim and no more.
    5. What is left is open, and stands as people last marked it.
    """
    if not facts.applies or facts.mark == Mark.SET_ASIDE:
        return TaskState.NOT_APPLICABLE
    if facts.proven_at is not None:
        return TaskState.PROVEN
    if facts.mark == Mark.DECLINED:
        return TaskState.DECLINED
    if facts.mark == Mark.ACCEPTED:
        return TaskState.ACCEPTED
    return _state_by_word(facts)


def _state_by_word(facts: Facts) -> TaskState:
    confirmed = [_still_stands(moment, facts.broken_at) for moment in _needed(facts)]
    if all(confirmed):
        return TaskState.CLAIMED if facts.has_check else TaskState.DONE
    marked = _OPEN_STATE_OF_MARK.get(facts.mark)
    if facts.broken_at is not None:
        return TaskState.BROKEN if marked is not TaskState.BLOCKED else marked
    if marked is not None:
        return marked
    return TaskState.HALF if any(confirmed) else TaskState.TODO


def group_state(children: Sequence[TaskState], *, applies: bool) -> TaskState:
    """A group is done when all of its children that apply are done."""
    counted = [state for state in children if state is not TaskState.NOT_APPLICABLE]
    if not applies or not counted:
        return TaskState.NOT_APPLICABLE
    if TaskState.BROKEN in counted:
        return TaskState.BROKEN
    if all(state is TaskState.PROVEN for state in counted):
        return TaskState.PROVEN
    if all(state is TaskState.DECLINED for state in counted):
        return TaskState.DECLINED
    if all(state in COMPLETE for state in counted):
        return TaskState.DONE
    return TaskState.TODO if all(s is TaskState.TODO for s in counted) else TaskState.HALF


def _needed(facts: Facts) -> list[datetime | None]:
    match facts.responsibility:
        case Responsibility.MIMECAST:
            return [facts.mimecast_confirmed_at]
        case Responsibility.CLIENT:
            return [facts.client_confirmed_at]
        case _:
            return [facts.mimecast_confirmed_at, facts.client_confirmed_at]


def _still_stands(confirmed_at: datetime | None, broken_at: datetime | None) -> bool:
    return confirmed_at is not None and (broken_at is None or confirmed_at > broken_at)
