"""API tokens: issue, scope, expiry, revocation, their pages and the activity log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants import api_tokens
from tenants.errors import TenantError
from tenants.log_verification import verify_logs
from tenants.models import ActivityLine, ApiToken, Membership, Tenant, User
from tests.api.clients import ApiClient, client_for, token_of
from tests.factories import MakeTenant, SignIn, task_of
from tests.tenants.sign_in import GOOD_PASSWORD, sign_in, text_of


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user(
        "person@gangway.test", GOOD_PASSWORD, name="Per Son", staff_role="consultant"
    )


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def start(client: ApiClient, tenant: Tenant) -> tuple[int, str]:
    """Try a write: start the first task."""
    task = task_of(tenant, "initial-conversation")
    path = f"tenants/{tenant.public_id}/tasks/{task.public_id}/transitions/start/"
    return code_of(client.post(path, If_Match="*"))


def test_token_is_stored_as_a_hash(consultant: User) -> None:
    client = client_for(consultant)

    stored = " ".join(str(value) for value in token_of(client).__dict__.values())

    assert client.token not in stored


def test_unknown_token_is_refused(db: None) -> None:
    assert code_of(ApiClient("gangway_x").get("me/")) == (401, "invalid-token")


def test_request_without_token_gets_challenge(client: Client, db: None) -> None:
    response = client.get("/api/v1/me/")

    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_revocation_ends_the_next_request(consultant: User) -> None:
    client = client_for(consultant)
    api_tokens.revoke(token_of(client), by=consultant)

    assert code_of(client.get("me/")) == (401, "invalid-token")


def test_expired_token_is_refused(consultant: User) -> None:
    client = client_for(consultant)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert code_of(client.get("me/")) == (401, "expired-token")


def test_deactivated_owner_loses_the_token(consultant: User) -> None:
    client = client_for(consultant)
    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert code_of(client.get("me/")) == (401, "invalid-token")


def test_demoted_owner_loses_the_right(tenant: Tenant, owner: User) -> None:
    client = client_for(owner)
    Membership.objects.update(role="viewer")

    assert start(client, tenant) == (403, "not-permitted")


def test_removed_owner_is_a_stranger(tenant: Tenant, owner: User) -> None:
    client = client_for(owner)
    Membership.objects.all().delete()

    assert code_of(client.get(f"tenants/{tenant.public_id}/plan/")) == (404, "not-found")


@pytest.mark.parametrize(
    ("scope", "answer"),
    [("read", (403, "scope-too-narrow")), ("write", (200, "")), ("administer", (200, ""))],
)
def test_scope_limits_writes(
    tenant: Tenant, consultant: User, scope: str, answer: tuple[int, str]
) -> None:
    assert start(client_for(consultant, scope), tenant) == answer


def test_token_of_one_tenant_misses_others(
    tenant: Tenant, consultant: User, make_tenant: MakeTenant
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    client = client_for(consultant, tenant=other)

    assert code_of(client.get(f"tenants/{tenant.public_id}/plan/")) == (404, "not-found")
    assert [each["id"] for each in client.get("tenants/").json()["results"]] == [other.public_id]


def test_token_of_one_tenant_creates_none(tenant: Tenant, consultant: User) -> None:
    client = client_for(consultant, tenant=tenant)

    assert code_of(client.post("tenants/")) == (403, "scope-too-narrow")


def test_missing_second_factor_refuses_token(consultant: User, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True

    assert code_of(client_for(consultant).get("me/")) == (403, "second-factor-required")


def test_use_is_stored(consultant: User) -> None:
    client = client_for(consultant)
    client.get("me/")

    assert token_of(client).last_used_at is not None


def test_activity_names_person_and_token(tenant: Tenant, consultant: User) -> None:
    client = client_for(consultant)
    start(client, tenant)

    line = ActivityLine.objects.filter(tenant=tenant)[0]

    assert (line.actor, line.api_token) == (consultant, "Service desk")
    assert [log.fault for log in verify_logs() if log.fault] == []


def test_activity_page_names_the_token(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    start(client_for(consultant), tenant)

    page = signed_in(consultant).get(reverse("onboarding:activity", args=[tenant.public_id]))

    assert "Through the token Service desk." in text_of(page)


@pytest.mark.parametrize("days", [-1, 0, 400])
def test_expiry_is_within_a_year(consultant: User, days: int) -> None:
    with pytest.raises(TenantError, match="within one year"):
        api_tokens.issue(
            owner=consultant,
            name="x",
            scope="read",
            expires_at=timezone.now() + timedelta(days=days),
        )


def test_owner_chooses_only_visible_tenants(tenant: Tenant, outsider: User) -> None:
    with pytest.raises(TenantError, match="that you can see"):
        client_for(outsider, tenant=tenant)


def test_page_shows_a_token_once(client: Client, person: User) -> None:
    sign_in(client, person.email)
    day = (timezone.now() + timedelta(days=30)).date()
    data = {"name": "Service desk", "scope": "read", "expires_on": str(day)}

    created = text_of(client.post(reverse("api_token_create"), data))
    listed = text_of(client.get(reverse("api_tokens")))

    assert ("gangway_" in created, "gangway_" in listed, "Service desk" in listed) == (
        True,
        False,
        True,
    )


def test_page_rejects_a_past_expiry(client: Client, person: User) -> None:
    sign_in(client, person.email)
    data = {"name": "Service desk", "scope": "read", "expires_on": "2020-01-01"}

    response = client.post(reverse("api_token_create"), data)

    assert (response.status_code, ApiToken.objects.count()) == (422, 0)


def test_creation_asks_for_the_password_again(person: User, signed_in: SignIn) -> None:
    response = signed_in(person).get(reverse("api_token_create"))

    assert response["Location"].startswith(reverse("account_reauthenticate"))


def test_person_cannot_revoke_others_tokens(
    consultant: User, person: User, signed_in: SignIn
) -> None:
    token = token_of(client_for(consultant))

    response = signed_in(person).post(reverse("api_token_revoke", args=[token.public_id]))

    token.refresh_from_db()
    assert (response.status_code, token.revoked_at) == (404, None)


def test_administrator_revokes_any_token(
    consultant: User, administrator: User, signed_in: SignIn
) -> None:
    client = client_for(consultant)
    browser = signed_in(administrator)

    page = text_of(browser.get(reverse("tenants:token-list")))
    browser.post(reverse("tenants:token-revoke", args=[token_of(client).public_id]))

    assert "Service desk" in page
    assert code_of(client.get("me/"))[0] == 401
