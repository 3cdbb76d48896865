"""Equal API requests at the same time, on PostgreSQL: one change, and one answer for all."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from onboarding.models import Comment
from tenants.models import Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.factories import task_of
from tests.interop.concurrency import run_concurrently

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]

AT_ONCE = 6


@pytest.fixture
def path(tenant: Tenant) -> str:
    task = task_of(tenant, "initial-conversation")
    return f"tenants/{tenant.public_id}/tasks/{task.public_id}/"


def test_equal_keys_at_once_make_one_change(consultant: User, path: str) -> None:
    token = client_for(consultant).token

    def send() -> Any:
        client = ApiClient(token)
        return client.post(f"{path}comments/", {"body": "One."}, Idempotency_Key="k")

    responses = run_concurrently([send] * AT_ONCE)

    assert {each.status_code for each in responses} == {201}
    first, *others = [each.json() for each in responses]
    assert others == [first] * (AT_ONCE - 1)
    assert Comment.objects.count() == 1


def test_equal_etags_at_once_make_one_change(consultant: User, path: str) -> None:
    """The first request locks the tenant. The others then compare an outdated ETag."""
    client = client_for(consultant)
    etag = client.get(path)["ETag"]

    def send() -> int:
        each = ApiClient(client.token)
        body = {"reason": "Their DNS."}
        response = each.post(f"{path}transitions/block/", body, If_Match=etag)
        return int(response.status_code)

    assert sorted(run_concurrently([send] * AT_ONCE)) == [200, *[412] * (AT_ONCE - 1)]
