"""Deliver the messages of one webhook, in order for each tenant.

1. A worker claims the webhook, so that no two workers send its messages at once.
2. The oldest waiting message of each tenant is its next one. While it fails, the later ones of the
   tenant wait, and those of other tenants continue.
3. The POST happens outside a transaction. A worker that dies after it leaves the message waiting.
   The next delivery has the same webhook-id, so that the receiver can ignore it.
4. A failed message is sent again for a day. After its last failure, or 410 Gone, the webhook is
   paused, and its owner receives an e-mail.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from tenants import database_time, outbox
from tenants.models import Webhook, WebhookDelivery, WebhookMessage
from tenants.permissions import Permission, may, role_in, staff_role_of
from tenants.public_ids import new_public_id
from tenants.webhooks import targets
from tenants.webhooks.events import queue_deliveries
from tenants.webhooks.formats import body_of
from tenants.webhooks.secrets import SecretUnreadableError, read, signed_headers

logger = logging.getLogger(__name__)

# The pauses after each failed delivery of a message: a day in total, as Standard Webhooks suggests.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 28_800, 30_600)
)
# Longer than the resolution of the name and one request.
CLAIMED_FOR = timedelta(seconds=60)
# One task ends after this time or number of messages, so that other webhooks follow.
MAX_SECONDS_PER_WEBHOOK = 20.0
MAX_MESSAGES_PER_WEBHOOK = 50
# The whole target rests after a failure, so that a hanging one occupies a worker rarely.
_REST = timedelta(seconds=5)
_LONGEST_REST = timedelta(minutes=5)
_LONGEST_RETRY_AFTER = timedelta(hours=1)
GONE = 410
# The status of a target that refuses this message and no other.
_REFUSALS = range(400, 500)
RETENTION = timedelta(days=30)
PAUSED_EMAIL = "paused-webhook"


def due_messages(*, now: datetime) -> QuerySet[WebhookMessage]:
    """The due messages that are the first of their tenant at their webhook, oldest first.

    A test without a tenant waits for no other message.
    """
    waiting = WebhookMessage.objects.filter(status=WebhookMessage.Status.WAITING)
    earlier = waiting.filter(
        webhook=OuterRef("webhook"), tenant=OuterRef("tenant"), pk__lt=OuterRef("pk")
    )
    return waiting.filter(~Exists(earlier), due_at__lte=now).order_by("pk")


def due_webhooks(*, now: datetime) -> list[int]:
    """The webhooks with a due message that no worker delivers."""
    ready = _ready(now).filter(Exists(due_messages(now=now).filter(webhook=OuterRef("pk"))))
    return list(ready.order_by("pk").values_list("pk", flat=True))


def _ready(now: datetime) -> QuerySet[Webhook]:
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    is_rested = Q(resting_until=None) | Q(resting_until__lte=now)
    return Webhook.objects.filter(is_free, is_rested, paused_at=None)


def deliver(webhook_id: int) -> None:
    """Deliver the due messages of one webhook, within the limits of one task. Safe to run twice."""
    now = database_time.now()
    claim_id = new_public_id()
    claimed = _ready(now).filter(pk=webhook_id)
    Webhook.objects.filter(pk=webhook_id).update(queued_until=None)
    if not claimed.update(claim_id=claim_id, claimed_until=now + CLAIMED_FOR):
        return
    ends_at, count = time.monotonic() + MAX_SECONDS_PER_WEBHOOK, 0
    while count < MAX_MESSAGES_PER_WEBHOOK and time.monotonic() < ends_at:
        if not _deliver_next(webhook_id, claim_id):
            break
        count += 1
    Webhook.objects.filter(pk=webhook_id, claim_id=claim_id).update(claim_id="", claimed_until=None)
    if webhook_id in due_webhooks(now=database_time.now()):
        queue_deliveries([webhook_id])


def _deliver_next(webhook_id: int, claim_id: str) -> bool:
    """Deliver the next due message. False if there is none, or if the target should rest."""
    now = database_time.now()
    claimed = Webhook.objects.filter(pk=webhook_id, claim_id=claim_id, paused_at=None)
    if not claimed.update(claimed_until=now + CLAIMED_FOR):
        return False
    rows = due_messages(now=now).filter(webhook=webhook_id)
    message = rows.select_related("webhook__owner", "webhook__tenant", "tenant").first()
    if message is None:
        return False
    if not owner_may_manage(message.webhook):
        _pause(message.webhook, Webhook.PauseReason.OWNER, now=now)
        return False
    delivery, retry_after_seconds = _send(message, now=now)
    with transaction.atomic():
        delivery.save(force_insert=True)
        if delivery.is_success:
            _store_success(message)
        else:
            _store_failure(message, delivery, timedelta(seconds=retry_after_seconds))
    return delivery.is_success


def owner_may_manage(webhook: Webhook) -> bool:
    """Whether the owner has the permission now. A webhook does not outlive it."""
    owner, tenant = webhook.owner, webhook.tenant
    if tenant is None:
        return may(staff_role_of(owner), Permission.MANAGE_ALL_WEBHOOKS)
    return may(role_in(owner, tenant), Permission.MANAGE_WEBHOOKS, is_closed=tenant.is_closed)


def _send(message: WebhookMessage, *, now: datetime) -> tuple[WebhookDelivery, int]:
    """One delivery, which is not saved, and the seconds that the target asks to wait."""
    delivery = WebhookDelivery(message=message, at=now)
    began, retry_after_seconds = time.monotonic(), 0
    try:
        body = body_of(message)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Gangway-Webhooks",
            **signed_headers(message.webhook, message.public_id, body, now=now),
        }
        answer = targets.post(
            read(message.webhook.target),
            body.encode(),
            headers,
            may_be_internal=message.webhook.tenant_id is None,
        )
        delivery.status_code, delivery.response = answer.status, answer.text
        retry_after_seconds = answer.retry_after_seconds
    except targets.TargetError as error:
        delivery.error = str(error)
    except SecretUnreadableError:
        delivery.error = "SECRET_KEY has changed. Create the webhook again."
    delivery.milliseconds = round((time.monotonic() - began) * 1000)
    return delivery, retry_after_seconds


def _store_success(message: WebhookMessage) -> None:
    now = database_time.now()
    WebhookMessage.objects.filter(pk=message.pk).update(
        status=WebhookMessage.Status.DELIVERED,
        attempts=F("attempts") + 1,
        first_attempt_at=message.first_attempt_at or now,
        ended_at=now,
    )
    Webhook.objects.filter(pk=message.webhook_id).update(
        succeeded_at=now, failures=0, resting_until=None
    )


def _store_failure(
    message: WebhookMessage, delivery: WebhookDelivery, retry_after: timedelta
) -> None:
    """Schedule the next delivery, or end the message after its last one.

    The tenant's later messages then continue, unless the target seems dead.
    """
    now = database_time.now()
    webhook = message.webhook
    first_attempt_at = message.first_attempt_at or delivery.at
    is_last = message.attempts >= len(PAUSES)
    values = {"attempts": message.attempts + 1, "first_attempt_at": first_attempt_at}
    if is_last:
        values |= {"status": WebhookMessage.Status.FAILED, "ended_at": now}
    else:
        pause = max(PAUSES[message.attempts], min(retry_after, _LONGEST_RETRY_AFTER))
        values["due_at"] = now + pause
    WebhookMessage.objects.filter(pk=message.pk).update(**values)
    # A refused message concerns this message alone.
    is_refusal = delivery.status_code in _REFUSALS and delivery.status_code not in (408, 429)
    rest = timedelta(0) if is_refusal else min(_REST * (webhook.failures + 1), _LONGEST_REST)
    Webhook.objects.filter(pk=webhook.pk).update(
        failures=F("failures") + 1, resting_until=now + rest
    )
    logger.warning("webhook %s: %s", webhook.public_id, delivery.error or delivery.status_code)
    if delivery.status_code == GONE:
        _pause(webhook, Webhook.PauseReason.GONE, now=now)
    elif is_last and (webhook.succeeded_at is None or webhook.succeeded_at < first_attempt_at):
        _pause(webhook, Webhook.PauseReason.FAILING, now=now)


def _pause(webhook: Webhook, reason: Webhook.PauseReason, *, now: datetime) -> None:
    """Pause a webhook and queue the e-mail to its owner, once."""
    with transaction.atomic():
        rows = Webhook.objects.filter(pk=webhook.pk, paused_at=None)
        if rows.update(paused_at=now, pause_reason=reason):
            outbox.add(
                PAUSED_EMAIL,
                recipient=webhook.owner.email,
                tenant=webhook.tenant,
                payload={"webhook": webhook.public_id},
            )


def delete_old_messages(*, now: datetime) -> None:
    """Delete the messages, with their deliveries, after 30 days."""
    WebhookMessage.objects.filter(created_at__lt=now - RETENTION).delete()
