"""Sign-in by password and by e-mailed code, and its lines in the activity log."""

from __future__ import annotations

import re
import statistics
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.internal.flows import code_verification
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
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

pytestmark = pytest.mark.usefixtures("immediate_outbox")


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("client@northwind.test", GOOD_PASSWORD, name="Jo Lindqvist")


def actions() -> list[str]:
    return list(ActivityLine.objects.order_by("pk").values_list("action", flat=True))


def test_password_signs_in_and_is_logged(client: Client, person: User) -> None:
    sign_in(client, person.email)

    line = ActivityLine.objects.get()
    assert signed_in_as(client) == person
    assert (line.action, line.actor, line.params) == (
        "signed-in",
        person,
        {"methods": ["password"]},
    )


def test_address_is_case_insensitive(client: Client, person: User) -> None:
    sign_in(client, "Client@Northwind.TEST")

    assert signed_in_as(client) == person


def test_wrong_password_is_refused_and_logged(client: Client, person: User) -> None:
    response = sign_in(client, person.email, "not the password")

    line = ActivityLine.objects.get()
    assert signed_in_as(client) is None
    assert "This e-mail address and password do not match." in text_of(response)
    assert (line.action, line.actor) == ("sign-in-failed", None)
    assert line.display_params == {"address": person.email}
    assert person.email not in str(line.params)


def test_deactivated_person_cannot_sign_in(client: Client, person: User) -> None:
    User.objects.update(is_active=False)

    response = sign_in(client, person.email)

    assert response["Location"] == reverse("account_inactive")
    assert signed_in_as(client) is None


def test_deactivation_ends_sessions(client: Client, person: User) -> None:
    sign_in(client, person.email)

    User.objects.update(is_active=False)

    assert client.get("/")["Location"] == f"{reverse('account_login')}?next=/"


def test_sign_up_is_closed(client: Client, person: User) -> None:
    form = {"email": "new@northwind.test", "password1": GOOD_PASSWORD, "password2": GOOD_PASSWORD}

    response = client.post(reverse("account_signup"), form)

    assert "By invitation only" in text_of(response)
    assert User.objects.count() == 1


# --- By e-mailed code


def test_emailed_code_signs_in(client: Client, person: User) -> None:
    request_code(client, person.email)

    enter_code(client, code_in(mail.outbox[0]))

    assert mail.outbox[0].to == [person.email]
    assert signed_in_as(client) == person
    assert ActivityLine.objects.get().params == {"methods": ["code"]}


def test_wrong_code_is_refused_and_logged(client: Client, person: User) -> None:
    request_code(client, person.email)

    response = enter_code(client, "WRONG1")

    assert "This code is wrong." in text_of(response)
    assert (signed_in_as(client), actions()) == (None, ["sign-in-code-rejected"])


def test_three_wrong_codes_revoke_the_code(client: Client, person: User) -> None:
    request_code(client, person.email)
    for _ in range(3):
        enter_code(client, "WRONG1")

    response = enter_code(client, code_in(mail.outbox[0]))

    assert response["Location"] == reverse("account_request_login_code")
    assert signed_in_as(client) is None


def test_code_is_invalid_in_another_browser(client: Client, person: User) -> None:
    request_code(client, person.email)
    elsewhere = Client()
    request_code(elsewhere, "other@elsewhere.test")

    enter_code(elsewhere, code_in(mail.outbox[0]))

    assert signed_in_as(elsewhere) is None


def test_used_code_is_invalid(client: Client, person: User) -> None:
    request_code(client, person.email)
    enter_code(client, code_in(mail.outbox[0]))
    client.post(reverse("account_logout"))

    response = enter_code(client, code_in(mail.outbox[0]))

    assert response["Location"] == reverse("account_request_login_code")
    assert signed_in_as(client) is None


def test_expired_code_is_invalid(
    client: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_code(client, person.email)
    later = time.time() + timedelta(minutes=10, seconds=1).total_seconds()
    monkeypatch.setattr(code_verification.time, "time", lambda: later)

    enter_code(client, code_in(mail.outbox[0]))

    assert signed_in_as(client) is None


# --- No answer reveals an account


def _without_tokens(response: Any, address: str) -> str:
    text = re.sub(r'(csrfmiddlewaretoken" value|X-CSRFToken":) ?"?=?"[^"]+"', "", text_of(response))
    return text.replace(address, "[the address]")


@pytest.mark.parametrize(
    ("name", "field"),
    [("account_request_login_code", "email"), ("account_reset_password", "email")],
)
def test_pages_do_not_reveal_accounts(person: User, name: str, field: str) -> None:
    answers = []
    for address in (person.email, "unknown@northwind.test"):
        response: Any = Client().post(reverse(name), {field: address}, follow=True)
        chain = response.redirect_chain
        answers.append((response.status_code, chain, _without_tokens(response, address)))

    assert answers[0] == answers[1]
    assert [message.to for message in mail.outbox] == [[person.email], ["unknown@northwind.test"]]


def test_sign_in_does_not_reveal_accounts(person: User) -> None:
    addresses = (person.email, "unknown@northwind.test")

    answers = [
        _without_tokens(sign_in(Client(), address, "not the password"), address)
        for address in addresses
    ]

    assert answers[0] == answers[1]


@pytest.mark.slow
def test_sign_in_time_does_not_reveal_accounts(person: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    settings.ACCOUNT_RATE_LIMITS = False
    person.set_password(GOOD_PASSWORD)
    person.save(update_fields=["password"])

    def seconds(address: str) -> float:
        started = time.perf_counter()
        sign_in(Client(), address, "not the password")
        return time.perf_counter() - started

    known = statistics.median(seconds(person.email) for _ in range(5))
    unknown = statistics.median(seconds("unknown@northwind.test") for _ in range(5))

    assert 0.6 < known / unknown < 1.6


# --- Passwords


@pytest.mark.parametrize(
    "password",
    [
        "short-one",
        "password12345",
        "Passw0rd!2026",
        "qwertyuiop123",
        "northwind2026",
        "iloveyou1234!",
        "Mimecast-2026",
        "Lindqvist.2026",
        "aaaaaaaaaaaaaaaa",
    ],
)
def test_guessable_passwords_are_refused(person: User, password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, person)


@pytest.mark.parametrize(
    "password", [GOOD_PASSWORD, "x7-Tq2 vdR!9mLkw", "я" * 3 + "mostly-blue-tide"]
)
def test_good_passwords_are_accepted(person: User, password: str) -> None:
    validate_password(password, person)


def test_huge_password_is_refused_quickly(person: User) -> None:
    started = time.perf_counter()

    with pytest.raises(ValidationError, match="longer than 128 characters"):
        validate_password("password" * 2000, person)

    assert time.perf_counter() - started < 2


def test_guessable_new_password_is_refused(client: Client, person: User) -> None:
    sign_in(client, person.email)
    form = {
        "oldpassword": GOOD_PASSWORD,
        "password1": "password12345",
        "password2": "password12345",
    }

    response = client.post(reverse("account_change_password"), form)

    person.refresh_from_db()
    assert "resembles a password from a published breach" in text_of(response)
    assert person.check_password(GOOD_PASSWORD)


def test_new_password_ends_other_sessions(client: Client, person: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere, person.email)
    sign_in(client, person.email)
    new = "plum-orbit-canvas-seven"
    form = {"oldpassword": GOOD_PASSWORD, "password1": new, "password2": new}

    client.post(reverse("account_change_password"), form)

    assert (signed_in_as(client), signed_in_as(elsewhere)) == (person, None)
    assert actions()[-1] == "password-changed"
    assert mail.outbox[-1].subject == "Your Gangway password was changed"


# --- Sessions


def test_session_list_shows_each_sign_in(client: Client, person: User) -> None:
    for agent in ("Firefox on the train", "Chrome at the desk"):
        browser = Client(headers={"user-agent": agent})
        sign_in(browser, person.email)
    client.force_login(person)

    text = text_of(browser.get(reverse("usersessions_list")))

    assert re.findall(r"(Firefox on the train|Chrome at the desk)", text) == [
        "Firefox on the train",
        "Chrome at the desk",
    ]


@pytest.mark.parametrize(("name", "stays"), [("usersessions_list", True), ("sessions-end", False)])
def test_sessions_end_everywhere(client: Client, person: User, name: str, stays: bool) -> None:
    elsewhere = Client()
    sign_in(elsewhere, person.email)
    sign_in(client, person.email)

    client.post(reverse(name))

    assert signed_in_as(elsewhere) is None
    assert signed_in_as(client) == (person if stays else None)


def test_sign_out_is_logged(client: Client, person: User) -> None:
    sign_in(client, person.email)

    client.post(reverse("account_logout"))

    assert actions() == ["signed-in", "signed-out"]
    assert signed_in_as(client) is None


# --- Resetting


def test_reset_link_works_once(client: Client, person: User) -> None:
    client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.findall(r"https?://\S+", str(mail.outbox[0].body))[0]
    new = "plum-orbit-canvas-seven"

    page: Any = client.get(link, follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})

    person.refresh_from_db()
    assert person.check_password(new)
    assert "This link no longer works" in text_of(Client().get(link))
    assert actions() == ["password-reset"]


def test_altered_reset_link_is_refused(client: Client, person: User) -> None:
    client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.findall(r"https?://\S+", str(mail.outbox[0].body))[0]

    response = client.get(link[:-3] + "xx/")

    assert "This link no longer works" in text_of(response)
