"""Pages with a secret address send no referrer, and their forms still work."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from tenants import invitations
from tenants.models import Tenant, User
from tenants.secret_addresses import SECRET_PARAMETER
from tests.access_matrix import Route, routes

pytestmark = pytest.mark.django_db
SECRET = [each for each in routes() if SECRET_PARAMETER in each.params]
RESET = "/accounts/password/reset/key/1-abc123/"


def _url_of(route: Route) -> str:
    return reverse(route.name, kwargs=dict.fromkeys(route.params, "abc123"))


def test_every_secret_address_is_found() -> None:
    """A parameter with another name would be missing in the list of the middleware."""
    named = {name for each in routes() for name in each.params}

    assert {name for name in named if re.search("token|key|secret|code|uid", name)} == {
        "token",
        "token_id",
        # Keys of plan templates.
        "key",
        "phase_key",
        "source_key",
        "task_key",
    }
    assert {each.name for each in SECRET} == {
        "onboarding:calendar-feed",
        "onboarding:share-link",
        "onboarding:share-link-check-run",
        "onboarding:share-link-revision",
        "onboarding:share-link-revision-stream",
        "tenants:invitation",
        "tenants:setup-account",
    }


@pytest.mark.parametrize("route", SECRET, ids=lambda each: each.name)
def test_secret_address_sends_no_referrer(client: Client, route: Route) -> None:
    url = _url_of(route)

    answers = [client.get(url), client.post(url), client.get("/accounts/login/", {"next": url})]

    assert [answer["Referrer-Policy"] for answer in answers] == ["no-referrer"] * 3


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        (RESET, "no-referrer"),
        ("/accounts/oidc/single-sign-on/login/callback/?code=c1&state=s1", "no-referrer"),
        ("/accounts/login/", "same-origin"),
        ("/accounts/login/?next=/tenants/", "same-origin"),
        ("/accounts/login/?next=//[", "same-origin"),
        ("/nowhere/", "same-origin"),
    ],
)
def test_policy_of_other_addresses(client: Client, url: str, policy: str) -> None:
    assert client.get(url)["Referrer-Policy"] == policy


@pytest.mark.parametrize(
    ("site", "is_accepted"), [("same-origin", True), (None, True), ("cross-site", False)]
)
def test_form_without_referrer_is_accepted(
    tenant: Tenant, owner: User, site: str | None, *, is_accepted: bool
) -> None:
    """A browser sends `Origin: null` with the form of a page without referrer."""
    invitation = invitations.invite(tenant, "new@northwind.test", "member", by=owner)
    url = reverse("tenants:invitation", args=[invitations.new_link_token(invitation)])
    client = Client(enforce_csrf_checks=True)
    page = client.get(url)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert token is not None
    headers = {"origin": "null"} | ({"sec-fetch-site": site} if site else {})

    with_token = client.post(url, {"csrfmiddlewaretoken": token[1]}, headers=headers)
    without_token = client.post(url, headers=headers)

    assert (with_token.status_code != 403, without_token.status_code) == (is_accepted, 403)


@pytest.mark.parametrize(("site", "is_accepted"), [("same-origin", True), (None, False)])
def test_origin_null_elsewhere_needs_proof(site: str | None, *, is_accepted: bool) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get("/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert token is not None
    headers = {"origin": "null"} | ({"sec-fetch-site": site} if site else {})

    answer = client.post("/accounts/login/", {"csrfmiddlewaretoken": token[1]}, headers=headers)

    assert (answer.status_code == 200) == is_accepted
