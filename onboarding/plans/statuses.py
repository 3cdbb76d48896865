"""Where a task stands, from its facts. Pure functions; nothing else decides a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import COMPLETE_STATUSES, ManualStatus, Responsibility, TaskStatus


@dataclass(frozen=True)
class TaskFacts:
    """What is known of one task that is not a group."""

    applies: bool
    responsibility: str
    has_check: bool
    mimecast_confirmed_at: datetime | None = None
    client_confirmed_at: datetime | None = None
    verified_at: datetime | None = None
    regressed_at: datetime | None = None
    manual_status: str = ManualStatus.NONE


_OPEN_STATUS_OF_MANUAL_STATUS = {
    ManualStatus.BLOCKED.value: TaskStatus.BLOCKED,
    ManualStatus.WAITING.value: TaskStatus.WAITING,
    ManualStatus.IN_PROGRESS.value: TaskStatus.IN_PROGRESS,
}


def status_of(facts: TaskFacts) -> TaskStatus:
    """The status that the facts amount to.

    1. What does not apply, by the profile or reason a person set it aside, is not to be done.
    2. A proof outweighs everything people said; a broken proof outweighs what they confirmed before
       it, and not a risk that somebody took in words.
    3. A task of both sides is done when each side has confirmed its part.
    4. Where a check can prove the task, confirmations make a claim and no more.
    5. What is left is open, and stands as people last marked it.
    """
    if not facts.applies or facts.manual_status == ManualStatus.NOT_NEEDED:
        return TaskStatus.NOT_APPLICABLE
    if facts.verified_at is not None:
        return TaskStatus.VERIFIED
    if facts.manual_status == ManualStatus.DECLINED:
        return TaskStatus.DECLINED
    if facts.manual_status == ManualStatus.ACCEPTED_RISK:
        return TaskStatus.ACCEPTED_RISK
    return _status_from_confirmations(facts)


def _status_from_confirmations(facts: TaskFacts) -> TaskStatus:
    confirmed = [_is_current(moment, facts.regressed_at) for moment in _needed(facts)]
    if all(confirmed):
        return TaskStatus.AWAITING_VERIFICATION if facts.has_check else TaskStatus.DONE
    marked = _OPEN_STATUS_OF_MANUAL_STATUS.get(facts.manual_status)
    if facts.regressed_at is not None:
        return TaskStatus.REGRESSED if marked is not TaskStatus.BLOCKED else marked
    if marked is not None:
        return marked
    return TaskStatus.PARTLY_CONFIRMED if any(confirmed) else TaskStatus.TODO


def group_status(children: Sequence[TaskStatus], *, applies: bool) -> TaskStatus:
    """A group is done when all of its children that apply are done."""
    counted = [status for status in children if status is not TaskStatus.NOT_APPLICABLE]
    if not applies or not counted:
        return TaskStatus.NOT_APPLICABLE
    if TaskStatus.REGRESSED in counted:
        return TaskStatus.REGRESSED
    if all(status is TaskStatus.VERIFIED for status in counted):
        return TaskStatus.VERIFIED
    if all(status is TaskStatus.DECLINED for status in counted):
        return TaskStatus.DECLINED
    if all(status in COMPLETE_STATUSES for status in counted):
        return TaskStatus.DONE
    return (
        TaskStatus.TODO
        if all(s is TaskStatus.TODO for s in counted)
        else TaskStatus.PARTLY_CONFIRMED
    )


def _needed(facts: TaskFacts) -> list[datetime | None]:
    match facts.responsibility:
        case Responsibility.MIMECAST:
            return [facts.mimecast_confirmed_at]
        case Responsibility.CLIENT:
            return [facts.client_confirmed_at]
        case _:
            return [facts.mimecast_confirmed_at, facts.client_confirmed_at]


def _is_current(confirmed_at: datetime | None, regressed_at: datetime | None) -> bool:
    return confirmed_at is not None and (regressed_at is None or confirmed_at > regressed_at)
