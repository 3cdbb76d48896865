"""The first administrator: created with a printed link, once, and only in an empty installation."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants.installation_setup import administrators
from tenants.installation_setup.administrators import FirstAdministratorError
from tenants.models import ActivityLine, User
from tests.clock import frozen

pytestmark = pytest.mark.django_db
ENTRY = {
    "name": "Ada Admin",
    "address": "Ada@Gangway.test",
    "password": "four unrelated odd words",
}


def _path() -> str:
    out = StringIO()
    call_command("setup_link", "--site", "https://gangway.example/", stdout=out)
    link = out.getvalue().strip()
    assert link.startswith("https://gangway.example/setup/account/")
    return link.removeprefix("https://gangway.example")


def test_link_creates_the_administrator() -> None:
    client = Client()

    response = client.post(_path(), ENTRY)

    person = User.objects.get()
    assert response["Location"] == reverse("onboarding:setup")
    assert (person.email, person.staff_role, person.is_superuser) == (
        "ada@gangway.test",
        "administrator",
        True,
    )
    assert person.check_password(ENTRY["password"])
    assert client.session["_auth_user_id"] == str(person.pk)
    assert [line.action for line in ActivityLine.objects.filter(actor=person)][-1] == "staff-added"


def test_link_works_once() -> None:
    path = _path()
    Client().post(path, ENTRY)

    response = Client().post(path, ENTRY | {"address": "other@gangway.test"})

    assert (response.status_code, User.objects.count()) == (404, 1)


@pytest.mark.parametrize("change", ["altered", "expired"])
def test_invalid_link_creates_nothing(change: str) -> None:
    now = timezone.now()
    with frozen(now - timedelta(minutes=61 if change == "expired" else 59)):
        path = _path()
    if change == "altered":
        path = path[:-3] + "xy/"

    with frozen(now):
        response = Client().post(path, ENTRY)

    assert (response.status_code, User.objects.exists()) == (404, False)


def test_link_is_valid_for_an_hour() -> None:
    now = timezone.now()
    with frozen(now - timedelta(minutes=59)):
        path = _path()

    with frozen(now):
        assert Client().get(path).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("password", "short", "at least 12 characters"),
        ("password", "ada@gangway.test", "too similar"),
        ("address", "no address", "This is not an e-mail address."),
        ("name", "", "required"),
    ],
)
def test_invalid_entry_is_retained(field: str, value: str, sentence: str) -> None:
    response = Client().post(_path(), ENTRY | {field: value})

    html = response.content.decode()
    assert response.status_code == 422
    assert sentence in html
    kept = "address" if field == "name" else "name"
    assert f'value="{ENTRY[kept]}"' in html
    assert not User.objects.exists()


def test_second_creation_is_refused(administrator: User) -> None:
    with pytest.raises(FirstAdministratorError, match="Another person"):
        administrators.create_first_administrator(name="B", email="b@x.test", password="pw")


def test_client_account_does_not_become_administrator(owner: User) -> None:
    response = Client().post(_path(), ENTRY | {"address": owner.email.upper()})

    assert response.status_code == 422
    assert not User.objects.filter(staff_role="administrator").exists()


def test_command_refuses_with_an_administrator(administrator: User) -> None:
    with pytest.raises(CommandError, match="has an administrator already"):
        call_command("setup_link", "--site", "https://gangway.example")


def test_command_needs_a_site(settings: Any) -> None:
    settings.SITE_URL = ""

    with pytest.raises(CommandError, match="SITE_URL"):
        call_command("setup_link")


def test_sign_in_page_explains_an_empty_installation() -> None:
    html = Client().get(reverse("account_login")).content.decode()

    assert "manage.py setup_link" in html


def test_sign_in_page_with_accounts(consultant: User) -> None:
    html = Client().get(reverse("account_login")).content.decode()

    assert "setup_link" not in html


@pytest.mark.parametrize("change", [{"is_active": False}, {"staff_role": ""}])
def test_used_link_creates_no_second_administrator(change: dict[str, Any]) -> None:
    path = _path()
    assert Client().post(path, ENTRY).status_code == 302
    User.objects.update(**change, is_superuser=False)

    response = Client().post(path, ENTRY | {"address": "other@gangway.test"})

    assert response.status_code == 404
    assert not User.objects.filter(email="other@gangway.test").exists()
    # A link that an operator prints after that creates one.
    new = Client().post(_path(), ENTRY | {"address": "other@gangway.test"})
    assert new.status_code == 302
