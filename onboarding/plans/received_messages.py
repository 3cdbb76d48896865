"""What received messages show about a task, from the newest to the oldest. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.outcomes import Verdict

# Findings that are a fault at any time.
_NEVER_RIGHT = {"delivery-message.other-region"}


@dataclass(frozen=True)
class ReceivedMessage:
    """The judgement of one message that a person submitted."""

    verdict: Verdict
    codes: frozenset[str]
    received_at: datetime | None


def show_a_fault(
    newest_first: Iterable[ReceivedMessage], *, switched_at: datetime | None, old_ttl: timedelta
) -> bool:
    """Whether a message shows that the task is not done, and no newer one shows that it is.

    A message that shows neither changes nothing. `switched_at` is the MX switch; None for a task
    that does not follow it, and before it. Mail reaches the old hosts until caches of their MX
    records expire, `old_ttl` later. Until then a direct delivery is no fault.
    """
    for message in newest_first:
        at = message.received_at
        if message.verdict.is_passing:
            # Received lines have the time in whole seconds.
            if switched_at is None or (at and at >= switched_at.replace(microsecond=0)):
                return False
        elif message.verdict is Verdict.FAIL:
            is_late = switched_at is not None and at is not None and at >= switched_at + old_ttl
            if is_late or message.codes & _NEVER_RIGHT:
                return True
    return False
