"""Single sign-on against a real provider, over HTTP, from the button to the first page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tenants import provider_grants, staff_groups
from tenants.models import ActivityLine, Membership, ProviderGrant, Tenant, User
from tenants.tasks import read_groups
from tests.api.clients import client_for
from tests.interop.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    address_of,
)
from tests.interop.processes import free_port
from tests.interop.sign_on import LOGIN, PROVIDER, Browser, app_of

pytestmark = [pytest.mark.interop, pytest.mark.django_db(transaction=True)]


def last_line() -> ActivityLine:
    return ActivityLine.objects.order_by("-pk")[0]


def test_account_holder_signs_in(gangway: str) -> None:
    browser = Browser()

    browser.through_provider(gangway, "in-order")

    person = User.objects.get(email="in-order@gangway.test")
    assert browser.is_in(gangway)
    assert (last_line().action, last_line().actor) == ("signed-in", person)
    assert last_line().params == {"methods": ["socialaccount"]}


def test_request_has_state_nonce_and_pkce(gangway: str) -> None:
    page = Browser().to_provider(gangway, "&scope=secrets&auth_params=prompt%3Dnone")

    asked = parse_qs(urlsplit(parse_qs(urlsplit(page.url).query)["next"][0]).query)
    secrets = {name: len(asked.pop(name)[0]) for name in ("state", "nonce", "code_challenge")}
    assert min(secrets.values()) >= 16
    assert set(asked.pop("scope")[0].split()) == {"openid", "email"}
    assert asked == {
        "client_id": [CLIENT_ID],
        "code_challenge_method": ["S256"],
        "redirect_uri": [f"{gangway}{LOGIN}callback/"],
        "response_type": ["code"],
    }


def test_address_from_userinfo(gangway: str) -> None:
    browser = Browser()

    browser.through_provider(gangway, "address-in-userinfo")

    assert browser.is_in(gangway)


@pytest.mark.parametrize(
    ("name", "sentence", "reason"),
    [
        ("unverified", "did not confirm that your e-mail address is verified", "unverified"),
        (
            "silent-on-verified",
            "did not confirm that your e-mail address is verified",
            "unverified",
        ),
        ("without-account", "no account for the e-mail address", "unknown"),
        ("wrong-nonce", "was invalid or too late", "nonce"),
        ("without-nonce", "was invalid or too late", "nonce"),
    ],
)
def test_incomplete_claims_are_refused(gangway: str, name: str, sentence: str, reason: str) -> None:
    browser = Browser()

    answer = browser.through_provider(gangway, name)

    assert (answer.status_code, browser.is_in(gangway)) == (403, False)
    assert sentence in answer.text
    assert (last_line().action, last_line().params) == (
        "single-sign-on-refused",
        {"reason": reason},
    )
    assert (SocialAccount.objects.count(), User.objects.filter(email=address_of(name)).count()) == (
        0,
        0 if name == "without-account" else 1,
    )


@pytest.mark.parametrize(
    "name", ["wrong-audience", "wrong-issuer", "expired", "forged", "userinfo-of-another"]
)
def test_foreign_token_is_refused(gangway: str, name: str) -> None:
    browser = Browser()

    answer = browser.through_provider(gangway, name)

    assert (answer.status_code, browser.is_in(gangway)) == (401, False)
    assert "was invalid or too late" in answer.text
    assert last_line().params == {"reason": "token"}


def test_reassigned_address_is_refused(gangway: str) -> None:
    Browser().through_provider(gangway, "in-order")
    browser = Browser()

    answer = browser.through_provider(gangway, "somebody-else")

    assert (answer.status_code, browser.is_in(gangway)) == (403, False)
    assert "linked to a different person" in answer.text


def test_account_of_other_address_is_refused(gangway: str) -> None:
    Browser().through_provider(gangway, "in-order")
    User.objects.filter(email="in-order@gangway.test").update(email="moved@gangway.test")
    User.objects.create_user("in-order@gangway.test", None, name="New Comer")

    browser = Browser()
    answer = browser.through_provider(gangway, "in-order")

    assert (answer.status_code, browser.is_in(gangway)) == (403, False)
    assert last_line().params == {"reason": "other-address"}


def test_inactive_user_is_refused(gangway: str) -> None:
    User.objects.filter(email="in-order@gangway.test").update(is_active=False)
    browser = Browser()

    browser.through_provider(gangway, "in-order")

    assert not browser.is_in(gangway)


def test_unsolicited_response_is_refused(gangway: str) -> None:
    victim, attacker = Browser(), Browser()
    page = attacker.to_provider(gangway)
    state = parse_qs(urlsplit(parse_qs(urlsplit(page.url).query)["next"][0]).query)["state"][0]

    answer = victim.get(f"{gangway}{LOGIN}callback/?code=stolen&state={state}")

    assert (answer.status_code, victim.is_in(gangway)) == (401, False)


def test_foreign_next_is_not_followed(gangway: str) -> None:
    browser = Browser()

    answer = browser.through_provider(gangway, "in-order", "&next=https://evil.example/")

    assert browser.is_in(gangway)
    assert urlsplit(answer.url).netloc == urlsplit(gangway).netloc


def test_unreachable_provider_shows_error(gangway: str, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app_of(free_port(PROVIDER))]}}
    browser = Browser()

    answer = browser.to_provider(gangway)

    assert answer.status_code == 502
    assert "The provider does not answer." in answer.text


def test_other_sign_ins_work_without_provider(gangway: str, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": []}}
    browser = Browser()

    page = browser.get(f"{gangway}/accounts/login/")

    assert "Sign in with" not in page.text
    assert browser.get(f"{gangway}{LOGIN}").status_code == 404


# --- Roles from groups


def role_after_sign_in(gangway: str, name: str, before: str) -> tuple[bool, str]:
    User.objects.filter(email=address_of(name)).update(staff_role=before)
    browser = Browser()
    browser.through_provider(gangway, name)
    return browser.is_in(gangway), User.objects.get(email=address_of(name)).staff_role


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("grouped", "", "administrator"),
        ("grouped", "manager", "administrator"),
        ("grouped", "administrator", "administrator"),
        ("groups-in-userinfo", "administrator", "consultant"),
    ],
)
def test_groups_give_the_role(groups: str, name: str, before: str, after: str) -> None:
    assert role_after_sign_in(groups, name, before) == (True, after)

    changes = ActivityLine.objects.filter(action="staff-changed")
    assert [(line.actor, line.params["before"], line.params["after"]) for line in changes] == (
        [(None, {"role": before}, {"role": after})] if before != after else []
    )


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("without-groups", "consultant", ""),
        ("in-order", "consultant", ""),
        # Without the groups, nothing is known about the role.
        ("too-many-groups", "consultant", "consultant"),
    ],
)
def test_sign_in_without_role_is_refused(groups: str, name: str, before: str, after: str) -> None:
    assert role_after_sign_in(groups, name, before) == (False, after)


@pytest.mark.parametrize("name", ["without-groups", "too-many-groups"])
def test_last_administrator_remains_one(groups: str, name: str) -> None:
    User.objects.filter(email="root@gangway.test").delete()

    assert role_after_sign_in(groups, name, "administrator") == (True, "administrator")


def test_membership_retains_no_staff_role(groups: str, tenant: Tenant) -> None:
    """An invitation to a tenant does not preserve the role of a person who lost the group."""
    person = User.objects.get(email=address_of("without-groups"))
    Membership.objects.create(tenant=tenant, user=person, role="member")

    assert role_after_sign_in(groups, "without-groups", "consultant") == (True, "")


@pytest.mark.parametrize("name", ["grouped", "too-many-groups"])
def test_groups_of_a_member_are_not_read(groups: str, tenant: Tenant, name: str) -> None:
    person = User.objects.get(email=address_of(name))
    Membership.objects.create(tenant=tenant, user=person, role="member")

    assert role_after_sign_in(groups, name, "") == (True, "")


def test_session_of_a_regained_role_is_limited(groups: str) -> None:
    """At the second sign-in the library loads the person before the role changes."""
    Browser().through_provider(groups, "grouped")
    Session.objects.all().delete()
    User.objects.filter(email=address_of("grouped")).update(staff_role="")

    assert role_after_sign_in(groups, "grouped", "") == (True, "administrator")
    assert Session.objects.get().expire_date - timezone.now() <= timedelta(hours=1)


def test_lost_role_ends_other_sessions(groups: str) -> None:
    name = "without-groups"
    User.objects.filter(email=address_of(name)).update(staff_role="consultant")
    person = User.objects.get(email=address_of(name))
    elsewhere = Client()
    elsewhere.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    assert elsewhere.get("/accounts/sessions/").status_code == 200

    Browser().through_provider(groups, name)

    assert elsewhere.get("/accounts/sessions/").status_code == 302


def test_session_of_groups_ends_within_an_hour(groups: str) -> None:
    browser = Browser()
    browser.through_provider(groups, "grouped")

    (session,) = Session.objects.all()
    assert timedelta(minutes=59) < session.expire_date - timezone.now() <= timedelta(hours=1)
    browser.get(f"{groups}/accounts/sessions/")
    assert Session.objects.get().expire_date == session.expire_date


def test_password_does_not_avoid_the_groups(groups: str) -> None:
    person = User.objects.get(email=address_of("grouped"))
    person.set_password(PASSWORD)
    person.save()

    def sign_in(address: str) -> tuple[bool, str]:
        browser = Browser()
        page = browser.get(f"{groups}/accounts/login/")
        form = {"csrfmiddlewaretoken": browser.token(page), "login": address, "password": PASSWORD}
        answer = browser.post(f"{groups}/accounts/login/", form)
        return browser.is_in(groups), answer.text

    Browser().through_provider(groups, "grouped")
    is_in, page = sign_in(person.email)

    assert not is_in
    assert "Use single sign-on" in page
    assert sign_in("root@gangway.test")[0]
    # The account for the time when the provider fails.
    User.objects.filter(email="root@gangway.test").update(is_active=False)
    assert sign_in(person.email)[0]


# --- Groups between two sign-ins


def signed_in_consultant(gangway: str, name: str = "grouped") -> User:
    Browser().through_provider(gangway, name)
    return User.objects.get(email=address_of(name))


def let_time_pass() -> None:
    rows = ProviderGrant.objects.all()
    rows.update(read_at=timezone.now() - provider_grants.READ_EVERY - timedelta(seconds=1))


@pytest.mark.parametrize("name", ["grouped", "groups-in-userinfo"])
def test_removed_group_ends_the_role_without_sign_in(
    groups: str, change_groups: Callable[[str, list[str]], None], name: str
) -> None:
    person = signed_in_consultant(groups, name)
    api = client_for(person)
    change_groups(name, ["everyone"])
    assert api.get("me/").status_code == 200

    let_time_pass()
    read_groups()

    person.refresh_from_db()
    assert person.staff_role == ""
    assert last_line().params["after"] == {"role": ""}
    assert api.get("tenants/").json()["results"] == []


def test_groups_are_read_within_half_an_hour(
    groups: str, change_groups: Callable[[str, list[str]], None]
) -> None:
    person = signed_in_consultant(groups)
    change_groups("grouped", ["gangway-consultants"])

    read_groups()
    person.refresh_from_db()
    assert person.staff_role == "administrator"

    let_time_pass()
    read_groups()
    person.refresh_from_db()
    assert person.staff_role == "consultant"
    assert timedelta(hours=1) > provider_grants.READ_EVERY * 2


def test_replaced_refresh_token_works_again(groups: str) -> None:
    person = signed_in_consultant(groups)
    first = staff_groups.refresh_token_of(person.provider_grant)

    for _ in range(2):
        let_time_pass()
        read_groups()

    person = User.objects.get(pk=person.pk)
    assert person.staff_role == "administrator"
    assert staff_groups.refresh_token_of(person.provider_grant) not in (first, None)


def test_revoked_grant_ends_the_role(groups: str, provider: int) -> None:
    person = signed_in_consultant(groups)
    fields = {
        "token": staff_groups.refresh_token_of(person.provider_grant),
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    requests.post(f"http://{PROVIDER}:{provider}/o/revoke_token/", fields).raise_for_status()

    let_time_pass()
    read_groups()

    person.refresh_from_db()
    assert person.staff_role == ""
    assert not ProviderGrant.objects.exists()


def test_silent_provider_changes_no_role(groups: str, settings: Any) -> None:
    person = signed_in_consultant(groups)
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app_of(free_port(PROVIDER))]}}

    let_time_pass()
    read_groups()

    person.refresh_from_db()
    assert person.staff_role == "administrator"
    assert ProviderGrant.objects.exists()


def test_refresh_token_is_encrypted(groups: str) -> None:
    person = signed_in_consultant(groups)

    stored = person.provider_grant.refresh_token
    assert str(staff_groups.refresh_token_of(person.provider_grant)) not in stored
