"""Test messages on their way to a verdict: shown by a person, looked at by a worker, then let go.

A message waits beside its check until it is judged. A yes is one look's matter, for a signature
that verifies is proof. A no that may move a task is confirmed by a second look at the same message,
like every other no. Then the bytes go; the observation stays, without the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F

from checks.engine.message import Shown
from checks.engine.outcomes import Kind, Outcome, Verdict
from checks.models import Check, ShownMessage
from tenants.models import User

# A check without a message to look at is not due until somebody shows one.
PARKED = datetime(9999, 1, 1, tzinfo=UTC)
# Where DNS was silent the same message is looked at again, but not for ever.
MOST_LOOKS = 6
_WORTH_ANOTHER_LOOK = {"message.key-unanswered", "look.over-budget", "look.internal-error"}


def show_message(
    check: Check, content: bytes, *, by: User, at: datetime, not_before: datetime | None
) -> ShownMessage:
    """Put a message before its check; one that still waits there gives way to it."""
    with transaction.atomic():
        # The check's row first: a worker may be recording a look at the earlier message.
        Check.objects.select_for_update().get(pk=check.pk)
        earlier = ShownMessage.objects.filter(check_asked=check, judged_at=None)
        earlier.update(judged_at=at, content=b"")
        return ShownMessage.objects.create(
            check_asked=check,
            content=content,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            not_before=not_before,
            shown_by=by,
            shown_at=at,
        )


def waiting(checks: Iterable[Check]) -> dict[int, ShownMessage]:
    """The message that waits before each check, by the check's id."""
    ids = [check.pk for check in checks if check.kind == Kind.MESSAGE]
    if not ids:
        return {}
    found = ShownMessage.objects.filter(check_asked__in=ids, judged_at=None).order_by("pk")
    return {message.check_asked_id: message for message in found}


def park_idle(checks: Sequence[Check], messages: Mapping[int, ShownMessage]) -> list[Check]:
    """Put message checks that nobody has shown anything aside; returns the checks to look at."""
    idle = [c.pk for c in checks if c.kind == Kind.MESSAGE and c.pk not in messages]
    if idle:
        with transaction.atomic():
            # Read again under lock: a message shown in this moment must not be parked away.
            held = list(Check.objects.select_for_update().filter(pk__in=idle))
            shown = waiting(held)
            _park([check.pk for check in held if check.pk not in shown])
    return [check for check in checks if check.pk not in idle]


def _park(ids: Sequence[int]) -> None:
    Check.objects.filter(pk__in=ids).update(next_due_at=PARKED, claim_id="", claimed_until=None)


def shown_to_engine(message: ShownMessage | None, *, at: datetime) -> Shown | None:
    if message is None:
        return None
    return Shown(
        bytes(message.content),
        at,
        most_days=settings.CHECKS_MESSAGE_DAYS,
        not_before=message.not_before,
    )


def note_look(message: ShownMessage, outcome: Outcome, *, at: datetime) -> bool:
    """After a look was recorded: let the message go once it is judged. Returns whether it is."""
    with transaction.atomic():
        check = Check.objects.select_for_update().get(pk=message.check_asked_id)
        rows = ShownMessage.objects.filter(pk=message.pk, judged_at=None)
        if not _is_judged(check, outcome, message.looks + 1):
            rows.update(looks=F("looks") + 1)
            return False
        done = rows.update(
            looks=F("looks") + 1, judged_at=at, content=b"", observation=check.latest_id
        )
        if done and not ShownMessage.objects.filter(check_asked=check, judged_at=None).exists():
            _park([check.pk])
    return bool(done)


def _is_judged(check: Check, outcome: Outcome, looks: int) -> bool:
    if looks >= MOST_LOOKS:
        return True
    if outcome.verdict is Verdict.FAIL and outcome.unanimous:
        return not check.standing.is_being_doubted
    codes = {finding.code for finding in outcome.findings}
    return not codes & _WORTH_ANOTHER_LOOK


def latest_messages(check: Check, *, most: int = 10) -> list[ShownMessage]:
    """What was shown lately, the newest first, each with who showed it and what came of it."""
    shown = ShownMessage.objects.filter(check_asked=check).select_related("observation", "shown_by")
    return list(shown.defer("content")[:most])
