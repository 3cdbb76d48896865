"""Test messages: submitted by a person, judged by a worker, then deleted.

A message waits for its check. One run settles a pass, because a valid signature is proof. A FAIL
that may change a task needs a second run on the same message, like every other FAIL. Then the bytes
are deleted; the observation remains, without the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from checks.engine.mail.delivery_message import ReceivedInput
from checks.engine.mail.message import MAX_HEADER_LENGTH, MessageInput
from checks.engine.mail.message_parser import MailMessage, parse
from checks.engine.outcomes import MESSAGE_KINDS, Outcome, Verdict
from checks.models import Check, SubmittedMessage
from tenants.models import User

MESSAGE_LIMIT = ("test-message", "60/h")
# A check without a pending message is not due until a person submits one.
NEVER_DUE = datetime(9999, 1, 1, tzinfo=UTC)
# If DNS does not answer, the same message is judged again, up to this limit.
MAX_RUNS = 6


class MessageOfOtherHalf(Exception):
    """The message was submitted before, as one from the other half of a hybrid system."""


_PASSING = [verdict.value for verdict in Verdict if verdict.is_passing]
_RETRY_CODES = {"message.key-unanswered", "run.over-budget", "run.internal-error"}


def submit_message(
    check: Check,
    content: bytes,
    *,
    by: User,
    at: datetime,
    not_before: datetime | None,
    sending_platform: str = "",
) -> SubmittedMessage:
    """Submit a message for a check. It replaces a pending one.

    Raises MessageOfOtherHalf: one message shows the connector of one half only.
    """
    with transaction.atomic():
        # Lock the check first: a worker may be recording a run on the earlier message.
        Check.objects.select_for_update(no_key=True).get(pk=check.pk)
        if sending_platform and _is_of_other_half(check, content, sending_platform):
            raise MessageOfOtherHalf
        earlier = SubmittedMessage.objects.filter(check_asked=check, finished_at=None)
        earlier.update(finished_at=at, content=b"")
        return SubmittedMessage.objects.create(
            check_asked=check,
            content=content,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            not_before=not_before,
            sending_platform=sending_platform,
            submitted_by=by,
            submitted_at=at,
        )


def _is_of_other_half(check: Check, content: bytes, sending_platform: str) -> bool:
    """Whether it is a pending or passed message of another half, by its bytes or its Message-ID.

    A mailbox may add a header line to a copy, so the bytes alone do not identify a message.
    """
    is_used = Q(finished_at=None) | Q(observation__verdict__in=_PASSING)
    rows = SubmittedMessage.objects.filter(is_used, check_asked=check).exclude(sending_platform="")
    others = rows.exclude(sending_platform=sending_platform).select_related("observation")
    digest, own = hashlib.sha256(content).hexdigest(), _message_id(content)
    return any(
        each.sha256 == digest or (own and own == _submitted_message_id(each)) for each in others
    )


def _message_id(content: bytes) -> str:
    """The Message-ID as far as an observation stores it; empty for a text without one."""
    message = parse(content)
    fields = message.fields_named("message-id") if isinstance(message, MailMessage) else []
    return fields[0].text[:MAX_HEADER_LENGTH].strip() if fields else ""


def _submitted_message_id(submitted: SubmittedMessage) -> str:
    if submitted.observation is None:
        return _message_id(bytes(submitted.content))
    headers = submitted.observation.evidence.get("headers", [])
    found = (each["value"] for each in headers if each["name"].lower() == "message-id")
    return str(next(found, "")).strip()


def pending_messages(checks: Iterable[Check]) -> dict[int, SubmittedMessage]:
    """Return the pending message of each check, by check id."""
    ids = [check.pk for check in checks if check.kind in MESSAGE_KINDS]
    if not ids:
        return {}
    found = SubmittedMessage.objects.filter(check_asked__in=ids, finished_at=None).order_by("pk")
    return {message.check_asked_id: message for message in found}


def suspend_idle(checks: Sequence[Check], messages: Mapping[int, SubmittedMessage]) -> list[Check]:
    """Suspend message checks without a pending message; return the checks to run."""
    idle = [c.pk for c in checks if c.kind in MESSAGE_KINDS and c.pk not in messages]
    if idle:
        with transaction.atomic():
            # Read again under the lock: a message submitted at this moment must not be missed.
            rows = Check.objects.select_for_update(no_key=True).filter(pk__in=idle)
            locked = list(rows.order_by("pk"))
            pending = pending_messages(locked)
            _suspend([check.pk for check in locked if check.pk not in pending])
    return [check for check in checks if check.pk not in idle]


def _suspend(ids: Sequence[int]) -> None:
    Check.objects.filter(pk__in=ids).update(next_due_at=NEVER_DUE, claim_id="", claimed_until=None)


def engine_message(message: SubmittedMessage | None, *, at: datetime) -> MessageInput | None:
    if message is None:
        return None
    return MessageInput(
        bytes(message.content),
        at,
        max_age_days=settings.CHECKS_MESSAGE_DAYS,
        not_before=message.not_before,
        sending_platform=message.sending_platform,
    )


def engine_received(message: SubmittedMessage | None, *, at: datetime) -> ReceivedInput | None:
    if message is None:
        return None
    return ReceivedInput(bytes(message.content), at, switched_at=message.not_before)


def record_message_run(message: SubmittedMessage, outcome: Outcome, *, at: datetime) -> bool:
    """Delete the message after judging. Return whether it is finished."""
    with transaction.atomic():
        check = Check.objects.select_for_update(no_key=True).get(pk=message.check_asked_id)
        rows = SubmittedMessage.objects.filter(pk=message.pk, finished_at=None)
        if not _is_finished(check, outcome, message.runs + 1):
            rows.update(runs=F("runs") + 1)
            return False
        done = rows.update(
            runs=F("runs") + 1, finished_at=at, content=b"", observation=check.latest_id
        )
        if (
            done
            and not SubmittedMessage.objects.filter(check_asked=check, finished_at=None).exists()
        ):
            _suspend([check.pk])
    return bool(done)


def _is_finished(check: Check, outcome: Outcome, runs: int) -> bool:
    if runs >= MAX_RUNS:
        return True
    if outcome.verdict is Verdict.FAIL and outcome.unanimous:
        return not check.settled.is_contradicted
    codes = {finding.code for finding in outcome.findings}
    return not codes & _RETRY_CODES


def latest_messages(check: Check, *, most: int = 10) -> list[SubmittedMessage]:
    """Return recent messages, newest first, each with its submitter and observation."""
    shown = SubmittedMessage.objects.filter(check_asked=check).select_related(
        "observation", "submitted_by"
    )
    return list(shown.defer("content")[:most])
