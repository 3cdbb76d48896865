"""Secrets that a response shows once, and the scopes of tokens that may create them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.calendar_feeds.feeds import create_feed
from onboarding.models import CalendarFeed, ShareLink
from tenants.models import IdempotentRequest, Tenant, User, Webhook
from tenants.rest import idempotency
from tenants.webhooks.secrets import read
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant, task_of

HOOK = {
    "name": "Service desk",
    "secret_address": "https://desk.example/hooks/T024BE7LD",
    "format": "json",
    "events": ["drift.began"],
}
LINK = {"recipient": "The DNS team", "days": 7}


@pytest.fixture
def admin(consultant: User) -> ApiClient:
    """A consultant's client with the widest scope."""
    return client_for(consultant, "administer")


@pytest.fixture
def base(tenant: Tenant) -> str:
    return f"tenants/{tenant.public_id}/"


def stored() -> str:
    """The stored responses of all keys, as text."""
    return str(list(IdempotentRequest.objects.values_list("body", "headers", "fingerprint")))


def repeated(client: ApiClient, path: str, body: Any, field: str) -> tuple[str, Any]:
    """The secret of the first response, and its value in the repeated one."""
    first = client.post(path, body, Idempotency_Key="once")
    again = client.post(path, body, Idempotency_Key="once")
    assert first.status_code == again.status_code
    assert again[idempotency.REPLAYED] == "true"
    assert first.json() | {field: None} == again.json()
    assert "no-store" in first["Cache-Control"]
    assert first.json()[field] not in stored()
    return first.json()[field], again.json()[field]


def test_webhook_secret_is_shown_once(admin: ApiClient, base: str) -> None:
    secret, again = repeated(admin, f"{base}webhooks/", HOOK, "secret")

    webhook = Webhook.objects.get()
    shown = [
        admin.get(f"{base}webhooks/{each}").content.decode()
        for each in ("", f"{webhook.public_id}/")
    ]
    assert (read(webhook.secret), again) == (secret, None)
    assert [text for text in shown if secret in text or "T024BE7LD" in text] == []


def test_rotated_secret_is_shown_once(admin: ApiClient, base: str) -> None:
    path = f"{base}webhooks/{admin.post(f'{base}webhooks/', HOOK).json()['id']}/rotate/"

    secret, again = repeated(admin, path, {}, "secret")

    assert (read(Webhook.objects.get().secret), again) == (secret, None)
    assert Webhook.objects.get().previous_secret_until is not None


def test_share_link_is_shown_once(
    api: ApiClient, admin: ApiClient, base: str, tenant: Tenant
) -> None:
    task = task_of(tenant, "initial-conversation")
    path = f"{base}tasks/{task.public_id}/share-links/"

    # The link works after the end of the token.
    assert api.post(path, LINK).json()["code"] == "scope-too-narrow"
    address, again = repeated(admin, path, LINK, "address")

    assert (Client().get(address).status_code, again) == (200, None)
    assert address not in api.get(f"{base}share-links/").content.decode()
    link = ShareLink.objects.get()
    api.delete(f"{base}share-links/{link.public_id}/")
    assert Client().get(address).status_code == 410


def test_feed_is_shown_once_and_revoked(admin: ApiClient, tenant: Tenant) -> None:
    body = {"scope": "tenant", "tenant": tenant.public_id}

    address, again = repeated(admin, "calendar-feeds/", body, "address")

    (feed,) = admin.get("calendar-feeds/").json()["results"]
    assert (Client().get(address).status_code, again) == (200, None)
    assert admin.delete(f"calendar-feeds/{feed['id']}/").status_code == 204
    assert Client().get(address).status_code == 410


def test_feed_of_another_person_remains(admin: ApiClient, owner: User, tenant: Tenant) -> None:
    feed, _ = create_feed(CalendarFeed.Scope.TENANT, tenant=tenant, site="", by=owner)

    admin.delete(f"calendar-feeds/{feed.public_id}/")

    feed.refresh_from_db()
    assert feed.revoked_at is None
    assert admin.get("calendar-feeds/").json()["results"] == []


def test_feed_of_a_stranger_is_refused(outsider: User, tenant: Tenant) -> None:
    client = client_for(outsider, "administer")

    refused = client.post("calendar-feeds/", {"scope": "tenant", "tenant": tenant.public_id})

    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["tenant"])
    assert client.post("calendar-feeds/", {"scope": "team"}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "webhooks/", HOOK),
        ("POST", "invitations/", {"email": "dana@one.test", "role": "member"}),
        ("POST", "close/", {"reason": "Ended."}),
        ("POST", "/api/v1/calendar-feeds/", {"scope": "own"}),
    ],
)
def test_write_scope_does_not_suffice(
    api: ApiClient, base: str, method: str, path: str, body: Any
) -> None:
    refused = api.send(method, path if path.startswith("/") else base + path, body)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope-too-narrow")


def test_export_content_needs_administer(administrator: User, base: str, tenant: Tenant) -> None:
    widest, reader = (client_for(administrator, scope) for scope in ("administer", "read"))
    export = widest.post(f"{base}exports/")

    content = f"{base}exports/{export.json()['id']}/content/"
    refused, listed = reader.get(content), reader.get(f"{base}exports/")

    assert (export.status_code, listed.status_code) == (202, 200)
    assert refused.json()["code"] == "scope-too-narrow"
    assert widest.get(content).status_code == 404, "no worker has built it"


@pytest.mark.parametrize("path", ["staff/", "webhooks/", "tenant-imports/"])
def test_token_of_one_tenant_reads_no_other(administrator: User, tenant: Tenant, path: str) -> None:
    client = client_for(administrator, "administer", tenant)

    refused = client.get(path)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope-too-narrow")


def test_token_of_one_tenant_lists_its_feeds(
    consultant: User, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    other = make_tenant("Elsewhere", domains=(("elsewhere.test", "primary"),))
    for each in (tenant, other):
        create_feed(CalendarFeed.Scope.TENANT, tenant=each, site="", by=consultant)
    client = client_for(consultant, "read", tenant)

    found = client.get("calendar-feeds/").json()["results"]

    assert [each["tenant"] for each in found] == [tenant.public_id]


def test_webhook_is_paused_and_resumed(admin: ApiClient, base: str) -> None:
    path = f"{base}webhooks/{admin.post(f'{base}webhooks/', HOOK).json()['id']}/"

    paused = admin.post(f"{path}pause/")
    refused = admin.post(f"{path}test/")
    resumed = admin.post(f"{path}resume/")

    assert (paused.json()["pause_reason"], resumed.json()["paused_at"]) == ("person", None)
    assert refused.json()["detail"] == "This webhook is paused. Resume it first."


def test_webhook_of_another_tenant_is_unknown(
    admin: ApiClient, base: str, make_tenant: MakeTenant
) -> None:
    hook = admin.post(f"{base}webhooks/", HOOK).json()["id"]
    other = make_tenant("Elsewhere", domains=(("elsewhere.test", "primary"),))

    answers = {
        admin.send(method, f"tenants/{other.public_id}/webhooks/{hook}/{below}").status_code
        for method, below in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "messages/"),
            ("POST", "rotate/"),
        )
    }

    assert answers == {404}
    assert Webhook.objects.count() == 1


def test_page_has_the_count_of_the_api(
    admin: ApiClient, base: str, tenant: Tenant, consultant: User
) -> None:
    for number in range(30):
        admin.post(f"{base}invitations/", {"email": f"{number}@one.test", "role": "viewer"})
    client = Client()
    client.force_login(consultant, backend="allauth.account.auth_backends.AuthenticationBackend")

    page = client.post(
        reverse("onboarding:invite", args=[tenant.public_id]),
        {"email": "last@one.test", "role": "viewer"},
    )
    refused = admin.post(f"{base}invitations/", {"email": "last@one.test", "role": "viewer"})

    assert (page.status_code, refused.status_code) == (429, 429)
    assert refused.json()["detail"] == "Gangway accepts 30 such requests in an hour."
    assert int(refused["Retry-After"]) > 0
