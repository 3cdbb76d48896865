"""Delivery to real receivers: order, repetition, back-off, pauses and rights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tenants import database_time, outbox
from tenants.models import Tenant, User, Webhook, WebhookDelivery, WebhookEvent, WebhookMessage
from tenants.tasks import send_message
from tenants.webhooks import delivery, services
from tenants.webhooks.events import add_event
from tests.clock import Clock
from tests.factories import MakeTenant
from tests.receivers import in_turn, receiving, status, webhook_for

pytestmark = pytest.mark.django_db
A_DAY = timedelta(days=1)


def add(tenant: Tenant, number: int = 0) -> None:
    add_event(WebhookEvent.DRIFT_BEGAN, tenant, number=number)


def advance(clock: Clock, by: timedelta) -> None:
    clock.move_to(clock.now + by)


def message() -> WebhookMessage:
    return WebhookMessage.objects.latest("pk")


def test_delivery_is_signed(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        webhook, secret = webhook_for(receiver, tenant, owner)
        add(tenant, 7)

        delivery.deliver(webhook.pk)

    (request,) = receiver.requests
    verified = Verifier(secret).verify(request.body, request.headers)
    assert verified["data"] == {
        "number": 7,
        "tenant": {"id": tenant.public_id, "name": "Northwind"},
        "link": f"https://gangway.test/t/{tenant.public_id}/",
    }
    assert request.path == "/hooks?key=1"
    assert message().status == "delivered"


def test_rotated_secrets_overlap(tenant: Tenant, owner: User, frozen_time: Clock) -> None:
    with receiving() as receiver:
        webhook, former = webhook_for(receiver, tenant, owner)
        present = services.rotate_secret(webhook, by=owner)
        add(tenant)
        delivery.deliver(webhook.pk)
        both = receiver.requests[-1]
        advance(frozen_time, services.OVERLAP + timedelta(seconds=1))
        add(tenant)
        delivery.deliver(webhook.pk)
        later = receiver.requests[-1]

    for secret in (former, present):
        Verifier(secret).verify(both.body, both.headers)
    assert len(both.headers["webhook-signature"].split()) == 2
    assert len(later.headers["webhook-signature"].split()) == 1
    with pytest.raises(WebhookVerificationError):
        Verifier(former).verify(later.body, later.headers)


def test_secret_and_target_are_encrypted(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        webhook, secret = webhook_for(receiver, tenant, owner)

    stored = str(Webhook.objects.filter(pk=webhook.pk).values().get())
    assert (secret in stored, "key=1" in stored) == (False, False)


def test_failure_logs_no_secret(
    tenant: Tenant, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(status(500)) as receiver:
        webhook, secret = webhook_for(receiver, tenant, owner)
        add(tenant)
        delivery.deliver(webhook.pk)

    assert f"webhook {webhook.public_id}: 500" in caplog.text
    assert [text for text in (secret, receiver.address, "key=1") if text in caplog.text] == []


def test_change_and_message_are_one_transaction(
    tenant: Tenant, owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    with receiving() as receiver:
        webhook_for(receiver, tenant, owner)
        with django_capture_on_commit_callbacks(execute=True):
            add(tenant)
            assert receiver.requests == []

        assert len(receiver.requests) == 1


def test_order_of_a_tenant(tenant: Tenant, owner: User, frozen_time: Clock) -> None:
    with receiving(in_turn(500, 204, 204, 204)) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        for number in range(3):
            add(tenant, number)

        delivery.deliver(webhook.pk)
        delivery.deliver(webhook.pk)
        first = [each.json["data"]["number"] for each in receiver.requests]
        advance(frozen_time, timedelta(seconds=6))
        delivery.deliver(webhook.pk)

    numbers = [each.json["data"]["number"] for each in receiver.requests]
    assert (first, numbers) == ([0], [0, 0, 1, 2])
    assert receiver.ids()[0] == receiver.ids()[1]


def test_refused_message_stops_its_tenant_only(
    tenant: Tenant, make_tenant: MakeTenant, administrator: User
) -> None:
    other = make_tenant("Other", (("other.test", "primary"),))

    def answer(request: Any, handler: Any) -> None:
        is_first = request.json["data"]["tenant"]["name"] == "Northwind"
        status(400 if is_first else 204)(request, handler)

    with receiving(answer) as receiver:
        webhook, _ = webhook_for(receiver, None, administrator)
        for each in (tenant, other, tenant):
            add(each)

        delivery.deliver(webhook.pk)
        delivery.deliver(webhook.pk)

    names = [each.json["data"]["tenant"]["name"] for each in receiver.requests]
    assert names == ["Northwind", "Other"]


@pytest.mark.slow
def test_retries_end_after_a_day(
    tenant: Tenant, owner: User, frozen_time: Clock, immediate_outbox: None
) -> None:
    with receiving(status(500)) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant)
        began = message().created_at
        while Webhook.objects.get().paused_at is None:
            delivery.deliver(webhook.pk)
            advance(frozen_time, timedelta(minutes=5))

    paused = Webhook.objects.get()
    assert paused.pause_reason == "failing"
    assert A_DAY * 0.95 < message().ended_at - began < A_DAY * 1.1  # type: ignore[operator]
    assert (len(receiver.requests), len(set(receiver.ids()))) == (8, 1)
    assert send_message.name == "tenants.send_message"
    (email,) = mail.outbox
    assert (email.to, email.subject) == ([owner.email], "Webhook Service desk is paused")
    assert f"/t/{tenant.public_id}/webhooks/{webhook.public_id}/" in str(email.body)


def test_gone_target_is_paused_at_once(tenant: Tenant, owner: User) -> None:
    with receiving(status(410)) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant)
        delivery.deliver(webhook.pk)
        add(tenant)
        delivery.deliver(webhook.pk)

    assert (len(receiver.requests), Webhook.objects.get().pause_reason) == (1, "gone")


def test_resumed_webhook_delivers_in_order(tenant: Tenant, owner: User) -> None:
    with receiving(in_turn(410, 204, 204)) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant, 1)
        delivery.deliver(webhook.pk)
        add(tenant, 2)

        services.resume(Webhook.objects.get(), by=owner)
        delivery.deliver(webhook.pk)

    numbers = [each.json["data"]["number"] for each in receiver.requests]
    assert (numbers, len(set(receiver.ids()))) == ([1, 1, 2], 2)


def test_redelivery_has_the_same_id(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant)
        delivery.deliver(webhook.pk)

        services.redeliver(message())
        delivery.deliver(webhook.pk)

    assert len(receiver.ids()) == 2
    assert len(set(receiver.ids())) == 1
    assert WebhookDelivery.objects.count() == 2


def test_owner_without_right_ends_deliveries(tenant: Tenant, owner: User, consultant: User) -> None:
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant)
        tenant.memberships.update(role="viewer")

        delivery.deliver(webhook.pk)
        reason = Webhook.objects.get().pause_reason
        services.resume(Webhook.objects.select_related("tenant", "owner").get(), by=consultant)
        delivery.deliver(webhook.pk)

    assert (reason, len(receiver.requests)) == ("owner", 1)
    assert Webhook.objects.get().owner == consultant


def test_unsubscribed_event_is_not_stored(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        webhook_for(receiver, tenant, owner, events=["task.changed"])
        add(tenant)

    assert not WebhookMessage.objects.exists()


def test_other_tenant_is_not_delivered(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    with receiving() as receiver:
        webhook_for(receiver, tenant, owner)
        add(make_tenant("Other", (("other.test", "primary"),)))

    assert not WebhookMessage.objects.exists()


def test_claimed_webhook_waits(tenant: Tenant, owner: User, frozen_time: Clock) -> None:
    """A worker died after the POST: the next delivery has the same id."""
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add(tenant)
        now = database_time.now()
        Webhook.objects.update(claim_id="dead", claimed_until=now + delivery.CLAIMED_FOR)
        delivery.deliver(webhook.pk)
        during = len(receiver.requests)
        advance(frozen_time, delivery.CLAIMED_FOR + timedelta(seconds=1))

        due = delivery.due_webhooks(now=database_time.now())
        delivery.deliver(webhook.pk)

    assert (during, due, len(receiver.requests)) == (0, [webhook.pk], 1)


def test_old_messages_are_deleted(tenant: Tenant, owner: User, frozen_time: Clock) -> None:
    with receiving() as receiver:
        webhook_for(receiver, tenant, owner)
        add(tenant)
        advance(frozen_time, delivery.RETENTION + A_DAY)
        add(tenant)

        delivery.delete_old_messages(now=database_time.now())

    assert WebhookMessage.objects.count() == 1
    assert outbox.state().waiting == 0


def test_lost_broker_leaves_message_to_the_beat(
    tenant: Tenant,
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setattr("tenants.webhooks.events.broker.send", lambda *args: False)
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        with django_capture_on_commit_callbacks(execute=True):
            add(tenant)
    monkeypatch.undo()

    assert Webhook.objects.get().queued_until is None
    assert delivery.due_webhooks(now=database_time.now()) == [webhook.pk]


def test_number_of_webhooks_is_bounded(tenant: Tenant, owner: User) -> None:
    with receiving() as receiver:
        for _ in range(services.MOST_WEBHOOKS):
            webhook_for(receiver, tenant, owner)

        with pytest.raises(services.WebhookError):
            webhook_for(receiver, tenant, owner)
