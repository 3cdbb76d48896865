"""Reads of webhooks."""

from __future__ import annotations

from django.db.models import Count, Prefetch, Q, QuerySet

from tenants.models import Tenant, Webhook, WebhookDelivery, WebhookMessage

# The most messages on the page of a webhook, and the most deliveries of each.
SHOWN_MESSAGES = 50


def webhooks_of(tenant: Tenant | None) -> QuerySet[Webhook]:
    """The webhooks of the tenant or, without a tenant, those of all tenants."""
    rows = Webhook.objects.filter(tenant=tenant).select_related("owner", "tenant")
    waiting = Q(messages__status=WebhookMessage.Status.WAITING)
    return rows.annotate(waiting=Count("messages", filter=waiting)).order_by("name", "pk")


def messages_of(webhook: Webhook) -> QuerySet[WebhookMessage]:
    """The delivery log: messages with their deliveries, newest first."""
    deliveries = Prefetch("deliveries", WebhookDelivery.objects.order_by("-at", "-pk"))
    rows = WebhookMessage.objects.filter(webhook=webhook).select_related("tenant")
    return rows.order_by("-pk").prefetch_related(deliveries)
