"""A whole implementation in Chromium, from the empty form to the verified closing pack.

The consultant creates the tenant and invites the client, who accepts. Both then do every task on
their pages. The walk itself is in tests/scenarios/walk.py, with real servers and a frozen clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from onboarding.lifecycle.closing_pack.verify import faults_in, read_archive
from onboarding.models import ClosingPack
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.browser.walk import BrowserPages, accept, create_tenant, invite
from tests.checks.engine.mail.signed_messages import SELECTOR
from tests.clock import Clock
from tests.scenarios.mail_hosts import MailHosts
from tests.scenarios.name_servers import FOUR, NameServers
from tests.scenarios.scenario import NORTHWIND, Scenario
from tests.scenarios.walk import PROFILES, Walk
from tests.scenarios.walk_invariants import faults_of as faults_on_pages

AXE_ROUNDS = 5


@pytest.fixture
def make_walk(
    clock: Clock,
    dns: NameServers,
    mail_hosts: MailHosts,
    consultant: User,
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    live_server: Any,
    settings: Any,
    tmp_path: Path,
    django_capture_on_commit_callbacks: Any,
) -> Any:
    settings.FILES_DIR = tmp_path / "files"
    settings.SITE_URL = live_server.url

    # The test before may have emptied the database.
    register_builtin_templates()

    def make(platform: str, *, is_whole: bool) -> Walk:
        profile = PROFILES[platform]
        dns.delegate(NORTHWIND, *FOUR)
        page = open_page(consultant, reverse("onboarding:tenant-create"))
        tenant = create_tenant(page, platform, profile, port=mail_hosts.port, selector=SELECTOR)
        link = invite(page, tenant, "owner@northwind.test")
        entrance = open_page(None, "about:blank")
        owner = accept(entrance, link)
        for each in (page, entrance):
            each.close()
        # Gangway derives the lab's delivery host for a sample tenant.
        Tenant.objects.update(is_sample=profile.is_hosted)
        tenant.refresh_from_db()
        scenario = Scenario(
            tenant, consultant, clock, dns, django_capture_on_commit_callbacks, owner=owner
        )
        pages = BrowserPages(
            scenario, open_page, console_errors, live_server.url, is_whole=is_whole
        )
        return Walk(scenario, mail_hosts, pages)

    return make


@pytest.mark.nightly
@pytest.mark.parametrize("platform", PROFILES)
def test_every_form_in_chromium(make_walk: Any, platform: str) -> None:
    walk = make_walk(platform, is_whole=True)
    faults: list[str] = []
    walk.inspect = lambda: faults.extend([*faults_on_pages(walk), *axe_faults(walk)])

    expect_end(walk)

    assert faults == []


def test_each_kind_of_form_in_chromium(make_walk: Any) -> None:
    expect_end(make_walk("microsoft_365", is_whole=False))


def expect_end(walk: Walk) -> None:
    """Walk to the end: the lockdown is verified, and the closing pack is whole."""
    walk.publish_records()
    walk.plan_cutovers()
    walk.confirm_delivery_host()

    walk.run()
    accepted = walk.close()

    assert accepted == ["mx-ttl"]
    assert set(walk.before_lockdown.values()) == {"fail"}
    assert set(walk.lockdown().values()) == {"pass"}
    assert Tenant.objects.get().completed_at is not None
    files = read_archive(downloaded_closing_pack(walk))
    assert faults_in(files, ClosingPack.objects.get().seal) == []


def axe_faults(walk: Walk) -> list[str]:
    """The faults that axe finds on the main pages of both sides, in some rounds."""
    if walk.rounds % AXE_ROUNDS:
        return []
    pages = browser_pages(walk)
    found = []
    for side, person in walk.people.items():
        for name in ("plan-show", "my-tasks", "closing", "domains"):
            page = pages.open(person, walk.address(name))
            found += [f"{side}, {name}: {fault}" for fault in violations(page)]
        page.goto("about:blank")
    return found


def browser_pages(walk: Walk) -> BrowserPages:
    assert isinstance(walk.pages, BrowserPages)
    return walk.pages


def downloaded_closing_pack(walk: Walk) -> Path:
    """The closing pack that the client downloads."""
    page = browser_pages(walk).open(walk.scenario.owner, walk.address("my-tasks"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download closing pack").first.click()
    return download.value.path()
