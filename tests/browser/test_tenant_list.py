"""The list of tenants in Chromium: filters, keyboard, selection, no JavaScript, and axe."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from onboarding.models import SavedView
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, sign_in_to, violations
from tests.cutovers import cutover_of
from tests.factories import MakeTenant

LIST = "/tenants/?show=all"


@pytest.fixture
def listed(make_tenant: MakeTenant, consultant: User) -> list[Tenant]:
    """Three tenants; the first is at risk."""
    made = [
        make_tenant(name, domains=((f"{name.lower()}.test", "primary"),), consultant=consultant)
        for name in ("Alpha", "Beta", "Gamma")
    ]
    Tenant.objects.filter(name="Beta").update(platform="google_workspace")
    cutover_of(made[0], "outbound", timezone.now() + timedelta(days=1))
    made[0].plan.touch()
    return made


@pytest.mark.parametrize("address", [LIST, "/tenants/?q=nothing&risk=any&density=compact"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_list_has_no_faults(
    open_page: OpenPage,
    consultant: User,
    listed: list[Tenant],
    console_errors: ConsoleErrors,
    address: str,
    scheme: Any,
    width: int,
) -> None:
    page = open_page(consultant, address, scheme=scheme, width=width)

    assert violations(page, every_impact=True) == []
    if "show" in address:
        page.locator("[data-select]").first.check()
        page.locator("summary", has_text="Risk").first.click()
        assert violations(page, every_impact=True) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert console_errors == []


def test_filters_replace_the_rows_alone(
    open_page: OpenPage, consultant: User, listed: list[Tenant], console_errors: ConsoleErrors
) -> None:
    page = open_page(consultant, LIST)
    search = page.get_by_label("Search this list")

    page.keyboard.press("f")
    expect(search).to_be_focused()
    page.keyboard.type("bet")
    expect(page.locator("a.name")).to_have_text(["Beta"])
    expect(search).to_be_focused()
    expect(page).to_have_url(f"{page.url.partition('/tenants')[0]}/tenants/?q=bet")
    search.fill("")
    page.locator("summary", has_text="Platform").click()
    page.get_by_label("Google Workspace").check()

    expect(page.locator("a.name")).to_have_text(["Beta"])
    expect(page.locator(".chip")).to_have_text(["Platform: Google Workspace ×"])
    page.locator("summary", has_text="Export").first.click()
    csv = page.locator("[data-list-export=csv]")
    expect(csv).to_have_attribute(
        "href", re.compile(r"/tenants/export/\?platform=google_workspace&format=csv$")
    )
    page.locator(".chip").click()
    expect(page.locator("a.name")).to_have_text(["Alpha", "Beta", "Gamma"])
    assert console_errors == []


def test_current_filters_become_a_view(
    open_page: OpenPage, consultant: User, listed: list[Tenant]
) -> None:
    page = open_page(consultant, LIST)
    page.locator("summary", has_text="Platform").click()
    page.get_by_label("Google Workspace").check()
    expect(page.locator("a.name")).to_have_text(["Beta"])

    page.locator("summary", has_text="Save view").click()
    page.get_by_label("Name").fill("Google")
    page.get_by_role("button", name="Save view").click()

    expect(page.locator(".view-tabs [aria-current]")).to_contain_text("Google")
    expect(page.locator("a.name")).to_have_text(["Beta"])
    assert SavedView.objects.get().query == "platform=google_workspace"


def test_keyboard_selects_and_opens_rows(
    open_page: OpenPage, consultant: User, listed: list[Tenant]
) -> None:
    page = open_page(consultant, LIST)
    bar = page.locator("[data-bulk-bar]")
    expect(bar).to_be_hidden()

    for key in ("j", "x", "j", "j", "x", "k"):
        page.keyboard.press(key)

    expect(page.locator("[data-selected-count]")).to_have_text("2 selected")
    expect(page.locator("[data-selected-names]")).to_have_text("Alpha, Gamma")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/t/{listed[1].public_id}/")


def test_bulk_action_shows_each_result(
    open_page: OpenPage, administrator: User, listed: list[Tenant]
) -> None:
    page = open_page(administrator, LIST)

    page.get_by_label("Select all tenants of this page").check()
    page.locator("summary", has_text="Change consultant").click()
    page.locator("#bulk-consultant").select_option("No consultant")
    page.get_by_role("button", name="Assign").click()

    notice = page.locator(".messages p")
    expect(notice).to_contain_text("Done for 3 of 3 tenants:")
    expect(notice).to_contain_text("Gamma: The consultant is no one now.")
    assert Tenant.objects.filter(consultant=None).count() == 3


def test_list_works_without_scripts(
    browser: Browser, live_server: Any, consultant: User, listed: list[Tenant]
) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    sign_in_to(context, consultant, live_server.url)
    page = context.new_page()
    page.goto(LIST)

    page.locator("summary", has_text="Platform").click()
    page.get_by_label("Google Workspace").check()
    page.locator("details[open] button", has_text="Apply").click()
    expect(page.locator("a.name")).to_have_text(["Beta"])
    page.get_by_label("Select Beta").check()
    page.get_by_role("button", name="Check now").click()

    expect(page.locator(".messages p")).to_contain_text("checks run now.")
    expect(page.locator("a.name")).to_have_text(["Beta"])
    context.close()
