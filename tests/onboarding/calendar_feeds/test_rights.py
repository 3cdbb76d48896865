"""The page of the feeds, and every way in which the owner of a feed loses the right."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.calendar_feeds import feeds
from onboarding.errors import OnboardingError
from onboarding.lifecycle.erasure import erase_tenant
from onboarding.models import CalendarFeed
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn
from tests.onboarding.calendar_feeds.test_feeds import SCOPES, address_of
from tests.onboarding.collaboration.test_delegated_rights import BY_CLIENT, BY_STAFF

PAGE = "/calendar/"
# A viewer may still see the plan, and a closed tenant remains readable.
LASTING = {"demotion", "closing"}


@pytest.mark.parametrize("loss", BY_CLIENT)
def test_feed_of_client(
    tenant: Tenant, owner: User, administrator: User, client: Client, loss: str
) -> None:
    address = address_of(owner, SCOPES.TENANT, tenant)
    before = client.get(address).status_code

    BY_CLIENT[loss](tenant, owner, administrator)

    lost = {"erasure": 404}.get(loss, 200 if loss in LASTING else 410)
    assert (before, client.get(address).status_code) == (200, lost)


@pytest.mark.parametrize("loss", BY_STAFF)
@pytest.mark.parametrize("scope", [SCOPES.TENANT, SCOPES.TEAM])
def test_feed_of_staff(
    tenant: Tenant,
    consultant: User,
    administrator: User,
    client: Client,
    loss: str,
    scope: CalendarFeed.Scope,
) -> None:
    of = tenant if scope == SCOPES.TENANT else None
    address = address_of(consultant, scope, of)
    before = client.get(address).status_code

    BY_STAFF[loss](tenant, consultant, administrator)

    lasts = loss in LASTING or (loss == "other consultants" and scope == SCOPES.TEAM)
    assert (before, client.get(address).status_code) == (200, 200 if lasts else 410)


def test_own_feed_ends_with_the_account(
    tenant: Tenant, owner: User, administrator: User, client: Client
) -> None:
    address = address_of(owner, SCOPES.OWN)
    BY_CLIENT["deactivation"](tenant, owner, administrator)
    deactivated = client.get(address).status_code

    erase_tenant(tenant, typed=tenant.name, by=administrator)

    assert (deactivated, client.get(address).status_code) == (410, 404)
    assert not CalendarFeed.objects.exists()


def test_client_has_no_team_feed(owner: User) -> None:
    with pytest.raises(OnboardingError):
        feeds.create_feed(SCOPES.TEAM, tenant=None, site="", by=owner)


def test_address_is_shown_once(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    entry = {"scope": "tenant", "tenant": tenant.public_id}

    created = client.post(PAGE, entry).content.decode()

    (address,) = re.findall(r"http://testserver(/c/[^<]+)", created)
    assert Client().get(address).status_code == 200
    assert "/c/" not in client.get(PAGE).content.decode()
    feed = CalendarFeed.objects.get()
    assert feed.token_hash not in address
    client.post(f"{PAGE}revoke/", {"feed": feed.public_id})
    assert Client().get(address).status_code == 410
    names = ActivityLine.objects.filter(tenant=tenant).values_list("action", flat=True)
    assert list(names[:2]) == ["calendar-feed-revoked", "calendar-feed-created"]


def test_foreign_tenant_is_no_choice(tenant: Tenant, outsider: User, signed_in: SignIn) -> None:
    client = signed_in(outsider)

    response = client.post(PAGE, {"scope": "tenant", "tenant": tenant.public_id})
    shown = client.get(f"{PAGE}?tenant={tenant.public_id}").content.decode()

    assert (response.status_code, CalendarFeed.objects.count()) == (422, 0)
    assert "Northwind" not in shown


def test_feed_of_another_person_remains(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    address = address_of(owner, SCOPES.TENANT, tenant)

    signed_in(member).post(
        reverse("onboarding:calendar-feed-revoke"), {"feed": CalendarFeed.objects.get().public_id}
    )

    assert Client().get(address).status_code == 200


def test_schedule_links_to_the_form(tenant: Tenant, viewer: User, signed_in: SignIn) -> None:
    client = signed_in(viewer)
    link = f"{PAGE}?tenant={tenant.public_id}"

    schedule = client.get(reverse("onboarding:schedule", args=[tenant.public_id]))

    assert link in schedule.content.decode()
    chosen = f'<option value="{tenant.public_id}" selected>'
    assert chosen in client.get(link).content.decode()
