"""Open pages with the stream process: updates without a poll, and polling while it is down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, Request, Route, expect

from onboarding.collaboration.share_links import create_share_link
from onboarding.models import Plan, Responsibility
from onboarding.plans.services import confirm_task
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage
from tests.factories import task_of
from tests.live import LiveProcess

KEY = "end-user-asset-library"
FIELD = "#due-mail-flow-infrastructure"


@pytest.fixture
def live(live_process: LiveProcess, settings: Any) -> LiveProcess:
    """Pages of the live server open their streams at the process."""
    settings.LIVE_STREAMS, settings.LIVE_PORT = True, live_process.port
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    sources = [*policy["connect-src"], f"http://localhost:{live_process.port}"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**policy, "connect-src": sources}}
    return live_process


def _plan(tenant: Tenant) -> str:
    return reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=onboarding-review"


def _polls(page: Page) -> list[str]:
    """The addresses of later polls."""
    polls: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/revision/") and "/live/" not in request.url:
            polls.append(request.url)

    page.on("request", note)
    return polls


def _wait_until(is_reached: Callable[[], bool], page: Page, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def _open_stream(open_page: OpenPage, user: User | None, address: str) -> Page:
    """The page after its stream has opened."""
    page = open_page(user, address)
    polls = _polls(page)
    until, before = time.monotonic() + 20, -1
    # A busy machine opens the stream late. The page polls until then.
    while len(polls) != before:
        assert time.monotonic() < until, "the stream does not open"
        before = len(polls)
        page.wait_for_timeout(2500)
    return page


def _delay(route: Route) -> None:
    time.sleep(1)
    route.continue_()


def _state(page: Page) -> Any:
    return page.locator(f"#{KEY} .task-state")


def test_change_appears_within_a_second_without_polls(
    open_page: OpenPage,
    live: LiveProcess,
    tenant: Tenant,
    consultant: User,
    owner: User,
    console_errors: ConsoleErrors,
) -> None:
    page = _open_stream(open_page, consultant, _plan(tenant))
    polls = _polls(page)
    page.wait_for_timeout(2500)

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    began = time.monotonic()
    expect(_state(page)).to_contain_text("Confirmed", timeout=4000)

    assert time.monotonic() - began < 1
    assert polls == []
    assert console_errors == []


def test_update_preserves_typed_text_focus_and_buttons(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = _open_stream(open_page, consultant, _plan(tenant))
    page.locator("#mail-flow-infrastructure > summary").click()
    page.locator(FIELD).fill("2026-12-03")
    page.evaluate(
        """() => {
            window.opacities = new Set();
            const note = () => {
                const button = document.querySelector('#plan .button[type=submit]');
                if (button) window.opacities.add(getComputedStyle(button).opacity);
                window.frame = requestAnimationFrame(note);
            };
            note();
        }"""
    )

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    page.wait_for_timeout(1500)
    expect(page.locator(FIELD)).to_be_focused()
    assert page.locator(FIELD).input_value() == "2026-12-03"
    page.locator("h1").click()
    expect(_state(page)).to_contain_text("Confirmed", timeout=2000)

    expect(page.locator(FIELD)).to_have_value("2026-12-03")
    assert page.evaluate("[...window.opacities]") == ["1"]


def test_text_typed_during_an_update_is_kept(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = _open_stream(open_page, consultant, _plan(tenant))
    page.locator("#mail-flow-infrastructure > summary").click()
    page.route("**/t/*/?phase=*", _delay)
    with page.expect_request("**/t/*/?phase=*"):
        confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
        page.wait_for_timeout(500)

    page.locator(FIELD).fill("2026-12-03")
    page.wait_for_timeout(1500)

    expect(page.locator(FIELD)).to_be_focused()
    expect(page.locator(FIELD)).to_have_value("2026-12-03")
    page.locator("h1").click()
    expect(_state(page)).to_contain_text("Confirmed", timeout=4000)


def test_dead_process_is_replaced_by_polls(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = _open_stream(open_page, consultant, _plan(tenant))
    polls = _polls(page)

    live.kill()
    _wait_until(lambda: polls != [], page)
    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    expect(_state(page)).to_contain_text("Confirmed", timeout=6000)
    expect(page.locator("#connection")).to_be_hidden()

    live.start()
    page.wait_for_timeout(8000)
    polls.clear()
    page.wait_for_timeout(4000)
    assert polls == []


def test_interval_of_polls_grows(
    open_page: OpenPage, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    polls = _polls(page)
    page.wait_for_timeout(7500)

    # Without a stream: after 1.0, 2.5, 4.8 and 8.1 seconds.
    assert 2 <= len(polls) <= 3


def test_ended_session_shows_notice(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, consultant: User
) -> None:
    page = _open_stream(open_page, consultant, _plan(tenant))

    Session.objects.all().delete()

    expect(page.locator("#signed-out")).to_be_visible(timeout=9000)


def test_page_of_share_link_has_a_stream(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, owner: User
) -> None:
    task = task_of(tenant, "domain-ownership")
    _, token = create_share_link(tenant.plan, task, recipient="DNS", days=1, by=owner)
    page = _open_stream(open_page, None, reverse("onboarding:share-link", args=[token]))
    polls = _polls(page)
    page.wait_for_timeout(3000)

    assert polls == []


def test_dashboard_updates(
    open_page: OpenPage, live: LiveProcess, tenant: Tenant, manager: User
) -> None:
    page = _open_stream(open_page, manager, reverse("onboarding:dashboard"))
    shown = page.locator("#dashboard").get_attribute("data-live-revision")

    Plan.objects.get(tenant=tenant).touch()

    expect(page.locator("#dashboard")).not_to_have_attribute(
        "data-live-revision", shown or "", timeout=15000
    )
