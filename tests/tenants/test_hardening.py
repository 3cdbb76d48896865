"""Every page: headers, rate limits, redirects, and forged host names and addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from tenants.client_address import address_group, client_address
from tenants.models import ActivityLine, Tenant, User
from tenants.throttle import throttled
from tests.clock import at, frozen
from tests.tenants.sign_in import GOOD_PASSWORD, request_code, sign_in, signed_in_as, text_of

SignIn = Callable[[User], Client]

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
ENTRANCES = [
    "account_login",
    "account_request_login_code",
    "account_reset_password",
    "account_signup",
    "account_inactive",
    "socialaccount_login_cancelled",
]
INSIDE = [
    "account_change_password",
    "account_logout",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "usersessions_list",
    "onboarding:tenant-list",
]

pytestmark = pytest.mark.usefixtures("immediate_outbox")


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user(
        "consultant@gangway.test", GOOD_PASSWORD, name="Con Sultant", staff_role="consultant"
    )


def assert_headers(response: Any) -> None:
    policy = {part.strip() for part in response["Content-Security-Policy"].split(";")}
    assert response.status_code == 200
    assert policy == POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "no-store" in response["Cache-Control"]
    # The policy would reject data: images and inline scripts and styles.
    assert re.findall(r"src=\"data:|<style|\sstyle=|\son\w+=", response.content.decode()) == []
    inline = re.findall(r"<script(?![^>]*(?:src=|application/json))", response.content.decode())
    assert inline == []


@pytest.mark.parametrize("name", ENTRANCES)
def test_public_pages_have_headers(client: Client, db: None, name: str) -> None:
    assert_headers(client.get(reverse(name)))


@pytest.mark.parametrize("name", INSIDE)
def test_signed_in_pages_have_headers(client: Client, person: User, name: str) -> None:
    sign_in(client, person.email)

    assert_headers(client.get(reverse(name)))


def test_cookies_are_http_only_and_lax(client: Client, person: User) -> None:
    client.get(reverse("account_login"))
    sign_in(client, person.email)

    flags = {
        name: (bool(cookie["httponly"]), cookie["samesite"], cookie["domain"], cookie["path"])
        for name, cookie in client.cookies.items()
    }

    strict = (True, "Lax", "", "/")
    assert flags == {"sessionid": strict, "csrftoken": strict}


# --- Redirects


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "\\\\evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
        "https://testserver.evil.example/",
        "https://testserver@evil.example/",
    ],
)
def test_foreign_next_url_is_ignored(client: Client, person: User, target: str) -> None:
    form = {"login": person.email, "password": GOOD_PASSWORD, "next": target}

    response = client.post(reverse("account_login"), form)

    assert response["Location"] == reverse("onboarding:home")


def test_next_url_of_another_allowed_host_is_ignored(
    client: Client, person: User, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", ".gangway.test"]
    form = {
        "login": person.email,
        "password": GOOD_PASSWORD,
        "next": "http://old.gangway.test/",
    }

    response = client.post(reverse("account_login"), form)

    assert response["Location"] == reverse("onboarding:home")


def test_own_next_url_is_followed(client: Client, person: User) -> None:
    form = {"login": person.email, "password": GOOD_PASSWORD, "next": "/dashboard/"}

    response = client.post(reverse("account_login"), form)

    assert response["Location"] == "/dashboard/"


# --- Forged names and addresses


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "a b", "[::1"])
def test_foreign_host_is_refused_without_detail(db: None, host: str) -> None:
    response = Client().get(reverse("account_login"), headers={"host": host})

    assert response.status_code == 400
    assert "Gangway could not process this request" in text_of(response)
    assert re.findall(r"Traceback|DisallowedHost|evil", text_of(response)) == []


def test_forwarded_host_is_ignored(person: User, mailoutbox: list[Any]) -> None:
    client = Client(headers={"x-forwarded-host": "evil.example"})

    client.post(reverse("account_reset_password"), {"email": person.email})

    assert "http://testserver/accounts/password/reset/key/" in mailoutbox[0].body
    assert "evil" not in mailoutbox[0].body


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (2, "198.51.100.7", "192.0.2.1"),
        (1, "not an address", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "2001:db8::7", "2001:db8::7"),
    ],
)
def test_client_address_trusts_our_proxies_only(
    settings: Any, proxies: int, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {"x-forwarded-for": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")

    assert client_address(request) == expected


def test_address_group_is_an_ipv6_prefix() -> None:
    neighbours = [
        RequestFactory().get("/", REMOTE_ADDR=f"2001:db8:1:2::{number}") for number in (1, 2)
    ]

    assert {address_group(request) for request in neighbours} == {"2001:db8:1:2::/64"}


def test_activity_line_has_the_proxied_address(person: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    client = Client(headers={"x-forwarded-for": "203.0.113.9, 198.51.100.7"})

    sign_in(client, person.email)

    assert ActivityLine.objects.get().address == "198.51.100.7"


# --- Limits


def assert_must_wait(response: Any, seconds: int) -> None:
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= seconds
    assert "Too many attempts" in text_of(response)


def test_sixth_failure_for_one_account_waits(person: User) -> None:
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), person.email, "not the password")

    response = sign_in(Client(REMOTE_ADDR="192.0.2.99"), person.email)

    assert_must_wait(response, 300)


def test_failures_count_for_each_account(client: Client, person: User) -> None:
    for _ in range(5):
        sign_in(Client(REMOTE_ADDR="192.0.2.1"), "somebody@else.test", "not the password")

    sign_in(client, person.email)

    assert signed_in_as(client) == person


def test_failures_count_for_each_client(db: None) -> None:
    answers = [
        sign_in(Client(), f"guess{number}@northwind.test", "a guess") for number in range(11)
    ]

    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert_must_wait(answers[10], 300)


def test_forged_forwarded_address_is_limited(db: None) -> None:
    for number in range(11):
        client = Client(headers={"x-forwarded-for": f"198.51.100.{number}"})
        response = sign_in(client, f"guess{number}@northwind.test", "a guess")

    assert_must_wait(response, 300)


def test_codes_are_limited_by_account(person: User, mailoutbox: list[Any]) -> None:
    for _ in range(6):
        request_code(Client(), person.email)

    assert len(mailoutbox) == 4


@pytest.mark.usefixtures("frozen_time")
def test_codes_are_limited_by_client(db: None) -> None:
    answers = [request_code(Client(), f"guess{number}@northwind.test") for number in range(11)]

    assert_must_wait(answers[-1], 60)


def test_password_resets_are_limited(person: User, mailoutbox: list[Any]) -> None:
    for _ in range(5):
        response = Client().post(reverse("account_reset_password"), {"email": person.email})

    assert len(mailoutbox) == 4
    assert_must_wait(response, 60)


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_time")
def test_check_runs_are_limited_by_user(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    address = reverse("onboarding:check-run-all", args=[tenant.public_id])

    answers = [client.post(address) for _ in range(61)]

    assert {answer.status_code for answer in answers[:60]} == {302}
    assert_must_wait(answers[60], 60)


@pytest.mark.usefixtures("frozen_time")
def test_rate_limit_counts_its_methods_only() -> None:
    view = throttled("test", "1/h")(lambda request: HttpResponse("done"))

    answers = [view(_anonymous("GET")) for _ in range(3)]

    assert [answer.content for answer in answers] == [b"done"] * 3


@pytest.mark.usefixtures("frozen_time")
def test_rate_limit_sends_retry_after() -> None:
    view = throttled("test", "2/h")(lambda request: HttpResponse("done"))

    answers = [view(_anonymous("POST")) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_must_wait(answers[2], 3600)


def test_rate_limit_ends_with_its_window() -> None:
    view = throttled("test", "1/m")(lambda request: HttpResponse("done"))

    with frozen(at("Mon 08:00:15")) as clock:
        refused = [view(_anonymous("POST")) for _ in range(2)][1]
        clock.move_to(at("Mon 08:01:00"))
        served = view(_anonymous("POST"))

    assert (refused.status_code, refused["Retry-After"]) == (429, "45")
    assert served.content == b"done"


def _anonymous(method: str) -> HttpRequest:
    request = RequestFactory().generic(method, "/")
    request.user = AnonymousUser()
    return request
