"""The pages of webhooks, for one tenant and for all tenants."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tenants.models import ActivityLine, Tenant, User, Webhook, WebhookMessage
from tenants.webhooks import delivery, services
from tests.factories import SignIn
from tests.receivers import Receiver, in_turn, receiving, status, webhook_for

ENTRY = {
    "name": "Service desk",
    "secret_address": "https://desk.example/hooks?key=abc",
    "format": "slack",
    "events": ["drift.began", "drift.ended"],
}


def _texts(client: Client, path: str) -> str:
    return client.get(path).content.decode()


@pytest.fixture
def listed(tenant: Tenant) -> str:
    return reverse("onboarding:webhooks", args=[tenant.public_id])


def test_secret_is_shown_once(listed: str, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)

    response = client.post(listed, ENTRY)

    webhook = Webhook.objects.get()
    secrets = re.findall(r"whsec_[\w+/=]+", response.content.decode())
    shown = _texts(client, f"{listed}{webhook.public_id}/") + _texts(client, listed)
    assert (len(secrets), "no-store" in response["Cache-Control"]) == (1, True)
    assert [text for text in ("whsec_", "key=abc") if text in shown] == []
    assert (webhook.owner, webhook.format, webhook.events) == (owner, "slack", ENTRY["events"])
    assert webhook.site == "http://testserver"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"secret_address": "https://a:b@c.example/"}, "Enter an address without a user name"),
        ({"events": []}, "Choose at least one event."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_refused_entry_is_explained(
    listed: str, owner: User, signed_in: SignIn, changes: dict[str, object], sentence: str
) -> None:
    response = signed_in(owner).post(listed, ENTRY | changes)

    assert (response.status_code, Webhook.objects.count()) == (422, 0)
    assert sentence in response.content.decode()


def test_log_shows_answer_and_redelivers(
    tenant: Tenant, owner: User, signed_in: SignIn, listed: str
) -> None:
    client = signed_in(owner)
    with receiving(in_turn(204, 204)) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        path = f"{listed}{webhook.public_id}/"
        client.post(f"{path}test/")
        delivery.deliver(webhook.pk)
        message = WebhookMessage.objects.get()

        client.post(f"{path}messages/{message.public_id}/redeliver/")
        delivery.deliver(webhook.pk)

    assert receiver.ids() == [message.public_id] * 2
    assert _texts(client, path).count("204") == 2


def test_failure_is_shown(tenant: Tenant, owner: User, signed_in: SignIn, listed: str) -> None:
    with receiving(status(503, "Down for <maintenance>")) as receiver:
        webhook, _ = webhook_for(receiver, tenant, owner)
        services.send_test(webhook)
        delivery.deliver(webhook.pk)

    page = _texts(signed_in(owner), f"{listed}{webhook.public_id}/")
    assert "503" in page
    assert "Down for &lt;maintenance&gt;" in page
    assert "Next delivery" in page


def test_pause_and_resume(tenant: Tenant, owner: User, signed_in: SignIn, listed: str) -> None:
    webhook, _ = webhook_for(Receiver(9), tenant, owner)
    client, path = signed_in(owner), f"{listed}{webhook.public_id}/"

    client.post(f"{path}pause/")
    paused = Webhook.objects.get().pause_reason
    refused = client.post(f"{path}test/", follow=True).content.decode()
    client.post(f"{path}pause/", {"resume": "yes"})

    assert (paused, Webhook.objects.get().pause_reason) == ("person", "")
    assert "This webhook is paused. Resume it first." in refused


def test_rotation_and_removal_are_logged(
    tenant: Tenant, owner: User, signed_in: SignIn, listed: str
) -> None:
    webhook, secret = webhook_for(Receiver(9), tenant, owner)
    client, path = signed_in(owner), f"{listed}{webhook.public_id}/"

    shown = client.post(f"{path}rotate/").content.decode()
    client.post(f"{path}remove/")

    assert ("whsec_" in shown, secret in shown) == (True, False)
    names = ActivityLine.objects.filter(tenant=tenant).values_list("action", flat=True)
    assert list(names[:3]) == ["webhook-removed", "webhook-secret-rotated", "webhook-added"]
    assert not Webhook.objects.exists()


def test_webhook_of_all_tenants(administrator: User, tenant: Tenant, signed_in: SignIn) -> None:
    client, listed = signed_in(administrator), reverse("onboarding:all-webhooks")

    client.post(listed, ENTRY)

    webhook = Webhook.objects.get()
    page = client.get(f"{listed}{webhook.public_id}/")
    at_tenant = reverse("onboarding:webhook-show", args=[tenant.public_id, webhook.public_id])
    assert (webhook.tenant, page.status_code, client.get(at_tenant).status_code) == (None, 200, 404)
    assert ActivityLine.objects.filter(tenant=None, action="webhook-added").count() == 1


def _queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("page", ["list", "log"])
def test_query_count_is_constant(
    tenant: Tenant, owner: User, signed_in: SignIn, listed: str, page: str
) -> None:
    client = signed_in(owner)
    webhook, _ = webhook_for(Receiver(9), tenant, owner)
    services.send_test(webhook)
    path = listed if page == "list" else f"{listed}{webhook.public_id}/"
    client.get(path)

    one = _queries(client, path)
    for _ in range(2):
        webhook_for(Receiver(9), tenant, owner)
        services.send_test(webhook)

    assert _queries(client, path) == one
