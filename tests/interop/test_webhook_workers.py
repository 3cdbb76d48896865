"""Deliveries by a real worker: hanging targets, and a worker that is killed after the POST."""

from __future__ import annotations

import functools
import os
import signal
import time
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tenants.models import Tenant, User, Webhook, WebhookDelivery, WebhookEvent, WebhookMessage
from tenants.webhooks import delivery
from tenants.webhooks.events import add_event
from tests.factories import MakeTenant
from tests.interop.concurrency import run_concurrently
from tests.receivers import allow_receivers, receiving, status, webhook_for

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


@pytest.fixture(autouse=True)
def receivers_are_public(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_receivers(settings, monkeypatch)


@pytest.fixture
def stored_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs in the process of the change."""
    monkeypatch.setattr("tenants.webhooks.events.broker.send", lambda *args, **options: False)


def test_killed_worker_repeats_the_id(tenant: Tenant, owner: User, stored_only: None) -> None:
    """The receiver kills the worker after the POST and before the commit."""
    pids: list[int] = []

    def answer(request: Any, handler: Any) -> None:
        if len(receiver.requests) == 1:
            os.kill(pids[0], signal.SIGKILL)
        status(204)(request, handler)

    with receiving(answer) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        add_event(WebhookEvent.DRIFT_BEGAN, tenant)
        add_event(WebhookEvent.DRIFT_ENDED, tenant)
        # The child would end the session of an inherited connection.
        connection.close()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(read, 1)
            delivery.deliver(webhook.pk)
            os._exit(1)
        pids.append(child)
        os.write(write, b".")
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stored = WebhookDelivery.objects.count()
        before = delivery.due_webhooks(now=timezone.now())
        later = timezone.now() + delivery.CLAIMED_FOR
        after = delivery.due_webhooks(now=later)
        Webhook.objects.update(claimed_until=timezone.now())
        delivery.deliver(webhook.pk)

    assert (killed, stored, before, after) == (-signal.SIGKILL, 0, [], [webhook.pk])
    assert receiver.types() == ["drift.began", "drift.began", "drift.ended"]
    assert receiver.ids()[0] == receiver.ids()[1]
    assert set(WebhookMessage.objects.values_list("status", flat=True)) == {"delivered"}


def test_hanging_target_delays_no_other(
    tenant: Tenant, make_tenant: MakeTenant, administrator: User, stored_only: None
) -> None:
    other = make_tenant("Other", (("other.test", "primary"),))
    arrived: list[float] = []

    def note(request: Any, handler: Any) -> None:
        arrived.append(time.monotonic())
        status(204)(request, handler)

    def hang(request: Any, handler: Any) -> None:
        time.sleep(3)

    with receiving(hang) as hanging, receiving(note) as quick:
        slow, _ = webhook_for(hanging, tenant, administrator)
        fast, _ = webhook_for(quick, other, administrator)
        for each in (tenant, other):
            add_event(WebhookEvent.DRIFT_BEGAN, each)
        began = time.monotonic()
        run_concurrently([functools.partial(delivery.deliver, each.pk) for each in (slow, fast)])

    assert len(arrived) == 1
    assert arrived[0] - began < 1.5


def test_webhook_is_delivered_by_one_worker(
    tenant: Tenant, administrator: User, stored_only: None
) -> None:
    with receiving() as receiver:
        webhook, _ = webhook_for(receiver, tenant, administrator)
        for _ in range(20):
            add_event(WebhookEvent.DRIFT_BEGAN, tenant)
        run_concurrently([functools.partial(delivery.deliver, webhook.pk)] * 4)

    ids = list(WebhookMessage.objects.order_by("pk").values_list("public_id", flat=True))
    assert receiver.ids() == ids
