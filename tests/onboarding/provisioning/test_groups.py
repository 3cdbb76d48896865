"""Groups of the directory give the roles of OIDC_GROUP_ROLES."""

from __future__ import annotations

import time
from typing import Any

import pytest
from scim2_models import PatchOperation, Path

from onboarding.provisioning import endpoint
from onboarding.provisioning.members import without_members
from onboarding.provisioning.resources import GroupResource
from tenants.models import ActivityLine, ProvisionedGroup, ProvisionedPerson, User
from tests.factories import SignIn
from tests.onboarding.provisioning.conftest import Scim

pytestmark = pytest.mark.usefixtures("roles")


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("ann@gangway.test", None, name="Ann", staff_role="manager")


def group_with(scim: Scim, *people: User, **values: Any) -> str:
    members = [{"value": each.public_id} for each in people]
    body = {"displayName": "team", "members": members} | values
    return str(scim("POST", "Groups", body).json()["id"])


def patch(scim: Scim, group_id: str, **operation: Any) -> Any:
    return scim("PATCH", f"Groups/{group_id}", {"Operations": [operation]})


def role_of(person: User) -> str:
    return User.objects.get(pk=person.pk).staff_role


@pytest.mark.parametrize(
    "names", [{"displayName": "team"}, {"displayName": "Gangway team", "externalId": "team"}]
)
def test_group_gives_its_role(scim: Scim, person: User, names: dict[str, str]) -> None:
    group_with(scim, person, **names)

    assert role_of(person) == "consultant"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "members"},
        {"op": "remove", "path": 'members[value eq "{id}"]'},
        {"op": "Remove", "path": "members", "value": [{"value": "{id}"}]},
        {"op": "replace", "path": "members", "value": []},
        {"op": "replace", "path": "displayName", "value": "other"},
    ],
)
def test_removed_group_ends_the_role_at_once(
    scim: Scim, person: User, signed_in: SignIn, operation: dict[str, Any]
) -> None:
    group_id = group_with(scim, person)
    browser = signed_in(User.objects.get(pk=person.pk))
    assert browser.get("/desk/").status_code == 200

    filled = {
        name: value.replace("{id}", person.public_id) if isinstance(value, str) else value
        for name, value in operation.items()
    }
    if isinstance(filled.get("value"), list) and filled["value"]:
        filled["value"] = [{"value": person.public_id}]
    answer = patch(scim, group_id, **filled)

    assert answer.status_code == 200, answer.content
    assert role_of(person) == ""
    assert browser.get("/desk/").status_code == 302
    assert scim("GET", f"Users/{person.public_id}").status_code == 200


def test_deleted_group_ends_the_role(scim: Scim, person: User) -> None:
    group_id = group_with(scim, person)

    assert scim("DELETE", f"Groups/{group_id}").status_code == 204

    assert role_of(person) == ""
    assert not ProvisionedGroup.objects.exists()


def test_first_group_of_the_setting_decides(scim: Scim, person: User) -> None:
    group_with(scim, person)
    admins = group_with(scim, person, displayName="admins")
    assert role_of(person) == "administrator"

    scim("DELETE", f"Groups/{admins}")

    assert role_of(person) == "consultant"


def test_last_administrator_keeps_the_role(scim: Scim, administrator: User) -> None:
    group_id = group_with(scim, administrator, displayName="admins")

    answer = patch(scim, group_id, op="remove", path="members")

    assert (answer.status_code, role_of(administrator)) == (200, "administrator")


def test_members_are_logged(scim: Scim, person: User) -> None:
    group_with(scim, person)

    line = ActivityLine.objects.get(action="group-changed")
    assert line.is_from_directory
    assert {key: line.display_params[key] for key in ("group", "added", "removed")} == {
        "group": "team",
        "added": ["ann@gangway.test"],
        "removed": [],
    }


def test_unknown_member_changes_nothing(scim: Scim, person: User) -> None:
    group_id = group_with(scim, person)

    value = [{"value": person.public_id}, {"value": "nobody"}]
    answer = patch(scim, group_id, op="replace", path="members", value=value)

    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert role_of(person) == "consultant"


def test_second_group_of_a_name_is_refused(scim: Scim) -> None:
    group_with(scim)

    answer = scim("POST", "Groups", {"displayName": "team"})

    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")


def test_group_is_found_by_its_name(scim: Scim) -> None:
    group_id = group_with(scim)
    group_with(scim, displayName="admins")

    found = scim("GET", 'Groups?filter=displayName eq "TEAM"').json()

    assert [each["id"] for each in found["Resources"]] == [group_id]


def test_without_roles_there_are_no_groups(scim: Scim, settings: Any) -> None:
    settings.OIDC_GROUP_ROLES = {}

    types = scim("GET", "ResourceTypes").json()

    assert [each["name"] for each in types["Resources"]] == ["User"]
    assert scim("GET", "Groups").status_code == 404


# --- Changes of members


@pytest.mark.parametrize(
    ("operations", "members"),
    [
        ([{"op": "add", "path": "members", "value": ["b", "c"]}], "abc"),
        ([{"op": "Add", "path": "MEMBERS", "value": ["a"]}], "a"),
        ([{"op": "replace", "path": "members", "value": ["c"]}], "c"),
        ([{"op": "remove", "path": "members", "value": ["a", "b"]}], ""),
        ([{"op": "add", "value": {"members": ["b"]}}], "ab"),
        ([{"op": "replace", "value": {"members": ["b"], "displayName": "admins"}}], "b"),
        (
            [
                {"op": "add", "path": "members", "value": ["b"]},
                {"op": "replace", "path": "displayName", "value": "admins"},
                {"op": "remove", "path": 'members[value eq "a"]'},
                {"op": "add", "path": "members", "value": ["c"]},
            ],
            "bc",
        ),
        (
            [
                {"op": "remove", "path": 'members[value eq "a" or value eq "b"]'},
                {"op": "add", "path": "members", "value": ["c"]},
            ],
            "c",
        ),
        ([{"op": "remove", "path": 'members[value eq "c"]'}], "a"),
        (
            [
                {
                    "op": "remove",
                    "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members",
                    "value": ["a"],
                }
            ],
            "",
        ),
    ],
)
@pytest.mark.parametrize("by_library", [False, True])
def test_members_after_operations(
    scim: Scim, monkeypatch: Any, operations: list[dict[str, Any]], members: str, by_library: bool
) -> None:
    """Changes by sets of ids have the results of the library."""
    people = {
        name: User.objects.create_user(f"{name}@gangway.test", None, name=name, staff_role="")
        for name in "abc"
    }
    for each in people.values():
        ProvisionedPerson.objects.create(user=each, user_name=each.email)
    group_id = group_with(scim, people["a"])
    if by_library:
        monkeypatch.setattr("onboarding.provisioning.services.without_members", lambda *_: None)

    answer = scim("PATCH", f"Groups/{group_id}", {"Operations": _filled(operations, people)})

    assert answer.status_code == 200, answer.content
    found = {str(each) for each in ProvisionedGroup.objects.get().members.all()}
    assert "".join(sorted(found)) == members


def _filled(value: Any, people: dict[str, User], *, is_member: bool = False) -> Any:
    """The operations with ids in place of the names of people."""
    if isinstance(value, dict):
        lists = ("value", "members")
        return {k: _filled(v, people, is_member=k in lists) for k, v in value.items()}
    if isinstance(value, list):
        return [
            {"value": people[each].public_id} if isinstance(each, str) else _filled(each, people)
            for each in value
        ]
    if isinstance(value, str) and not is_member:
        for name, person in people.items():
            value = value.replace(f'"{name}"', f'"{person.public_id}"')
    return value


def test_many_members_leave_at_once() -> None:
    """The library needs seconds for these operations."""
    ids = {f"member{number}" for number in range(5000)}
    leaving = sorted(ids)[: endpoint.MOST_OPERATIONS]
    paths = [Path[GroupResource](f'members[value eq "{each}"]') for each in leaving]
    removals = [
        PatchOperation[GroupResource](op=PatchOperation.Op.remove, path=path) for path in paths
    ]
    began = time.process_time()

    assert without_members(removals, ids) == ([], ids - set(leaving))
    assert time.process_time() - began < 0.5
