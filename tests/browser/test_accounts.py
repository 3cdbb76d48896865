"""Account pages in Chromium: passkeys of a virtual device, accessibility and CSP."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from playwright.sync_api import Page, expect

from tenants.models import ActivityLine, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.tenants.sign_in import GOOD_PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

OUTSIDE = ["account_login", "account_request_login_code", "account_reset_password"]
INSIDE = [
    "account_change_password",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "usersessions_list",
]


@pytest.fixture
def person(transactional_db: None) -> User:
    return User.objects.create_user(
        "consultant@gangway.test", GOOD_PASSWORD, name="Con Sultant", staff_role="consultant"
    )


def plug_in_device(page: Page) -> None:
    """Add a virtual authenticator that verifies its user and stores passkeys."""
    debugger = page.context.new_cdp_session(page)
    debugger.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    debugger.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in(page: Page) -> None:
    page.goto(reverse("account_login"))
    page.get_by_label("E-mail address").fill("consultant@gangway.test")
    page.get_by_label("Password").fill(GOOD_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def add_passkey(page: Page, *, alone: bool) -> None:
    page.goto(reverse("mfa_add_webauthn"))
    page.get_by_label("Sign in with this passkey alone").set_checked(alone)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def sign_out(page: Page) -> None:
    page.goto(reverse("account_logout"))
    page.get_by_role("main").get_by_role("button", name="Sign out").click()


def test_passkey_signs_in_alone(
    open_page: OpenPage, person: User, console_errors: ConsoleErrors
) -> None:
    page = open_page(None, reverse("account_login"))
    plug_in_device(page)
    sign_in(page)
    add_passkey(page, alone=True)
    sign_out(page)

    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_label("Account: Con Sultant")).to_be_visible()
    line = ActivityLine.objects.order_by("-pk")[0]
    assert (line.action, line.params) == ("signed-in", {"methods": ["webauthn"]})
    assert console_errors == []


def test_passkey_as_second_factor(
    open_page: OpenPage, person: User, console_errors: ConsoleErrors
) -> None:
    page = open_page(None, reverse("account_login"))
    plug_in_device(page)
    sign_in(page)
    add_passkey(page, alone=False)
    sign_out(page)

    sign_in(page)
    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_label("Account: Con Sultant")).to_be_visible()
    line = ActivityLine.objects.order_by("-pk")[0]
    assert line.params == {"methods": ["password", "webauthn"]}
    assert console_errors == []


def test_sign_in_without_passkey_shows_error(open_page: OpenPage, person: User) -> None:
    page = open_page(None, reverse("account_login"))
    plug_in_device(page)

    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_text("The passkey prompt was cancelled")).to_be_visible()
    assert not Authenticator.objects.exists()


def test_qr_code_is_rendered(
    open_page: OpenPage, person: User, console_errors: ConsoleErrors
) -> None:
    page = open_page(None, reverse("account_login"))
    sign_in(page)
    page.goto(reverse("mfa_activate_totp"))

    width = page.get_by_alt_text("The key below").evaluate("picture => picture.naturalWidth")

    assert width > 0
    assert console_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_account_pages_are_accessible(
    open_page: OpenPage, person: User, console_errors: ConsoleErrors, scheme: str
) -> None:
    page = open_page(None, reverse("account_login"), scheme=scheme)
    found = []
    for name in OUTSIDE:
        page.goto(reverse(name))
        found += violations(page)
    sign_in(page)
    for name in INSIDE:
        page.goto(reverse(name))
        found += violations(page)

    assert (found, console_errors) == ([], [])
