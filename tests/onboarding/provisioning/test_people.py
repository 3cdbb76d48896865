"""The directory creates, changes and deactivates accounts of the staff only."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from onboarding.calendar_feeds.feeds import create_feed
from onboarding.collaboration.share_links import create_share_link
from onboarding.models import CalendarFeed, ShareLink
from onboarding.provisioning import views
from tenants import people
from tenants.log_verification import verify_logs
from tenants.models import ActivityLine, ApiToken, Membership, Tenant, User, Webhook
from tenants.webhooks.services import NewWebhook, create_webhook
from tests.api.clients import client_for
from tests.factories import SignIn, task_of
from tests.onboarding.provisioning.conftest import Scim

ANN = {"userName": "Ann@gangway.test", "displayName": "Ann Lee"}


def create(scim: Scim, **values: Any) -> dict[str, Any]:
    answer = scim("POST", "Users", ANN | values)
    assert answer.status_code == 201, answer.content
    created: dict[str, Any] = answer.json()
    return created


def patch(scim: Scim, person_id: str, *operations: dict[str, Any]) -> Any:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": list(operations),
    }
    return scim("PATCH", f"Users/{person_id}", body)


def deactivate(scim: Scim, person: User) -> Any:
    operation = {"op": "Replace", "path": "active", "value": "False"}
    return patch(scim, person.public_id, operation)


def test_creation_makes_an_account_without_role(scim: Scim) -> None:
    created = create(scim, externalId="42")

    person = User.objects.get(email="ann@gangway.test")
    assert (person.name, person.staff_role, person.is_active) == ("Ann Lee", "", True)
    assert not person.has_usable_password()
    assert created == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": person.public_id,
        "externalId": "42",
        "userName": "Ann@gangway.test",
        "displayName": "Ann Lee",
        "emails": [{"value": "Ann@gangway.test"}],
        "active": True,
        "meta": created["meta"],
    }


def test_changes_are_logged_with_the_token(scim: Scim) -> None:
    person_id = create(scim)["id"]
    patch(scim, person_id, {"op": "replace", "path": "displayName", "value": "Ann Poe"})

    lines = ActivityLine.objects.filter(action__startswith="person-").order_by("pk")
    assert [(line.action, line.actor, line.is_from_directory) for line in lines] == [
        ("person-provisioned", None, True),
        ("person-renamed", None, True),
    ]
    assert [log.fault for log in verify_logs() if log.fault] == []


def test_entra_attributes_are_read(scim: Scim) -> None:
    extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    created = create(
        scim,
        schemas=["urn:ietf:params:scim:schemas:core:2.0:User", extension],
        emails=[
            {"type": "home", "value": "ann@home.test"},
            {"type": "work", "value": "ann.lee@gangway.test"},
        ],
        title="Consultant",
        **{extension: {"department": "Mail"}},
    )

    assert User.objects.get(public_id=created["id"]).email == "ann.lee@gangway.test"


def test_patch_of_an_absent_address_adds_it(scim: Scim) -> None:
    person_id = create(scim)["id"]

    operation = {
        "op": "Add",
        "path": 'emails[type eq "work"].value',
        "value": "ann.poe@gangway.test",
    }
    answer = patch(scim, person_id, operation)

    assert answer.status_code == 200
    assert User.objects.get(public_id=person_id).email == "ann.poe@gangway.test"


def test_name_falls_back_to_given_and_family_name(scim: Scim) -> None:
    create(scim, displayName="", name={"givenName": "Ann", "familyName": "Poe"})

    assert User.objects.get(email="ann@gangway.test").name == "Ann Poe"


def test_replacement_without_active_changes_no_access(scim: Scim) -> None:
    person_id = create(scim, active=False)["id"]

    answer = scim("PUT", f"Users/{person_id}", ANN | {"displayName": "Ann Poe"})

    assert (answer.json()["displayName"], answer.json()["active"]) == ("Ann Poe", False)


@pytest.mark.parametrize("name", ["active", "Active", "ACTIVE"])
def test_replacement_reads_active_in_any_case(scim: Scim, name: str) -> None:
    person_id = create(scim)["id"]

    answers = [scim("PUT", f"Users/{person_id}", ANN | {name: value}) for value in (False, True)]

    assert [answer.json()["active"] for answer in answers] == [False, True]


def test_replacement_does_not_undo_a_deactivation_of_the_same_moment(
    scim: Scim, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = create(scim)["id"]
    read = views._person_of

    def read_while_the_person_leaves(*args: Any, **values: Any) -> Any:
        found = read(*args, **values)
        people.deactivate(User.objects.get(public_id=person_id), by=None)
        return found

    monkeypatch.setattr(views, "_person_of", read_while_the_person_leaves)
    answer = scim("PUT", f"Users/{person_id}", ANN)

    assert answer.json()["active"] is False
    assert not User.objects.get(public_id=person_id).is_active


# --- The end of access


def test_deactivation_ends_every_access(
    scim: Scim, consultant: User, tenant: Tenant, signed_in: SignIn
) -> None:
    browser, api = signed_in(consultant), client_for(consultant)
    _, feed = create_feed(CalendarFeed.Scope.OWN, tenant=None, site="", by=consultant)
    task = task_of(tenant, "initial-conversation")
    create_share_link(tenant.plan, task, recipient="outside", days=1, by=consultant)

    answer = deactivate(scim, consultant)

    assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert browser.get("/").status_code == 302
    assert api.get("me/").status_code == 401
    assert Client().get(f"/c/{feed}/gangway.ics").status_code == 410
    assert ShareLink.objects.get().revoked_at is not None


def test_deletion_removes_role_and_credentials(scim: Scim, consultant: User) -> None:
    client_for(consultant)
    SocialAccount.objects.create(user=consultant, provider="single-sign-on", uid="7")
    Authenticator.objects.create(user=consultant, type="totp", data={"secret": "x"})

    answer = scim("DELETE", f"Users/{consultant.public_id}")

    consultant.refresh_from_db()
    assert (answer.status_code, answer.content) == (204, b"")
    assert scim("GET", f"Users/{consultant.public_id}").status_code == 404
    assert (consultant.is_active, consultant.staff_role) == (False, "")
    assert not consultant.has_usable_password()
    assert not SocialAccount.objects.exists()
    assert not Authenticator.objects.exists()
    assert not ApiToken.objects.filter(revoked_at=None).exists()


def test_deleted_person_returns_without_rights(scim: Scim, consultant: User) -> None:
    scim("DELETE", f"Users/{consultant.public_id}")

    created = create(scim, userName=consultant.email)

    consultant.refresh_from_db()
    assert created["id"] == consultant.public_id
    assert (consultant.is_active, consultant.staff_role) == (True, "")


def test_deleted_person_leaves_no_running_webhook(
    scim: Scim, administrator: User, manager: User
) -> None:
    User.objects.filter(pk=manager.pk).update(staff_role="administrator")
    entry = NewWebhook("Own", "https://hooks.example/own", "json", ["drift.began"])
    create_webhook(None, entry, site="", by=User.objects.get(pk=manager.pk))
    scim("DELETE", f"Users/{manager.public_id}")

    # Another person gets the address, and the same role.
    create(scim, userName=manager.email)
    User.objects.filter(pk=manager.pk).update(staff_role="administrator")

    webhook = Webhook.objects.get()
    assert webhook.paused_at is not None
    assert webhook.pause_reason == Webhook.PauseReason.OWNER


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_last_administrator_remains(scim: Scim, administrator: User, method: str) -> None:
    answer = (
        deactivate(scim, administrator)
        if method == "PATCH"
        else scim("DELETE", f"Users/{administrator.public_id}")
    )

    administrator.refresh_from_db()
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "The installation needs at least one administrator. Add another first.",
    )
    assert (administrator.is_active, administrator.staff_role) == (True, "administrator")


# --- The people of a client


@pytest.fixture
def client_member(owner: User) -> User:
    return owner


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_member_of_a_client_does_not_exist(scim: Scim, client_member: User, method: str) -> None:
    before = User.objects.filter(pk=client_member.pk).values().get()

    answer = scim(method, f"Users/{client_member.public_id}", ANN if method == "PUT" else {})

    assert (answer.status_code, answer.json()["detail"]) == (404, "No such person.")
    assert User.objects.filter(pk=client_member.pk).values().get() == before


@pytest.mark.parametrize(
    "filter_", ["", 'userName eq "{email}"', 'emails.value co "@"', 'id eq "{id}"', "active pr"]
)
def test_lists_contain_no_member_of_a_client(scim: Scim, client_member: User, filter_: str) -> None:
    expression = filter_.format(email=client_member.email, id=client_member.public_id)

    found = scim("GET", f"Users?filter={expression}" if filter_ else "Users").json()

    ids = [each["id"] for each in found["Resources"]]
    assert client_member.public_id not in ids


def test_address_of_a_client_is_refused(scim: Scim, client_member: User) -> None:
    answer = scim("POST", "Users", ANN | {"userName": client_member.email})

    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
    client_member.refresh_from_db()
    assert (client_member.is_active, client_member.staff_role) == (True, "")


def test_member_of_a_client_joins_no_group(
    scim: Scim, client_member: User, roles: dict[str, str]
) -> None:
    members = [{"value": client_member.public_id}]

    answer = scim("POST", "Groups", {"displayName": "admins", "members": members})

    client_member.refresh_from_db()
    assert (answer.status_code, client_member.staff_role) == (400, "")


def test_provisioned_person_becomes_a_client(scim: Scim, tenant: Tenant) -> None:
    """A person of the directory without a role, whom a client invites, is the client's person."""
    created = create(scim)
    person = User.objects.get(public_id=created["id"])
    Membership.objects.create(tenant=tenant, user=person, role="viewer")

    assert scim("DELETE", f"Users/{created['id']}").status_code == 404
    person.refresh_from_db()
    assert person.is_active


def test_two_accounts_have_no_common_name(scim: Scim) -> None:
    create(scim)

    answer = scim("POST", "Users", {"userName": "ANN@gangway.test"})

    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")


def test_administrator_gives_the_first_role(
    scim: Scim, administrator: User, signed_in: SignIn
) -> None:
    created = create(scim)

    signed_in(administrator).post(f"/people/{created['id']}/role/", {"role": "consultant"})

    assert User.objects.get(public_id=created["id"]).staff_role == "consultant"
