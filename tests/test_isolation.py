"""The access matrix: every URL, with every role, in the own and in a foreign tenant.

docs/reference/access.md has the expected answers. A URL without a row there fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.cache import cache
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.urls.converters import SlugConverter, StringConverter

from tenants.account_urls import SignedIdConverter
from tenants.models import User
from tests.access_matrix import (
    OF_INSTALLATION,
    Route,
    create_notification,
    create_one_of_each,
    create_person,
    routes,
)
from tests.access_tables import is_yes, methods_by_address, table_under
from tests.factories import MakeTenant

METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ROLES = (
    "administrator",
    "consultant",
    "manager",
    "manager of some",
    "owner",
    "member",
    "viewer",
    "outsider",
    "newcomer",
    "deactivated",
    "visitor",
)
ROWS = methods_by_address()
SIGN_IN = {row["address"].strip("`"): row["for"] for row in table_under("Addresses of sign-in")}
IN_TENANT = {row["permission"]: row for row in table_under("In a tenant")}
IN_INSTALLATION = {row["permission"]: row for row in table_under("In the installation")}
STAFF = ("administrator", "consultant", "manager")
# Permissions that no person has: of everybody, of a link, and of the company's directory.
_WITHOUT_PERSON = ("anybody", "with the link", "with a SCIM token")
OURS = [address for address in routes() if address.name not in SIGN_IN]


@dataclass(frozen=True)
class World:
    """The identifiers of both tenants, and the client that sends the requests."""

    own: dict[str, str]
    foreign: dict[str, str]
    client: Client


class RequestTarget(NamedTuple):
    """One set of identifiers for a URL: of the own tenant, of a foreign one, or mixed."""

    name: str
    ids: dict[str, str]


def test_urls_and_rows_correspond() -> None:
    known = [address.name for address in routes()]

    assert sorted(known) == sorted([*ROWS, *SIGN_IN])


@pytest.mark.parametrize("address", OURS, ids=lambda address: address.name)
def test_view_has_the_permission_of_its_row(address: Route) -> None:
    rows = ROWS[address.name]

    if address.is_api:
        assert address.permissions == rows
    else:
        (row,) = set(rows.values())
        assert address.permission == (None if row in _WITHOUT_PERSON else row)


@pytest.mark.parametrize("address", [*routes()], ids=lambda address: address.name)
def test_urls_have_no_sequential_ids(address: Route) -> None:
    types = {type(converter) for converter in address.params.values()}

    assert types <= {StringConverter, SlugConverter, SignedIdConverter}


@pytest.fixture
def tenant_ids(make_tenant: MakeTenant, tmp_path: Path, settings: Any) -> dict[str, dict[str, str]]:
    settings.FILES_DIR = tmp_path / "files"
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    consultants = [
        User.objects.create_user(f"{n}@matrix.test", "pw", name=n, staff_role="consultant")
        for n in ("theirs", "others")
    ]
    names = {"own": "one.test", "foreign": "two.test"}
    return {
        which: create_one_of_each(make_tenant(which, domains=((name, "primary"),)), consultant)
        for (which, name), consultant in zip(names.items(), consultants, strict=True)
    }


# The others differ from these in few permissions.
_UNIT = ("consultant", "member", "outsider", "visitor")


@pytest.mark.parametrize(
    "role",
    [pytest.param(r, marks=[] if r in _UNIT else [pytest.mark.slow]) for r in ROLES],
)
def test_answers_match_the_access_matrix(role: str, tenant_ids: dict[str, dict[str, str]]) -> None:
    """The outsider visits every place with GET or POST, other users one place with one method.

    Method and place differ between the roles, so that together they cover most methods of each URL
    at each place. The nightly test covers every method at every place for every role.
    """
    offset = ROLES.index(role)

    def sample(number: int, places: list[RequestTarget]) -> list[tuple[RequestTarget, str]]:
        shift = offset + number
        if role == "outsider":
            return [(place, METHODS[(shift + n) % 2]) for n, place in enumerate(places)]
        return [(places[shift % len(places)], METHODS[shift % len(METHODS)])]

    assert _wrong_answers(role, tenant_ids, sample) == {}


@pytest.mark.slow
def test_outsider_reads_and_writes_nothing(tenant_ids: dict[str, dict[str, str]]) -> None:
    def both(number: int, places: list[RequestTarget]) -> list[tuple[RequestTarget, str]]:
        return [(place, method) for place in places for method in METHODS[:2]]

    assert _wrong_answers("outsider", tenant_ids, both) == {}


@pytest.mark.nightly
@pytest.mark.parametrize("role", ROLES)
def test_answers_match_for_every_method(role: str, tenant_ids: dict[str, dict[str, str]]) -> None:
    def every(number: int, places: list[RequestTarget]) -> list[tuple[RequestTarget, str]]:
        return [(place, method) for place in places for method in METHODS]

    assert _wrong_answers(role, tenant_ids, every) == {}


def _wrong_answers(
    role: str,
    ids_by_tenant: dict[str, dict[str, str]],
    select: Callable[[int, list[RequestTarget]], list[tuple[RequestTarget, str]]],
) -> dict[str, tuple[str, str]]:
    """The requests whose answer (the first value) differs from the tables (the second).

    `select` returns the requests to send to an address, from its number and its places.
    """
    world = _enter(role, ids_by_tenant)
    return {
        f"{method} {address.name} ({place.name})": (answer, wanted)
        for number, address in enumerate(OURS)
        for place, method in select(number, list(_places(address, world)))
        for wanted in [_wanted(role, address, place.name, method)]
        for answer in [_request(world, address, place.ids, method)]
        if answer != wanted
    }


def _enter(role: str, made: dict[str, dict[str, str]]) -> World:
    from_id = {which: ids["public_id"] for which, ids in made.items()}
    tenants = {which: _tenant(public_id) for which, public_id in from_id.items()}
    theirs = User.objects.get(email="theirs@matrix.test")
    user = create_person(role, tenants["own"], tenants["foreign"], theirs)
    client = Client(raise_request_exception=False)
    if user is not None:
        backend = "allauth.account.auth_backends.AuthenticationBackend"
        client.force_login(user, backend=backend)
    # A notification is for one person, and about a tenant that this person can open.
    about = tenants["foreign" if role == "outsider" else "own"]
    own = made["own"] | (create_notification(about, user) if user is not None else {})
    return World(own, made["foreign"], client)


def _tenant(public_id: str) -> Any:
    return User._meta.apps.get_model("tenants", "Tenant").objects.get(public_id=public_id)


def _places(address: Route, world: World) -> Iterator[RequestTarget]:
    """The own tenant, a foreign tenant, and foreign objects under the own tenant's URL."""
    params = [name for name in address.params if name != "public_id"]
    if "token" in params:
        names = {
            "tenants:invitation": "invitation",
            "tenants:setup-account": "setup-account",
            "onboarding:calendar-feed": "calendar-feed",
        }
        kind = names.get(address.name, "share-link")
        yield RequestTarget("link", {"token": world.own[kind]})
        yield RequestTarget("altered link", {"token": world.own[kind][:-4] + "AAAA"})
        other = "invitation" if kind == "share-link" else "share-link"
        yield RequestTarget("link for something else", {"token": world.own[other]})
        return
    if "public_id" not in address.params:
        common = {
            name: world.own[name]
            for name in params
            if name.startswith("common_") or name in OF_INSTALLATION
        }
        # The key of a task, source or phase of the draft, such as in template-source-remove.
        part = re.search("template-(task|source|phase)", address.name)
        keys = {"key": world.own[f"{part[1]}_key"]} if part and "key" in params else {}
        yield RequestTarget("installation", {name: _staff_id() for name in params} | common | keys)
        return
    yield RequestTarget("own", {name: world.own[name] for name in address.params})
    yield RequestTarget("foreign", {name: world.foreign[name] for name in address.params})
    # A source has one key for all tenants.
    if {*params} - {"source_name"}:
        mixed = {name: world.foreign[name] for name in params}
        yield RequestTarget("mixed", {"public_id": world.own["public_id"], **mixed})


def _staff_id() -> str:
    return User.objects.get(email="others@matrix.test").public_id


# The answers about the row of another person, at an address that the role can open.
_NOT_OWNER = dict.fromkeys(("consultant", "manager", "manager of some"), "403")
_ROW_OF_ANOTHER = {
    ("onboarding:saved-view-remove", "POST"): _NOT_OWNER,
    ("tenants:notification-read", "POST"): {"newcomer": "404"},
    ("api:notification-read", "POST"): {"newcomer": "404"},
}


def _wanted(role: str, address: Route, place: str, method: str) -> str:
    rows = ROWS[address.name]
    if answer := _ROW_OF_ANOTHER.get((address.name, method), {}).get(role):
        return answer
    is_answered = method in rows
    # Another method has the permission of the first: a stranger must not learn the methods.
    permission = rows.get(method, next(iter(rows.values())))
    if permission == "anybody":
        return "in"
    if permission == "with the link":
        return _wanted_with_link(role, address, place) if is_answered else "405"
    if permission == "with a SCIM token":
        return "401"
    if role in ("visitor", "deactivated"):
        return "401" if address.is_api else "login"
    refused = _refused(role, permission, place)
    if refused:
        return refused
    if not is_answered:
        return "405"
    return "404" if place == "mixed" else "in"


def _wanted_with_link(role: str, address: Route, place: str) -> str:
    if place != "link" or (address.name == "tenants:setup-account" and role == "administrator"):
        return "404"
    is_person = role not in ("visitor", "deactivated")
    return "403" if address.name == "tenants:invitation" and is_person else "in"


def _refused(role: str, permission: str, place: str) -> str:
    """The refusal in the tables, or an empty string."""
    if place == "installation":
        staff = "manager" if role == "manager of some" else role
        if is_yes(IN_INSTALLATION[permission][staff if staff in STAFF else "client"]):
            return ""
        return "403" if staff in STAFF else "404"
    role_there = _role_at(role, place)
    if not role_there:
        return "404"
    return "" if is_yes(IN_TENANT[permission][role_there]) else "403"


def _role_at(role: str, place: str) -> str:
    """The role in the tenant of that place, or an empty string."""
    if role in STAFF:
        return role
    if role == "manager of some":
        return "" if place == "foreign" else "manager"
    if role == "outsider":
        return "owner" if place == "foreign" else ""
    return role if role in ("owner", "member", "viewer") and place != "foreign" else ""


def _request(world: World, address: Route, ids: dict[str, str], method: str) -> str:
    """The answer as a short name. The changes of the request are rolled back."""
    cache.clear()
    data = {"domain": world.own["domain"], "recipient": "outside", "days": "1"}
    if ids.get("public_id") == world.foreign["public_id"]:
        data["domain"] = world.foreign["domain"]
    with transaction.atomic():
        response = world.client.generic(
            method,
            reverse(address.name, kwargs=ids),
            "&".join(f"{key}={value}" for key, value in data.items()) if method == "POST" else "",
            content_type="application/x-www-form-urlencoded",
        )
        if response.status_code == 301:
            # A former address answers as its page does.
            response = world.client.get(response["Location"])
        if response.streaming:
            # The test client would close the database connection with the file.
            b"".join(response)
        transaction.set_rollback(True)
    return _answer_name(response)


def _answer_name(response: HttpResponseBase) -> str:
    if response.status_code == 302:
        return "login" if response["Location"].startswith("/accounts/login/") else "in"
    return "in" if response.status_code in _ANSWERED else str(response.status_code)


# The view answered. The test sends a form, so that the API rejects the body of most writes.
_ANSWERED = {200, 201, 202, 204, 409, 415, 422, 428}
_WITHOUT_SIGNING_IN = {
    "anybody": "in",
    "signed in": "login",
    # The later pages of a sign-in redirect to its first page.
    "code asked for": "login",
    "password given": "login",
    "passkey asked for": "login",
    "anybody, where a provider is set up": "404",
}


@pytest.mark.parametrize("name", SIGN_IN)
def test_sign_in_pages_match_their_rows(client: Client, db: None, name: str) -> None:
    values = {"key": "x", "uidb36": "1", "pk": 1, "provider_id": "single-sign-on", "token_id": "x"}
    (address,) = [address for address in routes() if address.name == name]
    params = {param: values[param] for param in address.pattern.pattern.regex.groupindex}

    answer = _answer_name(client.get(reverse(name, kwargs=params)))

    assert answer == _WITHOUT_SIGNING_IN[SIGN_IN[name]]
