"""Every way in which the owner of a webhook loses the right: nothing is delivered any more."""

from __future__ import annotations

from typing import Any

import pytest

from tenants.models import Tenant, User, Webhook, WebhookEvent
from tenants.webhooks import delivery
from tenants.webhooks.events import add_event
from tests.onboarding.collaboration.test_delegated_rights import BY_CLIENT, BY_STAFF
from tests.receivers import receiving, webhook_for

# A closed tenant is still monitored, and its webhooks report drift.
LASTING = {"closing"}


def _deliveries(webhook: Webhook, tenant: Tenant, requests: list[Any]) -> int:
    if Tenant.objects.filter(pk=tenant.pk).exists():
        add_event(WebhookEvent.DRIFT_BEGAN, tenant)
    delivery.deliver(webhook.pk)
    return len(requests)


@pytest.mark.parametrize("loss", BY_CLIENT)
def test_webhook_of_client(tenant: Tenant, owner: User, administrator: User, loss: str) -> None:
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner, events=["drift.began"])
        before = _deliveries(webhook, tenant, receiver.requests)
        BY_CLIENT[loss](tenant, owner, administrator)

        after = _deliveries(webhook, tenant, receiver.requests)

    assert (before, after) == (1, 2 if loss in LASTING else 1)
    reasons = list(Webhook.objects.values_list("pause_reason", flat=True))
    assert reasons == ([] if loss == "erasure" else [""] if loss in LASTING else ["owner"])


@pytest.mark.parametrize("loss", BY_STAFF)
@pytest.mark.parametrize("scope", ["tenant", "all"])
def test_webhook_of_staff(
    tenant: Tenant, consultant: User, administrator: User, loss: str, scope: str
) -> None:
    of = tenant if scope == "tenant" else None
    if of is None:
        User.objects.filter(pk=consultant.pk).update(staff_role="administrator")
        consultant.refresh_from_db()
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, of, consultant, events=["drift.began"])
        before = _deliveries(webhook, tenant, receiver.requests)
        BY_STAFF[loss](tenant, consultant, administrator)

        after = _deliveries(webhook, tenant, receiver.requests)

    assert (before, after) == (1, 2 if loss in LASTING else 1)
