"""Bad input: each answer is a problem with a code, never a 5xx and never a partial change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from onboarding.models import Comment, Task
from tenants.models import Membership, Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.factories import SignIn, task_of

DEEP = b"[" * 100_000
NESTED = b'{"items": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5000 + b"}"


@pytest.fixture
def task(tenant: Tenant) -> Task:
    return task_of(tenant, "initial-conversation")


@pytest.fixture
def comments(tenant: Tenant, task: Task) -> str:
    return f"tenants/{tenant.public_id}/tasks/{task.public_id}/comments/"


def answer(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "malformed")),
        (b"", (422, "invalid")),
        (b"\xff\xfe", (400, "malformed")),
        (DEEP, (400, "malformed")),
        (NESTED, (400, "malformed")),
        (b'{"body": NaN}', (400, "malformed")),
        (b'{"body": "\\ud800"}', (400, "malformed")),
        (b'{"body": "\\u0000"}', (422, "invalid")),
        (b'{"body": 5e400}', (422, "invalid")),
        (b'["body"]', (422, "invalid")),
        (b"null", (422, "invalid")),
        (b'{"body": {"a": 1}}', (422, "invalid")),
        (b'{"body": ""}', (422, "invalid")),
        (b'{"body": "x", "kind": 7}', (422, "invalid")),
        (b"0" * 10_000_000, (413, "too-large")),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_bad_body_is_a_problem(
    api: ApiClient, comments: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert answer(api.post(comments, body)) == expected
    assert Comment.objects.count() == 0


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "x"]
)
def test_wrong_content_type_is_refused(api: ApiClient, comments: str, kind: str) -> None:
    response = api.send("POST", comments, b"body=x", Content_Type=kind)

    assert answer(response) == (415, "unsupported-media-type")


def test_unknown_fields_are_named(api: ApiClient, comments: str) -> None:
    response = api.post(comments, {"body": "x", "bdoy": "y", "author": "z"})

    assert response.json()["errors"] == {
        "bdoy": ["Unknown field."],
        "author": ["Unknown field."],
    }


def test_unknown_nested_fields_are_named(api: ApiClient) -> None:
    body = {
        "name": "x",
        "platform": "other",
        "directory_method": "ldap",
        "domains": [{"name": "a.test", "role": "primary", "rôle": 1}],
    }

    assert api.post("tenants/", body).json()["errors"] == {"domains.0.rôle": ["Unknown field."]}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("fields=id,colour", "fields"),
        ("expand=colour", "expand"),
        ("ordering=password", "ordering"),
        ("cursor=abc", "cursor"),
        ("cursor=cD1ub3QtYS1kYXRl", "cursor"),
        ("page_size=0", "page_size"),
        ("page_size=9999999999999", "page_size"),
        ("page_size=%C2%B2", "page_size"),
        ("status=lost", "status"),
        ("waiting_on=me", "waiting_on"),
        ("due_before=soon", "due_before"),
        ("changed_since=yesterday", "changed_since"),
        ("verdict=maybe", "verdict"),
    ],
)
def test_bad_query_names_the_parameter(api: ApiClient, db: None, query: str, field: str) -> None:
    response = api.get(f"tasks/?{query}")

    assert (answer(response), list(response.json()["errors"])) == ((422, "invalid"), [field])


def test_nul_in_the_address_is_a_problem(api: ApiClient) -> None:
    assert answer(api.get("tasks/?phase=%00"))[0] == 400


@pytest.mark.parametrize("key", ["x" * 256, "a\tb"])
def test_bad_idempotency_key_is_refused(api: ApiClient, comments: str, key: str) -> None:
    response = api.post(comments, {"body": "x"}, Idempotency_Key=key)

    assert (answer(response), Comment.objects.count()) == ((400, "malformed"), 0)


def test_session_write_needs_the_csrf_token(
    tenant: Tenant, consultant: User, signed_in: SignIn, comments: str
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(consultant, backend="allauth.account.auth_backends.AuthenticationBackend")

    response = browser.post(
        f"/api/v1/{comments}", json.dumps({"body": "x"}), content_type="application/json"
    )

    assert (answer(response)[0], Comment.objects.count()) == (403, 0)


def test_session_may_read(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    found = signed_in(consultant).get("/api/v1/me/").json()

    assert (found["name"], found["token"]) == (consultant.name, None)


def test_internal_notes_do_not_exist_for_clients(
    api: ApiClient, owner: User, comments: str, tenant: Tenant
) -> None:
    note = api.post(comments, {"body": "Slow client.", "kind": "internal"}).json()
    client = client_for(owner)

    paths = (comments, f"tenants/{tenant.public_id}/comments/")
    lists = [client.get(path).json()["results"] for path in paths]

    assert (lists, client.get(f"{comments}{note['id']}/").status_code) == ([[], []], 404)


def test_client_cannot_write_internal_notes(owner: User, comments: str) -> None:
    response = client_for(owner).post(comments, {"body": "x", "kind": "internal"})

    assert (answer(response), Comment.objects.count()) == ((422, "invalid"), 0)


def test_too_many_requests_have_retry_after(api: ApiClient, monkeypatch: Any) -> None:
    monkeypatch.setattr("tenants.rest.views.RATE", "1/m")
    first, second = api.get("me/"), api.get("me/")

    assert first["RateLimit-Policy"] == '"minute";q=1;w=60'
    assert answer(second) == (429, "rate-limited")
    assert 0 < int(second["Retry-After"]) <= 60


def test_rate_is_at_least_300_a_minute() -> None:
    amount, unit = __import__("tenants.rest.views", fromlist=["RATE"]).RATE.split("/")

    assert (int(amount) >= 300, unit) == (True, "m")


def test_fault_is_a_problem(api: ApiClient, monkeypatch: Any) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tenants.api.load_regions", fail)

    assert answer(api.get("regions/")) == (500, "internal-error")


def test_list_of_a_member_has_own_tenants_only(tenant: Tenant, owner: User, outsider: User) -> None:
    mine = {each["id"] for each in client_for(owner).get("tenants/").json()["results"]}
    tasks = {each["tenant"] for each in client_for(owner).get("tasks/").json()["results"]}

    assert (mine, tasks) == ({tenant.public_id}, {tenant.public_id})
    assert Membership.objects.count() == 2
