"""The first run in Chromium: setup and the first tenant, also without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from checks import dns_discovery
from checks.engine.discovery import DiscoveryResult
from onboarding.lifecycle import domain_scans
from onboarding.models import DomainScan
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.installation_setup import administrators
from tenants.models import MailTest, Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations


def test_link_leads_to_the_checklist(
    open_page: OpenPage, console_errors: ConsoleErrors, transactional_db: None
) -> None:
    page = open_page(None, administrators.setup_link(""))

    page.get_by_label("Your name").fill("Ada Admin")
    page.get_by_label("E-mail address").fill("ada@gangway.test")
    page.get_by_label("Password").fill("four unrelated odd words")
    page.get_by_role("button", name="Create administrator").click()

    expect(page.get_by_role("heading", name="Set up Gangway")).to_be_visible()
    expect(page.locator("[aria-current=step] h3")).to_have_text("Second factor")
    assert User.objects.get().staff_role == "administrator"
    assert console_errors == []


def test_test_message_shows_its_result(open_page: OpenPage, administrator: User) -> None:
    page = open_page(administrator, reverse("onboarding:setup"))

    page.get_by_role("button", name="Send test e-mail").click()

    expect(page.locator("#mail")).to_contain_text("The mail server accepted the message")
    assert MailTest.objects.get().accepted_at is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_pages_are_accessible(
    open_page: OpenPage, administrator: User, width: int, scheme: str
) -> None:
    for address in ("setup", "setup-regions", "desk", "dashboard"):
        page = open_page(
            administrator, reverse(f"onboarding:{address}"), width=width, scheme=scheme
        )

        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_checklist_without_scripts(
    browser: Any, live_server: Any, open_page: OpenPage, administrator: User
) -> None:
    signed_in = open_page(administrator, reverse("onboarding:setup"))
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies(signed_in.context.cookies())
    page = context.new_page()

    page.goto(reverse("onboarding:setup"))
    page.get_by_role("button", name="Send test e-mail").click()
    page.get_by_role("link", name="Review values").click()
    page.get_by_role("button", name="Mark as reviewed").click()

    expect(page.locator("#regions")).to_contain_text("reviewed by Ad Ministrator")
    context.close()


WINGTIP = DiscoveryResult(
    "wingtip.test",
    platform="microsoft_365",
    mx=("wingtip-test.mail.protection.outlook.com",),
    mx_ttl=3600,
    dkim_selectors=("selector1",),
    mta_sts=True,
)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS of the worker: one domain answers, all others are silent."""

    def scan(names: Sequence[str]) -> dict[str, Any]:
        return {name: WINGTIP.as_data() if name == "wingtip.test" else None for name in names}

    monkeypatch.setattr(dns_discovery, "scan_names", scan)


def test_scan_fills_in_the_form(
    open_page: OpenPage, console_errors: ConsoleErrors, consultant: User, zone: None
) -> None:
    # The test before may have emptied the database.
    register_builtin_templates()
    page = open_page(consultant, reverse("onboarding:tenant-new"))

    page.get_by_label("Domains, one per line").fill("https://wingtip.test/\nsilent.test")
    page.get_by_role("button", name="Scan DNS").click()

    expect(page.get_by_label("Platform")).to_have_value("microsoft_365")
    expect(page.locator(".suggested-value").first).to_contain_text("From MX of wingtip.test.")
    page.get_by_label("Region", exact=True).select_option("us")
    page.get_by_label("Time zone").fill("Berlin")
    page.get_by_role("button", name="Create tenant and plan").click()
    expect(page.get_by_role("heading", name="Wingtip")).to_be_visible()
    tenant = Tenant.objects.get()
    assert (tenant.platform, tenant.region, tenant.time_zone) == (
        "microsoft_365",
        "us",
        "Europe/Berlin",
    )
    assert console_errors == []


def test_open_page_shows_the_end_of_the_scan(open_page: OpenPage, consultant: User) -> None:
    scan = domain_scans.create_scan(["wingtip.test"], by=consultant)
    page = open_page(consultant, f"{reverse('onboarding:tenant-create')}?scan={scan.public_id}")
    expect(page.get_by_role("heading", name="Scanning the DNS of 1 domain")).to_be_visible()

    DomainScan.objects.update(found={"wingtip.test": WINGTIP.as_data()}, scanned_at=timezone.now())

    expect(page.get_by_label("Platform")).to_have_value("microsoft_365")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_new_tenant_is_accessible(
    open_page: OpenPage, consultant: User, width: int, scheme: str
) -> None:
    scan = domain_scans.create_scan(["wingtip.test", "silent.test"], by=consultant)
    form = f"{reverse('onboarding:tenant-create')}?scan={scan.public_id}"
    for address in (reverse("onboarding:tenant-new"), form, f"{form}&wait=no"):
        page = open_page(consultant, address, width=width, scheme=scheme)

        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_new_tenant_without_scripts(
    browser: Any, live_server: Any, open_page: OpenPage, consultant: User, zone: None
) -> None:
    signed_in = open_page(consultant, reverse("onboarding:desk"))
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies(signed_in.context.cookies())
    page = context.new_page()

    page.goto(reverse("onboarding:tenant-new"))
    page.get_by_label("Domains, one per line").fill("two words.test")
    page.get_by_role("button", name="Scan DNS").click()
    expect(page.locator("#id_domains_error")).to_contain_text("Line 1: ")
    expect(page.get_by_label("Domains, one per line")).to_have_value("two words.test")
    page.get_by_label("Domains, one per line").fill("wingtip.test")
    page.get_by_role("button", name="Scan DNS").click()

    expect(page.get_by_label("Platform")).to_have_value("microsoft_365")
    context.close()
