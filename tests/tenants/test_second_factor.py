"""Authenticator apps, recovery codes, and staff who need a second factor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client
from django.urls import reverse

from tenants.models import ActivityLine, User
from tests.tenants.sign_in import (
    GOOD_PASSWORD,
    code_in,
    enter_code,
    request_code,
    sign_in,
    signed_in_as,
    text_of,
)

PERIOD_SECONDS = 30

pytestmark = pytest.mark.usefixtures("immediate_outbox")


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user(
        "consultant@gangway.test", GOOD_PASSWORD, name="Con Sultant", staff_role="consultant"
    )


def code_now(secret: str, periods: int = 0) -> str:
    """The code of this period, or of one `periods` away, valid for at least one more second."""
    left = PERIOD_SECONDS - time.time() % PERIOD_SECONDS
    if left < 1:
        time.sleep(left)
    counter = int(time.time()) // PERIOD_SECONDS + periods
    return str(totp.format_hotp_value(totp.hotp_value(secret, counter)))


def wrong_code(secret: str) -> str:
    near = {code_now(secret, periods) for periods in range(-2, 3)}
    return next(code for code in ("123456", "654321", "111111") if code not in near)


def set_up_app(client: Client) -> str:
    """Set up an authenticator app on the pages. Returns its seed."""
    page: Any = client.get(reverse("mfa_activate_totp"))
    secret = str(page.context["form"].secret)
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    return secret


@pytest.fixture
def with_app(client: Client, person: User) -> str:
    sign_in(client, person.email)
    secret = set_up_app(client)
    client.post(reverse("account_logout"))
    return secret


def actions() -> list[str]:
    return list(ActivityLine.objects.order_by("pk").values_list("action", flat=True))


def test_app_setup_creates_recovery_codes(
    client: Client, person: User, django_capture_on_commit_callbacks: Any
) -> None:
    sign_in(client, person.email)

    with django_capture_on_commit_callbacks(execute=True):
        set_up_app(client)

    kinds = Authenticator.objects.filter(user=person).values_list("type", flat=True)
    assert sorted(kinds) == ["recovery_codes", "totp"]
    assert actions() == ["signed-in", "second-factor-added", "second-factor-added"]
    assert mail.outbox[-1].subject == "An authenticator app was set up for Gangway"


def test_wrong_code_sets_up_no_app(client: Client, person: User) -> None:
    sign_in(client, person.email)
    page: Any = client.get(reverse("mfa_activate_totp"))

    response = client.post(
        reverse("mfa_activate_totp"), {"code": wrong_code(page.context["form"].secret)}
    )

    assert "This code is wrong" in text_of(response)
    assert not Authenticator.objects.exists()


def test_seed_is_a_separate_picture(client: Client, person: User) -> None:
    sign_in(client, person.email)
    before = client.get(reverse("mfa_totp_picture"))
    page = text_of(client.get(reverse("mfa_activate_totp")))

    picture = client.get(reverse("mfa_totp_picture"))

    assert before.status_code == 404
    assert (picture["Content-Type"], picture.content[:5]) == ("image/svg+xml", b"<?xml")
    assert "data:" not in page


def test_seeds_are_encrypted(with_app: str, person: User) -> None:
    stored = [str(row.data) for row in Authenticator.objects.filter(user=person)]

    assert len(stored) == 2
    assert not any(with_app in text for text in stored)
    assert all("gAAAA" in text for text in stored)


def test_seed_of_another_secret_key_is_invalid(with_app: str, settings: Any) -> None:
    settings.SECRET_KEY = "another key, which did not encrypt these seeds"
    app = Authenticator.objects.get(type="totp").wrap()

    assert app.validate_code(code_now(with_app)) is False


def test_former_secret_key_decrypts_seeds(with_app: str, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next key, which is long enough to be accepted"
    app = Authenticator.objects.get(type="totp").wrap()

    assert app.validate_code(code_now(with_app)) is True


def test_password_alone_is_not_enough(client: Client, person: User, with_app: str) -> None:
    response = sign_in(client, person.email)

    assert response["Location"] == reverse("mfa_authenticate")
    assert signed_in_as(client) is None


def test_emailed_code_alone_is_not_enough(client: Client, person: User, with_app: str) -> None:
    request_code(client, person.email)

    response = enter_code(client, code_in(mail.outbox[-1]))

    assert response["Location"] == reverse("mfa_authenticate")
    assert signed_in_as(client) is None


def test_password_and_app_code_sign_in(client: Client, person: User, with_app: str) -> None:
    sign_in(client, person.email)

    client.post(reverse("mfa_authenticate"), {"code": code_now(with_app)})

    assert signed_in_as(client) == person
    line = ActivityLine.objects.order_by("-pk")[0]
    assert line.params == {"methods": ["password", "totp"]}


@pytest.mark.parametrize("periods", [-1, 1])
def test_code_of_another_period_is_refused(
    client: Client, person: User, with_app: str, periods: int
) -> None:
    sign_in(client, person.email)

    response = client.post(reverse("mfa_authenticate"), {"code": code_now(with_app, periods)})

    assert "This code is wrong" in text_of(response)
    assert (signed_in_as(client), actions()[-1]) == (None, "second-factor-failed")


def test_app_code_works_once(client: Client, person: User, with_app: str) -> None:
    code = code_now(with_app)
    sign_in(client, person.email)
    client.post(reverse("mfa_authenticate"), {"code": code})
    elsewhere = Client()
    sign_in(elsewhere, person.email)

    elsewhere.post(reverse("mfa_authenticate"), {"code": code})

    assert signed_in_as(elsewhere) is None


def test_recovery_code_works_once(client: Client, person: User, with_app: str) -> None:
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    users = []

    for _ in range(2):
        browser = Client()
        sign_in(browser, person.email)
        browser.post(reverse("mfa_authenticate"), {"code": codes[0]})
        users.append(signed_in_as(browser))

    assert users == [person, None]


def test_guessing_codes_is_limited(client: Client, person: User, with_app: str) -> None:
    sign_in(client, person.email)
    for _ in range(5):
        client.post(reverse("mfa_authenticate"), {"code": wrong_code(with_app)})

    response = client.post(reverse("mfa_authenticate"), {"code": code_now(with_app)})

    assert "Too many attempts." in text_of(response)
    assert signed_in_as(client) is None


def test_second_factor_needs_a_first_factor(client: Client, db: None) -> None:
    response = client.post(reverse("mfa_authenticate"), {"code": "123456"})

    assert response["Location"] == reverse("account_login")


def test_removing_a_factor_needs_reauthentication(
    client: Client, person: User, with_app: str
) -> None:
    client.force_login(person)

    response = client.get(reverse("mfa_deactivate_totp"))

    assert response["Location"].startswith(reverse("account_reauthenticate"))


# --- Staff who need a second factor

CLOSED = ["onboarding:home", "onboarding:tenant-list", "account_change_password", "sessions-end"]


@pytest.fixture
def required(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("name", CLOSED)
def test_staff_without_factor_are_redirected(client: Client, person: User, name: str) -> None:
    client.force_login(person)

    answers = [client.get(reverse(name)), client.post(reverse(name))]

    assert [answer["Location"] for answer in answers] == [reverse("mfa_index")] * 2


@pytest.mark.usefixtures("required")
def test_staff_continue_after_setup(client: Client, person: User) -> None:
    sign_in(client, person.email)
    page = text_of(client.get(reverse("mfa_index")))

    set_up_app(client)

    assert "You need a second factor" in page
    assert client.get(reverse("onboarding:tenant-list")).status_code == 200


@pytest.mark.usefixtures("required")
def test_staff_without_factor_can_sign_out(client: Client, person: User) -> None:
    sign_in(client, person.email)

    client.post(reverse("account_logout"))

    assert signed_in_as(client) is None


@pytest.mark.usefixtures("required")
def test_recovery_codes_are_no_second_factor(client: Client, person: User) -> None:
    Authenticator.objects.create(user=person, type="recovery_codes", data={})
    client.force_login(person)

    assert client.get(reverse("onboarding:home"))["Location"] == reverse("mfa_index")


@pytest.mark.usefixtures("required")
def test_clients_need_no_factor(owner: User, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(owner).get(reverse("onboarding:home"))

    assert response["Location"] != reverse("mfa_index")


def test_factor_is_optional_by_setting(client: Client, person: User) -> None:
    client.force_login(person)

    assert client.get(reverse("onboarding:tenant-list")).status_code == 200


# --- Passkeys. tests/browser has the tests that need a browser


def passkey_of(person: User) -> Authenticator:
    return Authenticator.objects.create(user=person, type="webauthn", data={"name": "Key"})


def test_passkey_urls_are_signed(client: Client, person: User) -> None:
    key = passkey_of(person)
    address = reverse("mfa_remove_webauthn", args=[key.pk])

    assert address != address.replace(f"/{key.pk}:", f"/{key.pk + 1}:")
    client.force_login(person)
    assert client.get(address.replace(f"/{key.pk}:", f"/{key.pk + 1}:")).status_code == 404


def test_foreign_passkey_is_not_found(client: Client, person: User, owner: User) -> None:
    key = passkey_of(owner)
    sign_in(client, person.email)

    response = client.post(reverse("mfa_remove_webauthn", args=[key.pk]))

    assert response.status_code == 404
    assert Authenticator.objects.filter(pk=key.pk).exists()


@pytest.mark.parametrize("credential", ["", "{}", "[]", "7", '{"id": "x"}', "not json"])
def test_malformed_passkey_answer_is_refused(client: Client, person: User, credential: str) -> None:
    client.get(reverse("mfa_login_webauthn"), headers={"accept": "application/json"})

    response = client.post(reverse("mfa_login_webauthn"), {"credential": credential})

    assert (response.status_code, response["Location"]) == (302, reverse("account_login"))
    assert signed_in_as(client) is None
