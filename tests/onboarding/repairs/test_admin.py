"""The admin: its guard, its records, its repairs, and the protection of everything else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from checks.models import Observation
from onboarding.repairs.record_pages import REPAIRS
from onboarding.repairs.site import kind_of, site
from tenants.log_verification import verify_logs
from tenants.models import ActivityLine, ApiToken, OutboxMessage, Tenant, User
from tests.access_matrix import create_one_of_each
from tests.api.clients import client_for, token_of
from tests.factories import SignIn
from tests.tenants.sign_in import GOOD_PASSWORD, sign_in

HIDDEN = "not for a page"


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user(
        "root@gangway.test", GOOD_PASSWORD, name="Root", staff_role="administrator"
    )


def add_second_factor(person: User) -> None:
    Authenticator.objects.create(user=person, type="totp", data={"secret": "x"})


@pytest.fixture
def admin(operator: User, client: Client) -> Client:
    """A browser of an administrator with a second factor, who entered the password just now."""
    sign_in(client, operator.email)
    add_second_factor(operator)
    return client


def address_of(record: Any) -> str:
    return f"/admin/{kind_of(type(record))}/{record.public_id}/"


def waiting_message() -> OutboxMessage:
    now = timezone.now()
    return OutboxMessage.objects.create(
        kind="welcome",
        recipient="ann@client.test",
        payload={"link": HIDDEN},
        created_at=now,
        not_before=now + timedelta(hours=1),
    )


# --- The guard


def test_second_factor_is_always_required(
    administrator: User, signed_in: SignIn, settings: Any
) -> None:
    settings.STAFF_SECOND_FACTOR = False

    answer = signed_in(administrator).get("/admin/")

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/second-factor/")


@pytest.mark.parametrize(("role", "status"), [("consultant", 403), ("manager", 403), ("", 404)])
def test_other_roles_are_refused(operator: User, signed_in: SignIn, role: str, status: int) -> None:
    User.objects.filter(pk=operator.pk).update(staff_role=role)

    browser = signed_in(User.objects.get(pk=operator.pk))

    assert browser.get("/admin/").status_code == status
    assert browser.get(address_of(operator)).status_code == status


def test_record_asks_for_the_password_again(operator: User, signed_in: SignIn) -> None:
    add_second_factor(operator)

    answer = signed_in(operator).get(address_of(operator))

    assert answer["Location"].startswith("/accounts/reauthenticate/")


# --- Reading


def test_every_kind_of_record_opens(admin: Client, tenant: Tenant, consultant: User) -> None:
    create_one_of_each(tenant, consultant)

    answers = {}
    for model in site._registry:
        answers[kind_of(model)] = admin.get(f"/admin/{kind_of(model)}/").status_code
        record = model._base_manager.first()
        if record is not None:
            answers[address_of(record)] = admin.get(address_of(record)).status_code

    assert {path: status for path, status in answers.items() if status != 200} == {}
    assert len(answers) > 60


def test_pages_have_no_script_or_style_of_their_own(admin: Client, operator: User) -> None:
    scripts = admin.get("/people/").content.decode().count("<script")
    for path in ("/admin/", "/admin/tenants-user/", address_of(operator)):
        page = admin.get(path)
        assert "unsafe" not in page["Content-Security-Policy"]
        assert "<style" not in page.content.decode()
        assert page.content.decode().count("<script") == scripts


def test_pages_show_no_credentials(admin: Client, consultant: User) -> None:
    token = token_of(client_for(consultant))
    message = waiting_message()

    pages = [admin.get(address_of(each)).content.decode() for each in (token, consultant, message)]

    assert not any(value in page for page in pages for value in (token.token_hash, HIDDEN))
    assert not any("argon2" in page for page in pages)


def test_search_finds_an_address(admin: Client, consultant: User) -> None:
    page = admin.get("/admin/tenants-user/?q=consultant@").content.decode()

    assert consultant.public_id in page
    assert "root@" not in page.partition("<tbody>")[2]


@pytest.mark.parametrize("query", ["password__startswith=x", "password__gt=a", "is_active=0"])
def test_address_cannot_filter(admin: Client, query: str) -> None:
    """The length of the list would reveal hidden values, one character after the other."""
    assert admin.get(f"/admin/tenants-user/?{query}").status_code in (302, 400)


def test_id_with_an_underscore_opens(admin: Client, consultant: User) -> None:
    User.objects.filter(pk=consultant.pk).update(public_id="ab_3Acdefghijklm")

    page = admin.get("/admin/tenants-user/ab_3Acdefghijklm/")

    assert (page.status_code, "consultant@gangway.test" in page.content.decode()) == (200, True)


def test_lines_of_the_activity_log_are_no_records() -> None:
    assert ActivityLine not in site._registry


# --- Repairs


def test_repairs_are_these() -> None:
    assert {model: repair.fields for model, repair in REPAIRS.items()} == {
        User: ("name", "email"),
        OutboxMessage: ("not_before",),
    }


def test_colleague_gets_another_address(admin: Client, operator: User, consultant: User) -> None:
    values = {"name": "Con Sultant", "email": "Right@gangway.test", "staff_role": "administrator"}
    answer = admin.post(address_of(consultant), values)

    consultant.refresh_from_db()
    line = ActivityLine.objects.get(action="person-renamed")
    assert answer.status_code == 302
    assert (consultant.email, consultant.staff_role) == ("right@gangway.test", "consultant")
    assert (line.actor, line.display_params["before"]["email"]) == (
        operator,
        "consultant@gangway.test",
    )
    assert [log.fault for log in verify_logs() if log.fault] == []
    # The admin has no second log.
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("email", ["root@gangway.test", "ROOT@gangway.test"])
def test_address_of_another_person_is_refused(admin: Client, consultant: User, email: str) -> None:
    values = {"name": "Con", "email": email}

    answer = admin.post(address_of(consultant), values)

    consultant.refresh_from_db()
    assert (answer.status_code, consultant.email) == (200, "consultant@gangway.test")


def test_waiting_message_is_sent_earlier(admin: Client, operator: User) -> None:
    message = waiting_message()

    admin.post(address_of(message), {"not_before": "2026-12-01 10:00:00", "recipient": "x@y.test"})

    message.refresh_from_db()
    line = ActivityLine.objects.get(action="record-repaired")
    assert message.not_before.isoformat() == "2026-12-01T10:00:00+00:00"
    assert message.recipient == "ann@client.test"
    assert (line.actor, line.params["record"]) == (
        operator,
        f"outbox message {message.public_id}",
    )


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_time_of_an_extreme_year_is_refused(admin: Client, time: str) -> None:
    message = waiting_message()
    before = message.not_before

    answer = admin.post(address_of(message), {"not_before": time})

    message.refresh_from_db()
    assert (answer.status_code, message.not_before) == (200, before)
    assert "Enter a year from 2000 to 2999." in answer.content.decode()


def test_sent_message_is_read_only(admin: Client) -> None:
    message = waiting_message()
    OutboxMessage.objects.update(sent_at=timezone.now())

    answer = admin.post(address_of(message), {"not_before": "2026-12-01 10:00:00"})

    assert answer.status_code == 403


def test_people_of_a_client_are_read_only(admin: Client, owner: User) -> None:
    values = {"name": "Changed", "email": owner.email}

    assert admin.post(address_of(owner), values).status_code == 403
    assert '<form class="card"' not in admin.get(address_of(owner)).content.decode()


# --- The protection of everything else


def test_nothing_else_can_be_changed(admin: Client, tenant: Tenant, consultant: User) -> None:
    create_one_of_each(tenant, consultant)
    records = [
        record
        for model in site._registry
        if model not in REPAIRS and (record := model._base_manager.first()) is not None
    ]
    assert Observation in {type(record) for record in records}
    assert len(records) > 25
    for record in records:
        columns = [column.attname for column in record._meta.concrete_fields]
        before = type(record)._base_manager.filter(pk=record.pk).values().get()

        answer = admin.post(address_of(record), dict.fromkeys(columns, "1") | {"_delete": "1"})

        assert answer.status_code == 403, address_of(record)
        assert type(record)._base_manager.filter(pk=record.pk).values().get() == before


@pytest.mark.parametrize("path", ["add/", "{id}/delete/", "{id}/history/", "?_popup=1"])
def test_other_pages_of_the_admin_are_absent(admin: Client, consultant: User, path: str) -> None:
    address = f"/admin/tenants-user/{path.format(id=consultant.public_id)}"
    numbers = (User.objects.count(), ApiToken.objects.count())

    assert admin.post(address, {"action": "delete_selected"}).status_code in (404, 405)
    assert (User.objects.count(), ApiToken.objects.count()) == numbers


def test_sign_in_page_is_that_of_gangway(client: Client, db: None) -> None:
    assert client.get("/admin/")["Location"].startswith("/accounts/login/")
