"""A form that is sent without a session: sign-in, then the page of the form."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from onboarding.models import Comment
from tenants.models import Tenant
from tenants.session_end import SESSION_ENDED
from tests.factories import task_of

pytestmark = pytest.mark.django_db
PAGE = "/t/abc/plan/?phase=outbound"


def send(tenant: Tenant, **headers: str) -> tuple[str, list[str], str]:
    """The address of the redirect, the messages and the next page after sign-in."""
    task = task_of(tenant, "account-creation")
    address = reverse("onboarding:comment-add", args=[tenant.public_id, task.public_id])
    response = Client().post(address, {"text": "When?"}, headers=headers)
    location = response.headers.get("HX-Redirect") or response.headers["Location"]
    shown = [str(message) for message in get_messages(response.wsgi_request)]
    (following,) = parse_qs(urlsplit(location).query)["next"]
    assert not Comment.objects.exists()
    return urlsplit(location).path, shown, following


@pytest.mark.parametrize(
    "headers",
    [
        {"referer": f"http://testserver{PAGE}"},
        {"referer": "http://testserver/", "hx-current-url": f"http://testserver{PAGE}"},
        {"hx-request": "true", "hx-current-url": f"http://testserver{PAGE}"},
    ],
)
def test_sign_in_returns_to_the_page(tenant: Tenant, headers: dict[str, str]) -> None:
    assert send(tenant, **headers) == (reverse("account_login"), [SESSION_ENDED], PAGE)


@pytest.mark.parametrize(
    "referer",
    ["", "http://evil.test/t/abc/", "//evil.test/", "javascript:alert(1)", "http://testserver"],
)
def test_other_sender_returns_to_the_home_page(tenant: Tenant, referer: str) -> None:
    assert send(tenant, referer=referer) == (reverse("account_login"), [], "/")


def test_next_page_is_never_another_site(tenant: Tenant) -> None:
    assert send(tenant, referer="http://testserver//evil.test/")[2] == "/evil.test/"


def test_page_without_session_is_next_itself(tenant: Tenant) -> None:
    address = reverse("onboarding:plan-show", args=[tenant.public_id])

    response = Client().get(f"{address}?phase=outbound")

    assert parse_qs(urlsplit(response.headers["Location"]).query)["next"] == [
        f"{address}?phase=outbound"
    ]
