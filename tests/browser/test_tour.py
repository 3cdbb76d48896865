"""The tour in Chromium: by keyboard, with focus and Escape, remembered, and without scripts."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tenants import tours
from tenants.models import Membership, Tenant, User
from tenants.permissions import Role
from tests.browser.conftest import ConsoleErrors, OpenPage, violations


@pytest.fixture
def newcomer(transactional_db: None) -> User:
    return User.objects.create_user(
        "newcomer@gangway.test", "pw", name="New Comer", staff_role="consultant"
    )


def _client(tenant: Tenant) -> User:
    person = User.objects.create_user("new@northwind.test", "pw", name="New Client")
    Membership.objects.create(tenant=tenant, user=person, role="member")
    return person


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def _is_inside(page: Page) -> bool:
    return bool(page.evaluate("document.getElementById('tour').contains(document.activeElement)"))


def test_tour_by_keyboard(
    open_page: OpenPage, newcomer: User, console_errors: ConsoleErrors
) -> None:
    page = open_page(newcomer, reverse("onboarding:desk"))
    steps = tours.tours()[Role.CONSULTANT]

    page.get_by_role("link", name="Start tour").focus()
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog", name=steps[0].title)
    expect(dialog).to_have_accessible_description(steps[0].text)
    for number, step in enumerate(steps, start=1):
        expect(page.locator("#tour-title")).to_be_focused()
        assert _focused(page) == step.title
        expect(page.locator("[data-tour-step]:visible")).to_have_count(1)
        expect(page.locator("[data-tour-move='-1']")).to_be_visible(visible=number > 1)
        assert page.locator("[data-tour-current]").count() == bool(step.target)
        expect(page.get_by_text(f"Step {number} of {len(steps)}")).to_be_visible()
        name = "Finish" if number == len(steps) else "Next"
        page.get_by_role("button", name=name, exact=True).focus()
        ended = page.expect_response("**/tour/end/") if name == "Finish" else nullcontext()
        with ended:
            page.keyboard.press("Enter")

    expect(page.locator("#tour")).to_have_count(0)
    expect(page.locator("#content")).to_be_focused()
    newcomer.refresh_from_db()
    assert newcomer.ended_tour == "consultant"
    assert page.locator("[data-tour-current]").count() == 0
    assert console_errors == []


def test_escape_ends_the_tour(open_page: OpenPage, newcomer: User) -> None:
    page = open_page(newcomer, reverse("onboarding:desk"))
    page.get_by_role("link", name="Start tour").click()
    expect(page.locator("#tour-title")).to_be_focused()

    with page.expect_response("**/tour/end/"):
        page.keyboard.press("Escape")

    expect(page.locator("#tour")).to_have_count(0)
    expect(page.locator("#content")).to_be_focused()
    page.reload()
    expect(page.get_by_role("link", name="Start tour")).to_have_count(0)


def test_focus_stays_in_the_dialog(open_page: OpenPage, newcomer: User) -> None:
    page = open_page(newcomer, reverse("onboarding:desk"))
    page.get_by_role("link", name="Start tour").click()
    page.get_by_role("button", name="Next").click()

    expect(page.get_by_role("button", name="Back")).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert _is_inside(page) or page.evaluate("document.activeElement === document.body")
    page.get_by_role("button", name="Back").click()

    expect(page.locator("#tour-title")).to_have_text(tours.tours()[Role.CONSULTANT][0].title)


def test_tour_restarts_from_another_page(open_page: OpenPage, consultant: User) -> None:
    page = open_page(consultant, reverse("tenants:glossary"))
    page.locator(".menu[data-tour=help] > summary").click()

    page.get_by_role("link", name="Tour", exact=True).click()

    expect(page.locator("#tour-title")).to_be_focused()
    assert page.url.endswith(reverse("onboarding:desk"))


def test_restart_returns_the_focus_to_the_menu(open_page: OpenPage, consultant: User) -> None:
    page = open_page(consultant, reverse("onboarding:desk"))
    summary = page.locator(".menu[data-tour=help] > summary")
    summary.click()
    page.get_by_role("link", name="Tour", exact=True).click()
    expect(page.locator("#tour-title")).to_be_focused()

    page.keyboard.press("Escape")

    expect(summary).to_be_focused()


def test_step_without_its_part_is_left_out(open_page: OpenPage, tenant: Tenant) -> None:
    page = open_page(_client(tenant), reverse("onboarding:my-tasks", args=[tenant.public_id]))
    page.get_by_role("link", name="Start tour").click()
    expect(page.locator("#tour-title")).to_be_focused()

    # The tenant has no consultant and no cutover.
    parts = page.locator("[data-tour]").evaluate_all("all => all.map(each => each.dataset.tour)")
    shown = 1 + sum(step.target in parts for step in tours.tours()[Role.MEMBER] if step.target)
    expect(page.get_by_text(f"Step 1 of {shown}")).to_be_visible()
    assert "contact" not in parts


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_tour_is_accessible(open_page: OpenPage, newcomer: User, width: int, scheme: str) -> None:
    page = open_page(newcomer, reverse("onboarding:desk"), width=width, scheme=scheme)
    assert violations(page) == []

    page.get_by_role("link", name="Start tour").click()
    page.get_by_role("button", name="Next").click()

    expect(page.get_by_role("button", name="Back")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_tour_without_scripts(
    browser: Any, live_server: Any, open_page: OpenPage, newcomer: User
) -> None:
    signed_in = open_page(newcomer, reverse("tenants:glossary"))
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies(signed_in.context.cookies())
    page = context.new_page()

    page.goto(reverse("onboarding:desk"))
    page.get_by_role("link", name="Start tour").click()
    expect(page.get_by_role("heading", name="Waiting on clients")).to_be_visible()
    page.get_by_role("button", name="Finish tour").click()

    expect(page).to_have_url(f"{live_server.url}{reverse('onboarding:desk')}")
    expect(page.get_by_role("link", name="Start tour")).to_have_count(0)
    context.close()
