"""SCIM provisioning against the real server, over HTTP, by a conformance client."""

from __future__ import annotations

import functools
from typing import Any

import httpx
import pytest
from django.db import connection
from scim2_client.client import BaseSyncSCIMClient
from scim2_tester import Status, check_server

from tenants import provisioning_tokens
from tenants.models import User
from tests.api.clients import ApiClient
from tests.interop.concurrency import run_concurrently

pytestmark = [pytest.mark.interop, pytest.mark.django_db(transaction=True)]


class HttpxClient(BaseSyncSCIMClient):
    """The client of scim2-client with httpx, which the other tests use, in place of httpx2."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.client = client

    def _stays_under_base_url(self, endpoint: str) -> bool:
        url = self.client.build_request("GET", endpoint).url
        return str(url).startswith(str(self.client.base_url))

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        return self.client.request(method, url, **kwargs)


@pytest.mark.parametrize("resource", ["User", pytest.param("Group", marks=pytest.mark.nightly)])
def test_conformance_client_finds_no_error(live_server: Any, settings: Any, resource: str) -> None:
    settings.OIDC_GROUP_ROLES = {"gangway-consultants": "consultant"}
    administrator = User.objects.create_user(
        "root@gangway.test", "pw", name="Root", staff_role="administrator"
    )
    _, text = provisioning_tokens.issue(by=administrator)
    with httpx.Client(
        base_url=f"{live_server.url}/scim/v2/", headers={"Authorization": f"Bearer {text}"}
    ) as client:
        results = check_server(HttpxClient(client), resource_types=[resource])

    wrong = [each for each in results if each.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert [f"{each.title}: {each.reason}" for each in wrong] == []
    # Only the search over several resource types, which is optional, is skipped.
    skipped = [each.title for each in results if each.status == Status.SKIPPED]
    assert skipped == ["search_with_attributes"]


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
)
def test_two_creations_make_one_account(administrator: User) -> None:
    _, text = provisioning_tokens.issue(by=administrator)

    def create() -> int:
        body = {"userName": "ann@gangway.test"}
        return int(ApiClient(text).post("/scim/v2/Users", body).status_code)

    assert sorted(run_concurrently([create] * 4)) == [201, 409, 409, 409]
    assert User.objects.filter(email="ann@gangway.test").count() == 1


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
)
def test_administrators_do_not_all_leave_at_once(administrator: User) -> None:
    _, text = provisioning_tokens.issue(by=administrator)
    ids = [administrator.public_id] + [
        User.objects.create_user(
            f"a{n}@gangway.test", None, name=f"A{n}", staff_role="administrator"
        ).public_id
        for n in range(3)
    ]

    def remove(person_id: str) -> int:
        path = f"/scim/v2/Users/{person_id}"
        return int(ApiClient(text).send("DELETE", path).status_code)

    answers = run_concurrently([functools.partial(remove, each) for each in ids])

    assert sorted(answers) == [204, 204, 204, 409]
    rows = User.objects.filter(staff_role="administrator", is_active=True)
    assert rows.count() == 1
