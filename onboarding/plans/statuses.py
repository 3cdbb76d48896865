"""The status of a task, computed from its facts. Pure; no other module computes a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import COMPLETE_STATUSES, ManualStatus, Responsibility, TaskStatus


@dataclass(frozen=True)
class TaskFacts:
    """The stored facts of one task that is not a group."""

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
    """The status of a task, by the first rule that matches.

    1. A task that the profile or a consultant excludes is not applicable.
    2. A proof outweighs confirmations and manual statuses. A regression invalidates the
       confirmations before it, but not an accepted risk.
    3. A task of both sides is done when each side has confirmed its part.
    4. A confirmed task that a check can prove awaits verification.
    5. Any other task is open and has its manual status.
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
    confirmed = [_is_current(at, facts.regressed_at) for at in _needed(facts)]
    if all(confirmed):
        return TaskStatus.AWAITING_VERIFICATION if facts.has_check else TaskStatus.DONE
    manual = _OPEN_STATUS_OF_MANUAL_STATUS.get(facts.manual_status)
    if facts.regressed_at is not None:
        return TaskStatus.REGRESSED if manual is not TaskStatus.BLOCKED else manual
    if manual is not None:
        return manual
    return TaskStatus.PARTLY_CONFIRMED if any(confirmed) else TaskStatus.TODO


def group_status(children: Sequence[TaskStatus], *, applies: bool) -> TaskStatus:
    """The status of a group: done when all of its sub-tasks that apply are complete."""
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
