"""The webhook events of cutovers."""

from __future__ import annotations

from typing import Any

from onboarding.models import Cutover
from tenants.models import WebhookEvent
from tenants.webhooks.events import add_event, utc_text


def add_change(cutover: Cutover, change: str) -> None:
    """Store the event, in the transaction of the change.

    `change` is planned, changed, confirmed or cancelled.
    """
    add_event(
        WebhookEvent.CUTOVER_CHANGED,
        cutover.plan.tenant,
        cutover=_cutover(cutover),
        change=change,
        starts_label=f"{cutover.planned_at:%-d %B %Y, %H:%M} UTC",
    )


def add_decision(cutover: Cutover, *, is_go: bool) -> None:
    add_event(
        WebhookEvent.CUTOVER_DECIDED,
        cutover.plan.tenant,
        cutover=_cutover(cutover),
        decision="go" if is_go else "no-go",
    )


def _cutover(cutover: Cutover) -> dict[str, Any]:
    cancelled = [cutover.cancelled_domains] if cutover.cancelled_domains else []
    return {
        "id": cutover.public_id,
        "direction": cutover.direction,
        "domains": [str(domain) for domain in cutover.domains.all()] or cancelled,
        "starts_at": utc_text(cutover.planned_at),
        "ends_at": utc_text(cutover.ends_at),
    }
