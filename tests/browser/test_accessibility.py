"""Every page of every role, in both colour schemes and three widths, with the rules of axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, User
from tests.access_matrix import routes
from tests.action_world import ActionWorld, create_world
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.factories import MakeTenant

pytestmark = [pytest.mark.nightly]

WIDTHS = (390, 768, 1440)
ROLES = ("signed-out", "administrator", "consultant", "manager", "owner", "viewer")
# Pages of other packages, for operators and programs.
_FOREIGN = ("/admin/", "/api/", "/scim/")


@pytest.fixture
def world(make_tenant: MakeTenant, tmp_path: Path, settings: Any) -> ActionWorld:
    settings.FILES_DIR = tmp_path / "files"
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    return create_world(make_tenant)


def _person(world: ActionWorld, role: str) -> User | None:
    if role in ("administrator", "owner"):
        return world.people["staff" if role == "administrator" else "client"]
    if role == "signed-out":
        return None
    staff_role = role if role in ("consultant", "manager") else ""
    person = User.objects.create_user(
        f"{role}@matrix.test", "pw", name=f"Some {role}", staff_role=staff_role
    )
    if role == "viewer":
        Membership.objects.create(tenant=world.tenant, user=person, role="viewer")
    return person


def _pages(world: ActionWorld, person: User | None) -> Iterator[str]:
    """The addresses that show the person a page."""
    client = Client()
    if person is not None:
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    seen = set()
    for route in routes():
        ids = {**world.ids, **world.ids_by_name.get(route.name, {})}
        is_named = ":" in route.name or "_" in route.name
        if not (is_named and set(route.params) <= set(ids)):
            continue
        address = reverse(route.name, kwargs={name: ids[name] for name in route.params})
        if address.startswith(_FOREIGN) or address in seen:
            continue
        seen.add(address)
        response = client.get(address)
        if response.streaming or response.status_code != 200:
            continue
        if "<html" in response.content.decode(errors="replace"):
            yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("role", ROLES)
def test_no_page_has_a_fault(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    world: ActionWorld,
    role: str,
    scheme: str,
) -> None:
    person = _person(world, role)
    addresses = list(_pages(world, person))
    faults: dict[str, list[str]] = {}
    page = open_page(person, addresses[0], scheme=scheme)
    for address in addresses:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(address)
            found = violations(page, every_impact=True) + list(console_errors)
            if page.evaluate("() => document.documentElement.scrollWidth - innerWidth") > 0:
                found.append("scrolls sideways")
            if found:
                faults[f"{address} {width}"] = found
            console_errors.clear()

    assert faults == {}
    assert len(addresses) > (5 if role == "signed-out" else 15)
