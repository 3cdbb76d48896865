"""The first run in Chromium: from the printed link to the checklist, also without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tenants.installation_setup import administrators
from tenants.models import MailTest, User
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

    page.get_by_role("button", name="Send test message").click()

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
    page.get_by_role("button", name="Send test message").click()
    page.get_by_role("link", name="Review values").click()
    page.get_by_role("button", name="Mark as reviewed").click()

    expect(page.locator("#regions")).to_contain_text("reviewed by Ad Ministrator")
    context.close()
