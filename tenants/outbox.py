"""The outbox: e-mails and messages to workers, stored in the transaction of the change.

1. `add` and `queue_task` store a row and publish it to the broker on commit. Without a broker the
   row waits, and the beat publishes it later.
2. A row has a claim while it is queued or runs. A claim that ends without a result is published
   again. Duplicates in the broker are harmless: an e-mail is sent by the newest claim only, and a
   task does not start while its row runs or after it has ended.
3. The worker hands an e-mail to the mail server once for each claim. If it dies after the mail
   server accepted the e-mail and before `sent_at` is stored, the e-mail is sent again: a duplicate
   is better than a lost invitation. Its Message-ID is the same, so that it is recognisable.
4. A failed e-mail is tried again after 10 s, 20 s and so on up to an hour, for three days.
5. E-mails never delay tasks, nor the tasks of one queue those of another. The beat publishes the
   tasks of a queue alternating between tenants, and so many that a new one waits for few others.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from celery import Task, current_app
from celery.exceptions import NotRegistered
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from tenants import broker, database_time, event_counts
from tenants.email import Email
from tenants.models import OutboxMessage, Tenant
from tenants.public_ids import new_public_id

logger = logging.getLogger(__name__)

TASK = "task"
# The name of the Celery task that sends an e-mail.
SEND_TASK = "tenants.send_message"
# The header of a message that belongs to a row.
HEADER = "outbox_id"

QUEUED_FOR = timedelta(seconds=45)
# Longer than the hard time limit of the task that sends an e-mail.
SENDING_FOR = timedelta(seconds=120)
# The lease of a task: its worker renews it while the process lives.
TASK_RUNS_FOR = timedelta(seconds=30)
GIVE_UP_AFTER = timedelta(days=3)
_SHORTEST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
# The most e-mails that the beat leaves in the broker at once. A hanging mail server sends few.
MOST_QUEUED = 100
# The most tasks of one queue, queued or running.
MOST_QUEUED_TASKS = 16
# The number of tasks of one change that are published on its commit. The beat publishes the others.
MOST_AT_ONCE = 4
_KEEP_SENT_FOR = timedelta(days=7)
_KEEP_ENDED_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Composer:
    """Makes the e-mail of a message. `compose` returns None if the e-mail is obsolete.

    `after_sending` runs in the transaction that stores `sent_at`.
    """

    compose: Callable[[OutboxMessage], Email | None]
    after_sending: Callable[[OutboxMessage, datetime], None] | None = None


_composers: dict[str, Composer] = {}


def register(kind: str, composer: Composer) -> None:
    """Register the composer of a kind, from the module with the Celery tasks of a package."""
    _composers[kind] = composer


def composer_of(kind: str) -> Composer:
    """The composer of a kind. Raises KeyError in a worker of an older version."""
    return _composers[kind]


# --- The transaction of the change


def add(
    kind: str,
    *,
    recipient: str = "",
    tenant: Tenant | None = None,
    payload: Mapping[str, Any] | None = None,
    public_id: str = "",
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
    is_deferred: bool = False,
) -> None:
    """Store a message, and publish it on commit unless it waits for `not_before` or is deferred.

    A second message with the same `public_id` is ignored. Call it in the transaction of the change.
    """
    now = database_time.now()
    is_later = is_deferred or (not_before is not None and not_before > now)
    values = {
        "kind": kind,
        "recipient": recipient,
        "tenant": tenant,
        "payload": dict(payload or {}),
        "created_at": now,
        "not_before": not_before or now,
        "expires_at": expires_at,
        "claim_id": "" if is_later or kind == TASK else new_public_id(),
        "claimed_until": None if is_later else now + QUEUED_FOR,
    }
    if public_id:
        message, is_new = OutboxMessage.objects.get_or_create(public_id=public_id, defaults=values)
    else:
        message, is_new = OutboxMessage.objects.create(**values), True
    if is_new and not is_later:
        transaction.on_commit(functools.partial(queue_messages, [message]))


def queue_task(
    task: Task[Any, Any],
    *args: Any,
    tenant: Tenant | None = None,
    not_before: datetime | None = None,
    is_deferred: bool = False,
) -> None:
    """Store a message to a worker. The row is deleted when the task has succeeded.

    The task must be safe to run twice. `args` are JSON values. `is_deferred` leaves the publication
    to the beat, which alternates between tenants.
    """
    payload = {"task": task.name, "args": list(args), "queue": _queue_of(task.name)}
    add(TASK, tenant=tenant, payload=payload, not_before=not_before, is_deferred=is_deferred)


def _queue_of(name: str) -> str:
    route: dict[str, str] = settings.CELERY_TASK_ROUTES.get(name, {})
    return route.get("queue", "")


def queue_tasks(
    task: Task[Any, Any], arguments: Iterable[Sequence[Any]], *, tenant: Tenant
) -> None:
    """Store a message for each list of arguments: the first few at once, the others deferred."""
    for number, args in enumerate(arguments):
        queue_task(task, *args, tenant=tenant, is_deferred=number >= MOST_AT_ONCE)


# --- The broker


def queue_messages(messages: Iterable[OutboxMessage]) -> None:
    """Send claimed messages to the broker. Without a broker, their claims end."""
    for message in messages:
        if not _send_to_broker(message):
            unsent = _of_claim(message.public_id, message.claim_id)
            unsent.update(claim_id="", claimed_until=None)


def _send_to_broker(message: OutboxMessage) -> bool:
    if message.kind != TASK:
        return broker.send(current_app.tasks[SEND_TASK], (message.public_id, message.claim_id))
    payload = message.payload
    task = current_app.tasks.get(payload["task"])
    if task is None:
        _refuse_unknown_task(message)
        return True
    return broker.send(task, tuple(payload["args"]), headers={HEADER: message.public_id})


def _refuse_unknown_task(message: OutboxMessage) -> None:
    """Schedule the message again for a process of another version, and end it after three days."""
    name = message.payload["task"]
    event_counts.count(event_counts.Event.UNKNOWN_TASK)
    logger.error("the outbox has a message for the unknown task %s", name)
    mark_failed(message, NotRegistered(name))


def _waiting() -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(sent_at=None, ended_at=None)


def _of_claim(public_id: str, claim_id: str) -> QuerySet[OutboxMessage]:
    return _waiting().filter(public_id=public_id, claim_id=claim_id)


def claim_due(*, now: datetime) -> list[OutboxMessage]:
    """Claim the messages that are due and not claimed, for `queue_messages`.

    E-mails, oldest first, up to MOST_QUEUED; tasks alternating between tenants, up to
    MOST_QUEUED_TASKS in each queue.
    """
    _end(_waiting().filter(expires_at__lte=now), now=now, error="expired")
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    due = _waiting().filter(is_free, not_before__lte=now)
    with transaction.atomic():
        # Another beat claims the locked rows. SQLite has one writer at a time and needs no lock.
        locked = due.select_for_update(of=("self",), skip_locked=True, no_key=True)
        emails = locked.exclude(kind=TASK).order_by("not_before", "pk")
        messages = list(emails[: _most_emails(now)])
        for message in messages:
            message.claim_id = new_public_id()
        keys = _alternating_tasks(due.filter(kind=TASK), now=now)
        for task in locked.filter(pk__in=keys) if keys else ():
            task.attempts += 1
            # The interval grows for a task that ends its worker, or that waits in a long queue.
            task.not_before = now + pause_after(task.attempts)
            task.claim_id = ""
            messages.append(task)
        for message in messages:
            message.claimed_until = now + QUEUED_FOR
        fields = ["claim_id", "claimed_until", "attempts", "not_before"]
        OutboxMessage.objects.bulk_update(messages, fields)
    return messages


def _most_emails(now: datetime) -> int:
    queued = _waiting().exclude(kind=TASK).filter(claimed_until__gt=now).count()
    return max(0, MOST_QUEUED - queued)


def _alternating_tasks(due: QuerySet[OutboxMessage], *, now: datetime) -> list[int]:
    """The keys of the tasks to publish: of each queue one of every tenant, then the next ones."""
    found = list(due.order_by().values_list("payload__queue", flat=True).distinct())
    if not found:
        return []
    claimed = Counter(
        _waiting()
        .filter(kind=TASK, claimed_until__gt=now)
        .order_by()
        .values_list("payload__queue", flat=True)
    )
    position = Window(
        RowNumber(), partition_by=[F("tenant")], order_by=[F("not_before").asc(), F("pk").asc()]
    )
    keys: list[int] = []
    for queue in found:
        of_queue = due.filter(payload__queue=queue).annotate(position=position)
        free = max(0, MOST_QUEUED_TASKS - claimed[queue])
        keys += of_queue.order_by("position", "not_before", "pk").values_list("pk", flat=True)[
            :free
        ]
    return keys


# --- The worker


def start(public_id: str, claim_id: str) -> OutboxMessage | None:
    """Start the e-mail of a claim. None if another worker started it, or if it was sent."""
    now = database_time.now()
    own = new_public_id()
    started = _of_claim(public_id, claim_id).update(
        claim_id=own, claimed_until=now + SENDING_FOR, attempts=F("attempts") + 1
    )
    if not started:
        return None
    return OutboxMessage.objects.select_related("tenant").filter(public_id=public_id).first()


def mark_sent(message: OutboxMessage) -> None:
    """Store that the mail server accepted the e-mail, and delete its content."""
    now = database_time.now()
    after_sending = composer_of(message.kind).after_sending
    with transaction.atomic():
        OutboxMessage.objects.filter(pk=message.pk, sent_at=None).update(
            sent_at=now, payload={}, recipient="", claimed_until=None, last_error=""
        )
        if after_sending is not None:
            after_sending(message, now)


def mark_obsolete(message: OutboxMessage) -> None:
    _end(_waiting().filter(pk=message.pk), now=database_time.now(), error="")


def mark_failed(message: OutboxMessage, error: BaseException) -> None:
    """Schedule the next attempt, or end the message after its last one."""
    now = database_time.now()
    next_at = now + pause_after(message.attempts)
    mine = _of_claim(message.public_id, message.claim_id)
    if next_at >= (message.expires_at or message.created_at + GIVE_UP_AFTER):
        _end(mine, now=now, error=describe(error))
        return
    mine.update(not_before=next_at, claim_id="", claimed_until=None, last_error=describe(error))


def start_task(public_id: str) -> str | None:
    """Start the task of a row, and return the id of its lease.

    None if the task has ended, or if a living worker runs it.
    """
    now = database_time.now()
    claim_id = new_public_id()
    is_queued = Q(claim_id="") | Q(claimed_until=None) | Q(claimed_until__lte=now)
    started = (
        _waiting()
        .filter(is_queued, public_id=public_id, kind=TASK)
        .update(claim_id=claim_id, claimed_until=now + TASK_RUNS_FOR)
    )
    return claim_id if started else None


def renew_task(public_id: str, claim_id: str) -> None:
    _of_claim(public_id, claim_id).update(claimed_until=database_time.now() + TASK_RUNS_FOR)


def mark_task_ended(public_id: str, error: BaseException | None) -> None:
    """Delete the row of a task that succeeded, and schedule one that failed again."""
    message = _waiting().filter(public_id=public_id, kind=TASK).first()
    if message is None:
        return
    if error is None:
        message.delete()
    else:
        message.attempts += 1
        OutboxMessage.objects.filter(pk=message.pk).update(attempts=message.attempts)
        mark_failed(message, error)


def pause_after(attempts: int) -> timedelta:
    """The time until the next attempt: 10 s, doubled after each attempt, at most an hour."""
    doubled: int = 2 ** max(0, min(attempts, 20) - 1)
    return min(_SHORTEST_PAUSE * doubled, _LONGEST_PAUSE)


def describe(error: BaseException) -> str:
    """The class of an error with the code of the mail server. Replies contain addresses."""
    codes: list[int] = []
    if isinstance(error, SMTPResponseException):
        codes = [error.smtp_code]
    elif isinstance(error, SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
    return " ".join([type(error).__name__, *map(str, codes)])


def _end(messages: QuerySet[OutboxMessage], *, now: datetime, error: str) -> None:
    messages.update(
        ended_at=now, payload={}, recipient="", claim_id="", claimed_until=None, last_error=error
    )


# --- Cleaning and monitoring


def forget(address: str, *, tenant: Tenant, has_account: bool) -> None:
    """Delete the unsent e-mails of an erased tenant to an address, and those about no tenant.

    An e-mail of another tenant remains: that tenant stored the address for its own purpose. So do
    e-mails about no tenant if the address belongs to an account that remains (`has_account`).
    """
    concerned = Q(tenant=tenant) if has_account else Q(tenant=tenant) | Q(tenant=None)
    OutboxMessage.objects.filter(concerned, recipient__iexact=address).delete()


def delete_old(*, now: datetime) -> None:
    """Delete the rows of e-mails that were sent a week ago, or ended a month ago."""
    OutboxMessage.objects.filter(sent_at__lt=now - _KEEP_SENT_FOR).delete()
    OutboxMessage.objects.filter(ended_at__lt=now - _KEEP_ENDED_FOR).delete()


@dataclass(frozen=True)
class OutboxState:
    """The numbers of the page of the workers."""

    waiting: int
    oldest: OutboxMessage | None
    # Ended in the last month without being sent, because of errors.
    failed: int


def state() -> OutboxState:
    """The messages that wait, the one that has waited longest, and those that failed."""
    failed = OutboxMessage.objects.filter(ended_at__isnull=False).exclude(last_error="")
    return OutboxState(
        _waiting().count(), _waiting().order_by("created_at").first(), failed.count()
    )
