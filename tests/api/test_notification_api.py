"""The notifications of a person through the API: as on the page, and within the token's tenant."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tenants.models import Notification, Tenant, User
from tenants.notifications import notify
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant, SignIn

TASK = {"title": "SPF Record Update", "id": "x", "phase": "prepare", "key": "spf-record-update"}


@pytest.fixture
def rows(tenant: Tenant, consultant: User, owner: User) -> list[Notification]:
    """Two notifications of the consultant, the newest first."""
    for number in range(2):
        notify(
            tenant,
            Notification.Kind.MENTION,
            [consultant, owner],
            source=f"comment:{number}",
            tasks=[TASK],
        )
    return list(Notification.objects.filter(recipient=consultant).order_by("-pk"))


def _unread(api: ApiClient) -> list[str]:
    return [each["id"] for each in api.get("notifications/?unread=true").json()["results"]]


def test_list_has_own_rows_alone(api: ApiClient, rows: list[Notification], tenant: Tenant) -> None:
    found = api.get("notifications/").json()["results"]

    assert [each["id"] for each in found] == [each.public_id for each in rows]
    assert (
        found[0]["sentence"] == "A former user mentioned you in a comment on “SPF Record Update”."
    )
    plan = reverse("onboarding:plan-show", args=[tenant.public_id])
    assert found[0]["path"] == f"{plan}?phase=prepare#spf-record-update"


def test_one_becomes_read(api: ApiClient, rows: list[Notification]) -> None:
    response = api.post(f"notifications/{rows[0].public_id}/read/", {})

    assert response.json()["read_at"] is not None
    assert _unread(api) == [rows[1].public_id]


@pytest.mark.parametrize(("newest", "left"), [(0, 0), (1, 1), (None, 0)])
def test_all_up_to_newest_become_read(
    newest: int | None, left: int, api: ApiClient, rows: list[Notification]
) -> None:
    body = {} if newest is None else {"newest": rows[newest].public_id}

    response = api.post("notifications/read/", body)

    assert (response.json(), len(_unread(api))) == ({"read": 2 - left}, left)


def test_page_and_endpoint_mark_the_same_rows(
    api: ApiClient, rows: list[Notification], consultant: User, signed_in: SignIn
) -> None:
    of_page = reverse("tenants:notification-read", args=[rows[0].public_id])
    signed_in(consultant).post(of_page)
    by_page = set(Notification.objects.exclude(read_at=None).values_list("pk", flat=True))
    Notification.objects.update(read_at=None)

    api.post(f"notifications/{rows[0].public_id}/read/", {})

    by_api = set(Notification.objects.exclude(read_at=None).values_list("pk", flat=True))
    assert by_page == by_api == {rows[0].pk}


def test_foreign_row_is_unknown(rows: list[Notification], owner: User) -> None:
    response = client_for(owner).post(f"notifications/{rows[0].public_id}/read/", {})

    assert response.status_code == 404


def test_token_of_another_tenant_reads_nothing(
    rows: list[Notification], consultant: User, make_tenant: MakeTenant
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))

    found = client_for(consultant, tenant=other).get("notifications/").json()["results"]

    assert found == []
