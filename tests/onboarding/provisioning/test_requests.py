"""Requests of the directory: tokens, filters, pages, and bad input."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.provisioning import endpoint
from tenants import provisioning_tokens
from tenants.errors import TenantError
from tenants.models import ActivityLine, ScimToken, User
from tests.api.clients import ApiClient
from tests.factories import SignIn
from tests.onboarding.provisioning.conftest import Scim
from tests.tenants.sign_in import GOOD_PASSWORD, sign_in

PERSON = b'{"userName": "a@gangway.test", %s}'


def names_in(answer: Any) -> list[str]:
    return [each["userName"] for each in answer.json()["Resources"]]


# --- Tokens


@pytest.mark.parametrize("token", ["", "gangway_scim_x", "é", "x" * 5000])
def test_unknown_token_is_refused(client: Client, db: None, token: str) -> None:
    answer = ApiClient(token).get("/scim/v2/Users")

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json() == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "401",
        "detail": "Send a token of SCIM provisioning in Authorization: Bearer.",
    }


def test_revocation_ends_the_next_request(scim: Scim, administrator: User) -> None:
    provisioning_tokens.revoke(ScimToken.objects.get(), by=administrator)

    assert scim("GET", "Users").status_code == 401


def test_two_tokens_overlap_in_a_rotation(scim: Scim, administrator: User) -> None:
    _, second = provisioning_tokens.issue(by=administrator)

    with pytest.raises(TenantError):
        provisioning_tokens.issue(by=administrator)
    assert scim("GET", "Users").status_code == 200
    assert ApiClient(second).get("/scim/v2/Users").status_code == 200


def test_token_is_stored_as_a_hash(administrator: User) -> None:
    token, text = provisioning_tokens.issue(by=administrator)

    assert text not in " ".join(str(value) for value in token.__dict__.values())


def test_page_shows_a_token_once(client: Client, db: None) -> None:
    User.objects.create_user(
        "root@gangway.test", GOOD_PASSWORD, name="Root", staff_role="administrator"
    )
    sign_in(client, "root@gangway.test")

    page = client.post(reverse("tenants:scim-token-create")).content.decode()
    later = client.get(reverse("tenants:provisioning")).content.decode()

    assert page.count(provisioning_tokens.PREFIX) == 1
    assert provisioning_tokens.PREFIX not in later
    assert "/scim/v2" in later
    line = ActivityLine.objects.get(action="scim-token-created")
    assert str(line.actor) == "Root"


def test_creation_asks_for_the_password_again(administrator: User, signed_in: SignIn) -> None:
    answer = signed_in(administrator).post(reverse("tenants:scim-token-create"))

    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not ScimToken.objects.exists()


def test_page_revokes_a_token(administrator: User, signed_in: SignIn, scim: Scim) -> None:
    token = ScimToken.objects.get()

    signed_in(administrator).post(reverse("tenants:scim-token-revoke", args=[token.public_id]))

    assert scim("GET", "Users").status_code == 401


def test_session_gives_no_access(administrator: User, signed_in: SignIn) -> None:
    assert signed_in(administrator).get("/scim/v2/Users").status_code == 401


def test_token_opens_no_other_api(administrator: User) -> None:
    _, text = provisioning_tokens.issue(by=administrator)

    assert ApiClient(text).get("me/").status_code == 401


# --- Lists


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('userName eq "CONSULTANT@gangway.test"', ["consultant@gangway.test"]),
        ('externalId eq "42"', ["new@gangway.test"]),
        ('externalId eq "43"', []),
        ('userName sw "con" and active eq true', ["consultant@gangway.test"]),
        ('emails[value co "consultant"]', ["consultant@gangway.test"]),
        ("not (externalId pr)", ["administrator@gangway.test", "consultant@gangway.test"]),
    ],
)
def test_filters(scim: Scim, consultant: User, expression: str, found: list[str]) -> None:
    scim("POST", "Users", {"userName": "new@gangway.test", "externalId": "42"})

    assert sorted(names_in(scim("GET", f"Users?filter={expression}"))) == found


@pytest.mark.parametrize("path", ["Users?filter=externalId", "Groups?filter=displayName"])
@pytest.mark.parametrize("value", ["\\u0000", "\\ud800"])
def test_value_that_no_row_contains_finds_nothing(
    scim: Scim, roles: dict[str, str], path: str, value: str
) -> None:
    answer = scim("GET", f'{path} eq "{value}"')

    assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)


@pytest.mark.parametrize(
    ("query", "found", "items"),
    [
        ("", 3, 3),
        ("?count=2", 3, 2),
        ("?startIndex=3&count=2", 3, 1),
        ("?startIndex=0&count=1", 3, 1),
        ("?count=0", 3, 0),
        ("?count=-4", 3, 0),
        ("?startIndex=99", 3, 0),
    ],
)
def test_pages(
    scim: Scim, consultant: User, manager: User, query: str, found: int, items: int
) -> None:
    page = scim("GET", f"Users{query}").json()

    assert (page["totalResults"], page["itemsPerPage"], len(page["Resources"])) == (
        found,
        items,
        items,
    )


def test_list_has_few_queries(scim: Scim, consultant: User, django_assert_num_queries: Any) -> None:
    for number in range(5):
        scim("POST", "Users", {"userName": f"p{number}@gangway.test"})

    with django_assert_num_queries(2):
        assert len(names_in(scim("GET", "Users"))) == 7


# --- Bad input


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "invalidSyntax"),
        (b"[]", "invalidSyntax"),
        (b"\xff\xfe", "invalidSyntax"),
        (b"[" * 100_000, "invalidSyntax"),
        (b"{}", "invalidValue"),
        (b'{"userName": 5}', "invalidValue"),
        (b'{"userName": "no address"}', "invalidValue"),
        (PERSON % b'"active": "perhaps"', "invalidValue"),
        (PERSON % b'"displayName": "\\u0000"', "invalidValue"),
        (PERSON % b'"displayName": "\\ud800"', "invalidValue"),
        (PERSON % (b'"displayName": "%s"' % (b"x" * 300)), "invalidValue"),
        (PERSON % b'"emails": [{"value": "a@b.test\\r\\nBcc: c@d.test"}]', "invalidValue"),
        (PERSON % b'"emails": "a@b.test"', "invalidValue"),
        # Its lower case has twice as many characters.
        (PERSON % ('"userName": "%s"' % ("İ" * 200)).encode(), "invalidValue"),
    ],
)
def test_bad_body_is_refused(scim: Scim, body: bytes, kind: str) -> None:
    before = User.objects.count()

    answer = scim("POST", "Users", body)

    assert (answer.status_code, answer.json()["scimType"]) == (400, kind)
    assert User.objects.count() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_type_is_refused(scim: Scim, kind: str) -> None:
    answer = scim("POST", "Users", {"userName": "a@gangway.test"}, content_type=kind)

    assert answer.status_code == 415


def test_big_body_is_refused(scim: Scim) -> None:
    body = b'{"userName": "a@gangway.test", "title": "%s"}' % (b"x" * 10_000_000)

    answer = scim("POST", "Users", body)

    assert (answer.status_code, answer["Content-Type"]) == (413, "application/scim+json")


@pytest.mark.parametrize("size", [endpoint.MOST_BYTES + 1, 10_000_000])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "Users"), ("PATCH", "Users/{id}"), ("PUT", "Users/{id}")]
)
def test_body_over_the_limit_is_refused(
    scim: Scim, consultant: User, method: str, path: str, size: int
) -> None:
    body = b'{"userName": "%s"}' % (b"x" * size)

    answer = scim(method, path.replace("{id}", consultant.public_id), body)

    assert (answer.status_code, answer.json()["status"]) == (413, "413")


# --- Input that costs much time


LONG = "a" * 200_000
COSTLY: dict[str, Any] = {
    "path": {"Operations": [{"op": "replace", "path": LONG, "value": 1}]},
    "path in capitals": {"OPERATIONS": [{"op": "replace", "PATH": LONG, "value": 1}]},
    "parts": {"Operations": [{"op": "replace", "path": "a." * 100_000, "value": 1}]},
    "filter": {"Operations": [{"op": "remove", "path": f"emails[{'(' * 100_000}"}]},
    "values": {
        "Operations": [{"op": "remove", "path": f"emails[{'value eq 1 or ' * 10_000}value eq 1]"}]
    },
    "name": {"Operations": [{"op": "add", "value": {LONG: "x"}}]},
    "name in a list": {"Operations": [{"op": "add", "path": "emails", "value": [{LONG: 1}]}]},
    "top": {LONG: 1},
    "operations": {"Operations": [{"op": "replace", "path": "displayName", "value": "x"}] * 5000},
}


@pytest.mark.parametrize("name", COSTLY)
@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_costly_request_is_refused_unread(
    scim: Scim, roles: dict[str, str], consultant: User, name: str, kind: str
) -> None:
    group = scim("POST", "Groups", {"displayName": "team"}).json()["id"]
    place = {"Users": consultant.public_id, "Groups": group}[kind]
    began = time.process_time()

    answer = scim("PATCH", f"{kind}/{place}", COSTLY[name])

    assert answer.status_code in (400, 413)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace"},
        {"op": "explode", "path": "active", "value": True},
        {"op": "replace", "path": "active[", "value": True},
        {"op": "remove", "path": "userName"},
        {"op": "remove", "path": "active"},
        {"op": "replace", "path": "id", "value": "other"},
        {"op": "replace", "path": "emails", "value": [{"value": "none"}]},
    ],
)
def test_bad_patch_changes_nothing(scim: Scim, consultant: User, operation: dict[str, Any]) -> None:
    before = User.objects.filter(pk=consultant.pk).values().get()

    first = {"op": "replace", "path": "displayName", "value": "Changed"}
    answer = scim("PATCH", f"Users/{consultant.public_id}", {"Operations": [first, operation]})

    assert answer.status_code == 400, answer.content
    assert User.objects.filter(pk=consultant.pk).values().get() == before


@pytest.mark.parametrize(
    "query",
    [
        "filter=userName eq",
        'filter=shoeSize eq "x"',
        "filter=" + "(" * 400,
        f'filter=userName eq "{"x" * 1000}"',
        "count=many",
        "startIndex=1.5",
        "attributes=userName&excludedAttributes=active",
    ],
)
def test_bad_query_is_refused(scim: Scim, consultant: User, query: str) -> None:
    answer = scim("GET", f"Users?{query}")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/scim+json")


def test_nul_in_the_address_is_refused(scim: Scim) -> None:
    answer = scim("GET", "Users/%00")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/scim+json")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Nothing", 404),
        ("POST", ".search", 501),
        ("POST", "Bulk", 501),
        ("DELETE", "Users", 405),
        ("POST", "Schemas", 405),
    ],
)
def test_other_addresses(scim: Scim, method: str, path: str, status: int) -> None:
    answer = scim(method, path, {})

    assert (answer.status_code, answer.json()["status"]) == (status, str(status))
