"""Every page of a closed tenant: no statement that no longer applies, no button that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.lifecycle import offboarding
from onboarding.models import Comment
from tenants.models import Membership, Tenant, User
from tenants.permissions import Permission, may, role_in
from tests.access_matrix import create_one_of_each, routes
from tests.closings import accept_all_risks, decide_all, sign_off_both
from tests.factories import MakeTenant, RunCheck
from tests.markup import texts

ENDINGS = ("completed", "closed before completion")
ROLES = ("consultant", "manager", "owner", "member", "viewer")
# They see a part of the pages of the consultant or the member, with the same statements.
NIGHTLY = ("manager", "owner")
PAGES = [
    route
    for route in routes()
    if route.permission is not None
    and "public_id" in route.params
    and not route.name.startswith("onboarding:moved-")
]
# Statements about work that a closed tenant no longer has.
OUTDATED = re.compile(
    r"waiting on|send reminder|reminded|forecast|coming up|starts when|verifying|next task"
    r"|checks automatically|check (?:everything )?now|mark as done|, late\b|days? late|at risk"
    r"|overdue|plan cutovers|confirm your part|your implementation consultant|no tasks for you"
    r"|come first|earliest safe|time left|elapsed|question for|not confirmed yet"
    r"|in this window|no decision yet|no approver yet|starts at go-live|being checked"
    r"|in progress|check a test message|until the implementation is closed|no contact yet"
    r"|both sides sign off each|enter the rows|not signed off",
    re.IGNORECASE,
)
# The checks of a completed implementation still run, those of another closed tenant do not.
STOPPED = re.compile(
    r"next check|first check is running|no check yet|records? to publish", re.IGNORECASE
)


class _Page(HTMLParser):
    """The text, the links and the forms of a page, without scripts and templates."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.forms: set[str] = set()
        self.texts: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "template", "dialog", "title"):
            self._hidden += 1
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        if tag == "form" and values.get("method", "get").lower() == "post":
            self.forms.add(values.get("action", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "template", "dialog", "title"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


class World:
    """A closed tenant with one object of each kind, and a person with a role."""

    def __init__(self, tenant: Tenant, ids: dict[str, str], person: User) -> None:
        self.tenant = Tenant.objects.get(pk=tenant.pk)
        self.ids = ids
        self.role = role_in(person, tenant)
        self.client = Client(raise_request_exception=True)
        self.client.force_login(
            person, backend="allauth.account.auth_backends.AuthenticationBackend"
        )

    def may(self, permission: str) -> bool:
        return may(self.role, Permission(permission), is_closed=True)

    def pages(self) -> Iterator[tuple[str, _Page]]:
        """Every page that the person may read: its address and its content."""
        for route in PAGES:
            assert route.permission is not None
            if not self.may(route.permission):
                continue
            address = reverse(route.name, kwargs={name: self.ids[name] for name in route.params})
            phases = self.tenant.plan.phases.all()
            addresses = {
                "onboarding:plan-show": [f"{address}?phase={phase.key}" for phase in phases],
                "onboarding:domains": [address, *self._evidence(address)],
            }
            for each in addresses.get(route.name, [address]):
                cache.clear()
                response: Any = self.client.get(each)
                is_html = response.headers.get("Content-Type", "").startswith("text/html")
                if response.status_code == 200 and is_html and not response.streaming:
                    yield each, _Page(response.content.decode())
                elif response.streaming:
                    b"".join(response)

    def _evidence(self, address: str) -> list[str]:
        with_results = Check.objects.filter(tenant=self.tenant, latest__isnull=False)
        assert with_results.count() == 3
        return [f"{address}?check={check.public_id}" for check in with_results]


@pytest.fixture(params=ENDINGS)
def closed(
    request: pytest.FixtureRequest,
    make_tenant: MakeTenant,
    run_check: RunCheck,
    consultant: User,
    tmp_path: Path,
    settings: Any,
) -> tuple[Tenant, dict[str, str]]:
    settings.FILES_DIR = tmp_path / "files"
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    tenant = make_tenant("Northwind", domains=(("northwind.test", "primary"),))
    run_check(tenant, CheckKind.MX, Verdict.FAIL)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.SPF, Verdict.UNKNOWN)
    ids = create_one_of_each(tenant, consultant)
    Comment.objects.filter(plan=tenant.plan).update(asked_side="client")
    owner = User.objects.create_user("owner@northwind.test", "pw", name="Owner Person")
    Membership.objects.create(tenant=tenant, user=owner, role="owner")
    if request.param == "completed":
        decide_all(tenant)
        accept_all_risks(tenant, consultant)
        sign_off_both(tenant, owner, consultant)
    else:
        offboarding.close_tenant(tenant, by=consultant, reason="They left.")
    return tenant, ids


@pytest.fixture(
    params=[pytest.param(r, marks=[pytest.mark.nightly] if r in NIGHTLY else []) for r in ROLES]
)
def world(
    request: pytest.FixtureRequest, closed: tuple[Tenant, dict[str, str]], consultant: User
) -> World:
    tenant, ids = closed
    role = request.param
    if role == "consultant":
        return World(tenant, ids, consultant)
    if role == "owner":
        return World(tenant, ids, User.objects.get(email="owner@northwind.test"))
    staff = "manager" if role == "manager" else ""
    person = User.objects.create_user(f"{role}@x.test", "pw", name=role, staff_role=staff)
    if not staff:
        Membership.objects.create(tenant=tenant, user=person, role=role)
    return World(tenant, ids, person)


def permission_of(address: str) -> str | None:
    """The permission of an address of a tenant; None for any other address."""
    path = urlsplit(address).path
    try:
        found = resolve(path)
    except Resolver404:
        return None
    permission = getattr(found.func, "permission", None)
    return str(permission.value) if permission is not None and "public_id" in found.kwargs else None


def faults_on(address: str, page: _Page, world: World) -> Iterator[str]:
    """The refused forms and links, and the statements that no longer apply."""
    short = re.sub(r"/t/[^/]+/", "/", address)
    for kind, targets in (("form", page.forms), ("link", page.links)):
        for target in targets:
            needed = permission_of(target) if target.startswith("/") else None
            if needed is not None and not world.may(needed):
                yield f"{short}: the {kind} {target} is refused"
    patterns = [OUTDATED] if world.tenant.completed_at else [OUTDATED, STOPPED]
    for found in (each for pattern in patterns for each in pattern.finditer(page.text)):
        yield f"{short}: …{page.text[max(0, found.start() - 40) : found.end() + 40]}…"


CONTACT = {
    True: "Raise cases with Mimecast customer support.",
    False: "E-mail questions to Con Sultant, consultant@gangway.test.",
}
_MAIN = ("/my-tasks/", "/domains/", "/cutovers/", "/monitoring/", "/schedule/", "?phase=")


@pytest.mark.slow
def test_pages_of_a_closed_tenant(world: World) -> None:
    """One test, because the tenant and its pages need a second."""
    is_completed = world.tenant.completed_at is not None
    pages = dict(world.pages())
    faults = [fault for address, page in pages.items() for fault in faults_on(address, page, world)]
    assert sorted(set(faults)) == []
    assert len(pages) > 20

    main = {a: page for a, page in pages.items() if any(part in a for part in _MAIN)}
    assert len(main) > 15
    wanted = CONTACT[is_completed]
    assert [address for address, page in main.items() if page.text.count(wanted) != 1] == []

    closing_pack_ids = [world.tenant.public_id, world.ids["closing_pack_id"]]
    pack = reverse("onboarding:closing-pack-show", args=closing_pack_ids)
    offers_closing_pack = is_completed and world.may(Permission.DOWNLOAD_CLOSING_PACK)
    # The window of the cutover is nine days ahead.
    assert [a for a, page in main.items() if "Inbound cutover" in page.text.split("Plan")[0]] == []
    assert [a for a, page in main.items() if (pack in page.links) != offers_closing_pack] == []


@pytest.mark.slow
def test_lists_show_a_closed_tenant_without_a_cutover(
    closed: tuple[Tenant, dict[str, str]], consultant: User
) -> None:
    world = World(*closed, consultant)
    for name in ("tenant-list", "dashboard"):
        html = world.client.get(reverse(f"onboarding:{name}") + "?show=closed").content.decode()
        (row,) = [row for row in texts(html, "tr") if "Northwind" in row]
        assert "Inbound" not in row
        assert "Not planned" not in row
        assert not OUTDATED.search(row)
