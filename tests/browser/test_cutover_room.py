"""The cutover room and its full-screen mode in Chromium."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from checks.engine.outcomes import CheckKind
from onboarding.models import Cutover
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, sign_in_to, violations
from tests.cutovers import cutover_of
from tests.factories import MakeTenant
from tests.onboarding.cutovers.test_cutover_room import OLD, observe

# WCAG has no rule for a shared display. At 4 m, 32 of 1080 lines of a 55-inch display are
# 20 mm high, which is an angle of 17 minutes: a reader needs 5 to recognise a letter.
SMALLEST = 32


@pytest.fixture
def cutover(make_tenant: MakeTenant) -> Cutover:
    tenant = make_tenant("Northwind", domains=(("northwind.test", "primary"),))
    now = timezone.now()
    observe(tenant, CheckKind.MX, now, 300, OLD)
    return cutover_of(tenant, "inbound", now - timedelta(minutes=22))


def _address(cutover: Cutover) -> str:
    tenant: Tenant = cutover.plan.tenant
    return reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("query", ["", "?fullscreen=1"])
def test_room_is_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    cutover: Cutover,
    consultant: User,
    query: str,
    width: int,
    scheme: str,
) -> None:
    page = open_page(consultant, _address(cutover) + query, width=width, scheme=scheme)
    page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert console_errors == []


def _font_sizes(page: Page) -> dict[str, float]:
    """The font size of each visible text, in pixels."""
    sizes: dict[str, float] = page.evaluate(
        """() => {
          const found = {};
          const walker = document.createTreeWalker(
            document.querySelector("main"), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const [node, parent] = [walker.currentNode, walker.currentNode.parentElement];
            const text = node.data.trim();
            if (!text || parent.closest(".visually-hidden") || !parent.checkVisibility()) continue;
            found[text] = parseFloat(getComputedStyle(parent).fontSize);
          }
          return found;
        }"""
    )
    return sizes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_full_screen_is_readable_from_four_metres(
    browser: Any, live_server: Any, cutover: Cutover, consultant: User, scheme: Any
) -> None:
    context = browser.new_context(
        viewport={"width": 1920, "height": 1080}, color_scheme=scheme, base_url=live_server.url
    )
    sign_in_to(context, consultant, live_server.url)
    page = context.new_page()
    page.goto(_address(cutover) + "?fullscreen=1")

    sizes = _font_sizes(page)
    heights = page.evaluate("[document.documentElement.scrollHeight, window.innerHeight]")
    context.close()

    assert len(sizes) > 10
    assert {text: size for text, size in sizes.items() if size < SMALLEST} == {}
    assert heights[0] <= heights[1]


def test_link_opens_the_folded_settings(
    open_page: OpenPage, cutover: Cutover, consultant: User
) -> None:
    Cutover.objects.update(planned_at=timezone.now() + timedelta(days=9))
    page = open_page(consultant, _address(cutover))
    expect(page.get_by_label("Length in minutes")).to_be_hidden()

    page.get_by_role("link", name="Confirm the window in the settings").click()

    expect(page.get_by_label("Length in minutes")).to_be_visible()
    page.get_by_label("Reason for accepting the risk").fill("The client knows it.")
    page.get_by_role("button", name="Accept risk and confirm").click()
    expect(page.get_by_text("confirmed this window")).to_be_visible()
    cutover.refresh_from_db()
    assert cutover.confirmed_by == consultant


def test_time_bar_shows_the_present_time(
    open_page: OpenPage, cutover: Cutover, consultant: User
) -> None:
    page = open_page(consultant, _address(cutover))

    past = int(page.locator(".time-bar-past").get_attribute("width") or 0)

    minutes = past * cutover.length_minutes / 1000
    assert 21 < minutes < 24
    assert page.locator("#time-bar li").all_inner_texts()[0].endswith("Window started")
