"""Celery tasks of webhooks, and the e-mail about a paused one."""

from __future__ import annotations

from celery import shared_task
from django.urls import reverse

from tenants import database_time, outbox
from tenants.email import Email, render_email
from tenants.models import OutboxMessage, Webhook
from tenants.webhooks import delivery
from tenants.webhooks.events import DELIVER_TASK, queue_deliveries


@shared_task(name=DELIVER_TASK, acks_late=True, ignore_result=True)
def deliver_webhook(webhook_id: int) -> None:
    """Deliver the due messages of one webhook. Each request is bounded (targets.TOTAL_SECONDS)."""
    delivery.deliver(webhook_id)


@shared_task(name="tenants.queue_due_webhooks", ignore_result=True)
def queue_due_webhooks() -> None:
    """Queue one message for each webhook with a due message."""
    queue_deliveries(delivery.due_webhooks(now=database_time.now()))


@shared_task(name="tenants.delete_old_webhook_messages", ignore_result=True)
def delete_old_webhook_messages() -> None:
    delivery.delete_old_messages(now=database_time.now())


def _paused(message: OutboxMessage) -> Email | None:
    """The e-mail to the owner. None if the webhook runs again, or for a deactivated owner."""
    rows = Webhook.objects.select_related("owner", "tenant").exclude(paused_at=None)
    webhook = rows.filter(public_id=message.payload["webhook"], owner__is_active=True).first()
    if webhook is None:
        return None
    link = webhook.site + path_of(webhook) if webhook.site else ""
    return render_email(webhook.owner.email, "webhook_paused", {"webhook": webhook, "link": link})


def path_of(webhook: Webhook) -> str:
    """The path of the webhook's page."""
    if webhook.tenant is None:
        return reverse("onboarding:all-webhook-show", args=[webhook.public_id])
    return reverse(
        "onboarding:webhook-show",
        kwargs={"public_id": webhook.tenant.public_id, "webhook_id": webhook.public_id},
    )


outbox.register(delivery.PAUSED_EMAIL, outbox.Composer(_paused))
