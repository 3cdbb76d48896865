"""Create, change and remove webhooks. The caller has checked the permission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import transaction

from tenants import database_time
from tenants.activity import lock_installation_chain
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import Tenant, User, Webhook, WebhookEvent, WebhookMessage
from tenants.services import write_activity
from tenants.webhooks.delivery import owner_may_manage
from tenants.webhooks.events import message_of, queue_deliveries
from tenants.webhooks.secrets import new_secret, store
from tenants.webhooks.targets import why_not_target

# Both secrets sign during this time, so that the receiver can change its own.
OVERLAP = timedelta(hours=24)
# For one tenant, or for all tenants.
MOST_WEBHOOKS = 20
# The events to which a webhook can subscribe.
SUBSCRIBABLE = [event for event in WebhookEvent if event is not WebhookEvent.TEST]


class WebhookError(TenantError):
    """A refusal, as a sentence for the person who acts."""


@dataclass(frozen=True)
class NewWebhook:
    """The values of a new webhook. `address` is complete, with its secret parts."""

    name: str
    # Error reports quote the values of a frame.
    address: str = field(repr=False)
    format: str
    events: Sequence[str]


def create_webhook(
    tenant: Tenant | None, entry: NewWebhook, *, site: str, by: User
) -> tuple[Webhook, str]:
    """A webhook of the tenant, or of all tenants, and its secret. The secret is shown once.

    Raises WebhookError for an address that cannot be a target, without an event, and for too many
    webhooks.
    """
    refused = why_not_target(entry.address, may_be_internal=tenant is None)
    if refused:
        raise WebhookError(refused)
    if not entry.events:
        raise WebhookError("Choose at least one event.")
    secret = new_secret()
    with transaction.atomic():
        _lock_webhooks_of(tenant)
        if Webhook.objects.filter(tenant=tenant).count() >= MOST_WEBHOOKS:
            raise WebhookError(f"There are {MOST_WEBHOOKS} webhooks. Remove one first.")
        webhook = Webhook.objects.create(
            tenant=tenant,
            owner=by,
            name=entry.name,
            target=store(entry.address),
            target_host=urlsplit(entry.address).hostname or "",
            format=entry.format,
            events=[event.value for event in SUBSCRIBABLE if event.value in entry.events],
            secret=store(secret),
            site=site,
        )
        _log(webhook, ActivityName.WEBHOOK_ADDED, by=by)
    return webhook, secret


def _lock_webhooks_of(tenant: Tenant | None) -> None:
    """Requests at the same time wait here, so that none of them exceeds the limit."""
    if tenant is None:
        lock_installation_chain()
    else:
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)


def rotate_secret(webhook: Webhook, *, by: User) -> str:
    """Replace the secret and return the new one. The former also signs for 24 hours.

    A second rotation within this time ends the validity of the oldest secret at once.
    """
    secret = new_secret()
    with transaction.atomic():
        locked = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        locked.previous_secret, locked.secret = locked.secret, store(secret)
        locked.previous_secret_until = database_time.now() + OVERLAP
        locked.save(update_fields=["previous_secret", "secret", "previous_secret_until"])
        _log(webhook, ActivityName.WEBHOOK_SECRET_ROTATED, by=by)
    return secret


def pause(webhook: Webhook, *, by: User) -> None:
    """Send no message until a person resumes the webhook. Messages are still stored."""
    with transaction.atomic():
        rows = Webhook.objects.filter(pk=webhook.pk, paused_at=None)
        if rows.update(paused_at=database_time.now(), pause_reason=Webhook.PauseReason.PERSON):
            _log(webhook, ActivityName.WEBHOOK_PAUSED, by=by)


def pause_webhooks_of(person: User) -> None:
    """Pause all webhooks of a deleted account, until another person resumes them.

    The address of the account can belong to another person later. The permissions of that person
    must not restart deliveries to a target of the earlier one.
    """
    rows = Webhook.objects.filter(owner=person, paused_at=None)
    rows.update(paused_at=database_time.now(), pause_reason=Webhook.PauseReason.OWNER)


def resume(webhook: Webhook, *, by: User) -> None:
    """Send the waiting messages, in their order.

    The person becomes the owner if the present one may no longer manage the webhook.
    """
    owner = webhook.owner if owner_may_manage(webhook) else by
    with transaction.atomic():
        rows = Webhook.objects.filter(pk=webhook.pk).exclude(paused_at=None)
        if not rows.update(
            paused_at=None, pause_reason="", failures=0, resting_until=None, owner=owner
        ):
            return
        now = database_time.now()
        waiting = WebhookMessage.objects.filter(
            webhook=webhook.pk, status=WebhookMessage.Status.WAITING
        )
        waiting.update(due_at=now, attempts=0, first_attempt_at=None)
        _log(webhook, ActivityName.WEBHOOK_RESUMED, by=by)
        transaction.on_commit(lambda: queue_deliveries([webhook.pk]))


def remove(webhook: Webhook, *, by: User) -> None:
    """Delete the webhook with its messages."""
    with transaction.atomic():
        if Webhook.objects.filter(pk=webhook.pk).delete()[0]:
            _log(webhook, ActivityName.WEBHOOK_REMOVED, by=by)


def send_test(webhook: Webhook) -> WebhookMessage:
    """Store a test message. Raises WebhookError while the webhook is paused."""
    if webhook.paused_at is not None:
        raise WebhookError("This webhook is paused. Resume it first.")
    now = database_time.now()
    with transaction.atomic():
        message = message_of(webhook, WebhookEvent.TEST, webhook.tenant_id, {}, at=now)
        message.save(force_insert=True)
        transaction.on_commit(lambda: queue_deliveries([webhook.pk]))
    return message


def redeliver(message: WebhookMessage) -> None:
    """Send an ended message again, with the same webhook-id, before later waiting ones."""
    with transaction.atomic():
        rows = WebhookMessage.objects.filter(pk=message.pk)
        ended = rows.exclude(status=WebhookMessage.Status.WAITING)
        if ended.update(
            status=WebhookMessage.Status.WAITING,
            due_at=database_time.now(),
            attempts=0,
            first_attempt_at=None,
            ended_at=None,
        ):
            transaction.on_commit(lambda: queue_deliveries([message.webhook_id]))


def _log(webhook: Webhook, action: ActivityName, *, by: User) -> None:
    """A line of the tenant's log, or of the audit log for a webhook of all tenants."""
    write_activity(webhook.tenant, action, by=by, webhook=webhook.name, host=webhook.target_host)
