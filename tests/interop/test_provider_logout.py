"""Back-Channel Logout by a real provider: its process sends signed tokens to Gangway by HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tenants.models import ActivityLine, Tenant, User
from tests.api.clients import client_for
from tests.interop.openid_provider import address_of
from tests.interop.sign_on import PROVIDER, Browser

pytestmark = [pytest.mark.interop, pytest.mark.django_db(transaction=True)]


def signed_in(gangway: str, name: str) -> Browser:
    browser = Browser()
    browser.through_provider(gangway, name)
    assert browser.is_in(gangway)
    return browser


def at_provider(provider: int, path: str) -> str:
    return f"http://{PROVIDER}:{provider}/{path}"


def ends_by_provider(person: User) -> int:
    lines = ActivityLine.objects.filter(action="signed-out", actor=person)
    return sum(line.params.get("origin") == "provider" for line in lines)


def test_sign_out_at_the_provider_ends_its_session_only(gangway: str, provider: int) -> None:
    first, second = signed_in(gangway, "in-order"), signed_in(gangway, "in-order")
    other = signed_in(gangway, "address-in-userinfo")

    answer = first.get(at_provider(provider, "sign-out/"))

    assert answer.status_code == 200
    assert [each.is_in(gangway) for each in (first, second, other)] == [False, True, True]
    assert ends_by_provider(User.objects.get(email=address_of("in-order"))) == 1


@pytest.mark.parametrize("name", ["grouped", "groups-in-userinfo"])
def test_removed_group_ends_the_role_at_the_sign_out(
    groups: str,
    provider: int,
    tenant: Tenant,
    change_groups: Callable[[str, list[str]], None],
    name: str,
) -> None:
    """The role ends at once, without waiting for the next refresh."""
    browser = signed_in(groups, name)
    person = User.objects.get(email=address_of(name))
    api = client_for(person)
    assert api.get(f"tenants/{tenant.public_id}/").status_code == 200
    change_groups(name, ["everyone"])

    assert browser.get(at_provider(provider, "sign-out/")).status_code == 200

    person.refresh_from_db()
    assert (person.staff_role, browser.is_in(groups)) == ("", False)
    assert api.get(f"tenants/{tenant.public_id}/").status_code == 404


def test_leaver_loses_sessions_role_and_tokens(groups: str, provider: int, tenant: Tenant) -> None:
    browsers = [signed_in(groups, "grouped"), signed_in(groups, "grouped")]
    person = User.objects.get(email=address_of("grouped"))
    api = client_for(person)

    assert requests.post(at_provider(provider, "deactivate/grouped/")).status_code == 200

    person.refresh_from_db()
    assert (person.staff_role, [each.is_in(groups) for each in browsers]) == ("", [False, False])
    assert api.get(f"tenants/{tenant.public_id}/").status_code == 404
