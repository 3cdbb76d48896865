"""The body of a message in the format of its webhook. Pure, except for the templates."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from django.template.loader import render_to_string

from tenants.models import Webhook, WebhookEvent, WebhookMessage

CARD_VERSION = "1.4"


def body_of(message: WebhookMessage) -> str:
    """The JSON text of a message, whose webhook and tenant are loaded."""
    builders = {Webhook.Format.SLACK: _slack, Webhook.Format.TEAMS: _teams}
    build = builders.get(Webhook.Format(message.webhook.format), _json)
    return json.dumps(build(message), ensure_ascii=False, separators=(",", ":"))


def _json(message: WebhookMessage) -> dict[str, Any]:
    data, tenant = dict(message.payload), message.tenant
    if tenant is not None:
        data["tenant"] = {"id": tenant.public_id, "name": tenant.name}
        data["link"] = _link(message)
    at = message.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return {"type": message.event, "timestamp": at.replace("+00:00", "Z"), "data": data}


def _slack(message: WebhookMessage) -> dict[str, Any]:
    """Slack reads three characters as markup. A name in a message must not form a link."""
    text = sentence_of(message)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    link = _link(message)
    return {"text": f"{text} <{link}|Open in Gangway>" if link else text}


def _teams(message: WebhookMessage) -> dict[str, Any]:
    """An Adaptive Card. A TextRun has no Markdown: a name in a message cannot form a link."""
    run = {"type": "TextRun", "text": sentence_of(message)}
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "body": [{"type": "RichTextBlock", "inlines": [run]}],
    }
    link = _link(message)
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Gangway", "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def sentence_of(message: WebhookMessage) -> str:
    """The event as one sentence, from templates/webhooks."""
    name = WebhookEvent(message.event).value.replace(".", "_")
    context = {"data": message.payload, "tenant": message.tenant}
    return " ".join(render_to_string(f"webhooks/{name}.txt", context).split())


def _link(message: WebhookMessage) -> str:
    """The address of the tenant's plan. Empty without a tenant or a known site."""
    tenant, site = message.tenant, message.webhook.site
    return f"{site}/t/{tenant.public_id}/" if tenant is not None and site else ""
