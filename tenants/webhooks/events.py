"""Store the messages of an event, in the transaction of the change."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from tenants import broker, database_time
from tenants.models import Tenant, Webhook, WebhookEvent, WebhookMessage
from tenants.public_ids import new_public_id

DELIVER_TASK = "tenants.deliver_webhook"
# A message to a worker that is still in the broker after this time is sent again.
QUEUED_FOR = timedelta(seconds=60)
# Every webhook-id begins with it, as Standard Webhooks recommends.
ID_PREFIX = "msg_"


@dataclass(frozen=True)
class TenantEvent:
    """An event of one tenant. `data` is JSON without personal data."""

    kind: WebhookEvent
    tenant_id: int
    data: dict[str, Any]


def add_event(kind: WebhookEvent, tenant: Tenant, **data: Any) -> None:
    add_events([TenantEvent(kind, tenant.pk, data)])


def are_wanted(tenant_ids: Collection[int]) -> bool:
    """Whether one of these tenants has a webhook, so that its events need their data."""
    return _concerned(tenant_ids).exists()


def exist_for(tenant: str) -> Exists:
    """A condition for another query: whether a webhook receives events of the row's tenant.

    `tenant` is the row's column with the tenant. It spares a query where no webhook exists.
    """
    return Exists(Webhook.objects.filter(Q(tenant=OuterRef(tenant)) | Q(tenant=None)))


def _concerned(tenant_ids: Collection[int]) -> QuerySet[Webhook]:
    return Webhook.objects.filter(Q(tenant__in=tenant_ids) | Q(tenant=None))


def add_events(events: Sequence[TenantEvent]) -> None:
    """Store one message of each event for each webhook that subscribed to it.

    Call it in the transaction of the change: a change and its messages exist both or not at all.
    One query without a webhook. The workers send the messages after the commit.
    """
    if not events:
        return
    tenant_ids = {event.tenant_id for event in events}
    webhooks = list(_concerned(tenant_ids).only("tenant_id", "events", "paused_at"))
    if not webhooks:
        return
    messages = list(_messages(events, webhooks))
    WebhookMessage.objects.bulk_create(messages)
    active = {each.webhook_id for each in messages if each.webhook.paused_at is None}
    if active:
        transaction.on_commit(functools.partial(queue_deliveries, sorted(active)))


def _messages(
    events: Iterable[TenantEvent], webhooks: Sequence[Webhook]
) -> Iterable[WebhookMessage]:
    now = database_time.now()
    for event in events:
        for webhook in webhooks:
            if event.kind in webhook.events and webhook.tenant_id in (None, event.tenant_id):
                yield message_of(webhook, event.kind, event.tenant_id, event.data, at=now)


def message_of(
    webhook: Webhook,
    kind: WebhookEvent,
    tenant_id: int | None,
    data: dict[str, Any],
    *,
    at: datetime,
) -> WebhookMessage:
    """A new message, which is not saved."""
    return WebhookMessage(
        public_id=ID_PREFIX + new_public_id(),
        webhook=webhook,
        tenant_id=tenant_id,
        event=kind,
        payload=data,
        created_at=at,
        due_at=at,
    )


def utc_text(moment: datetime) -> str:
    """A time in ISO 8601 with Z, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def queue_deliveries(webhook_ids: Iterable[int]) -> None:
    """Send one message to a worker for each webhook that has none in the broker.

    A message that is lost in the broker, or without a broker, is sent again by the beat.
    """
    now = database_time.now()
    for webhook_id in webhook_ids:
        is_free = Q(queued_until=None) | Q(queued_until__lte=now)
        rows = Webhook.objects.filter(is_free, pk=webhook_id, paused_at=None)
        is_claimed = rows.update(queued_until=now + QUEUED_FOR)
        if is_claimed and not broker.send(current_app.tasks[DELIVER_TASK], (webhook_id,)):
            Webhook.objects.filter(pk=webhook_id).update(queued_until=None)
