"""The bell, the page of notifications and the glossary in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tenants.models import Notification, Tenant, User
from tenants.notifications import notify
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.live import LiveProcess

LIST = "tenants:notification-list"
WIDTHS = [390, 768, 1440]
SCHEMES = ["light", "dark"]


def _notify(tenant: Tenant, person: User, number: int = 1) -> None:
    task = {"title": "SPF Record Update", "id": "x", "phase": "onboarding-review", "key": "spf"}
    notify(tenant, Notification.Kind.MENTION, [person], source=f"comment:{number}", tasks=[task])


def _notify_of_all_kinds(tenant: Tenant, person: User) -> None:
    _notify(tenant, person)
    change = {"title": "MX records changed", "subject": "northwind.test", "type": "opened"}
    for number, kind in enumerate(("opened", "closed")):
        notify(
            tenant,
            Notification.Kind.DRIFT,
            [person],
            source=f"drift:{number}",
            changes=[{**change, "type": kind}],
        )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [LIST, "tenants:glossary"])
def test_page_is_accessible_at_width(
    open_page: OpenPage,
    tenant: Tenant,
    owner: User,
    console_errors: ConsoleErrors,
    name: str,
    width: int,
    scheme: str,
) -> None:
    _notify_of_all_kinds(tenant, owner)
    page = open_page(owner, reverse(name), width=width, scheme=scheme)

    excess = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    assert violations(page) == []
    assert max(0, excess) == 0
    assert console_errors == []


def test_keyboard_reads_a_notification(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    _notify(tenant, owner)
    page = open_page(owner, reverse("onboarding:my-tasks", args=[tenant.public_id]))

    bell = page.get_by_role("link", name="Notifications , 1 unread")
    bell.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/notifications/")
    page.locator("#notifications a[data-read]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/t/**")

    expect(page.locator("[data-bell-count]")).to_be_hidden()
    assert Notification.objects.get().read_at is not None


def test_all_become_read(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    _notify_of_all_kinds(tenant, owner)
    page = open_page(owner, reverse(LIST))

    page.get_by_role("button", name="Mark all as read").click()

    expect(page.get_by_text("You have read all notifications.")).to_be_visible()
    assert Notification.objects.filter(read_at=None).count() == 0


@pytest.mark.parametrize("name", ["tenants:glossary", "onboarding:my-tasks", LIST])
def test_number_changes_with_the_stream(
    open_page: OpenPage,
    live_process: LiveProcess,
    settings: Any,
    tenant: Tenant,
    owner: User,
    console_errors: ConsoleErrors,
    name: str,
) -> None:
    """On a page without a tenant, on one of a tenant, and on the list itself.

    A page that polls would need 30 seconds.
    """
    settings.LIVE_STREAMS, settings.LIVE_PORT = True, live_process.port
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    sources = [*policy["connect-src"], f"http://localhost:{live_process.port}"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**policy, "connect-src": sources}}
    of_tenant = name == "onboarding:my-tasks"
    page = open_page(owner, reverse(name, args=[tenant.public_id] if of_tenant else []))
    page.locator("summary[aria-label^='Account']").focus()

    _notify(tenant, owner)

    expect(page.locator("[data-bell-label]")).to_have_text("1", timeout=20_000)
    expect(page.locator("[data-bell-count]")).to_be_visible()
    expect(page.locator("summary[aria-label^='Account']")).to_be_focused()
    if name == LIST:
        expect(page.locator("#notifications li")).to_have_count(1, timeout=20_000)
    assert console_errors == []


def test_term_explains_itself(
    open_page: OpenPage, tenant: Tenant, owner: User, console_errors: ConsoleErrors
) -> None:
    page = open_page(owner, reverse("onboarding:domains", args=[tenant.public_id]))
    term = page.locator("th button.term", has_text="DKIM")
    meaning = page.get_by_text("A signature that your sending system adds")
    expect(meaning).to_be_hidden()

    term.focus()
    page.keyboard.press("Enter")
    expect(meaning).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")

    expect(meaning).to_be_hidden()
    expect(term).to_be_focused()
    assert console_errors == []


def test_every_shortcut_is_in_the_list(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    """A key of an element without an entry in the list would do nothing."""
    page = open_page(owner, reverse("onboarding:plan-show", args=[tenant.public_id]))

    declared = page.eval_on_selector_all("[data-shortcut]", "keys => keys.map(k => k.textContent)")
    used = page.eval_on_selector_all("[data-key]", "all => all.map(e => e.dataset.key)")

    assert {*used} <= {*declared}
    page.locator("#search").focus()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
