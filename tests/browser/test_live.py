"""Updates of open pages without a stream, keyboard shortcuts and scripts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from onboarding.models import Responsibility, Task
from onboarding.plans.services import confirm_task
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage
from tests.cutovers import cutover_of
from tests.factories import task_of

KEY = "end-user-asset-library"


def _plan(tenant: Tenant) -> str:
    return reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=onboarding-review"


def _settle(page: Page) -> None:
    # Polled from here: Playwright's wait_for_function evaluates in the page, which the content
    # security policy forbids.
    until = time.monotonic() + 10
    while not page.evaluate("typeof htmx === 'object'"):
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def test_confirmation_appears_on_open_page(
    open_page: OpenPage,
    tenant: Tenant,
    consultant: User,
    owner: User,
    console_errors: ConsoleErrors,
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    state = page.locator(f"#{KEY} .task-state")
    expect(state).to_have_text("")

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    confirmed_at = time.monotonic()
    expect(state).to_contain_text("Confirmed", timeout=4000)

    # The second poll follows the first after 1.5 seconds.
    assert time.monotonic() - confirmed_at < 3
    assert page.locator("#announcer").inner_text() == "End User Asset Library: done"
    assert console_errors == []


def test_update_preserves_open_rows_and_focus(
    open_page: OpenPage, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    page.locator("#mail-flow-infrastructure > summary").click()

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    expect(page.locator(f"#{KEY} .task-state")).to_contain_text("Confirmed", timeout=4000)

    expect(page.locator("details.task[open]")).to_have_count(1)
    focused = page.evaluate("document.activeElement.parentElement.id")
    assert focused == "mail-flow-infrastructure"


def test_update_leaves_form_in_use(
    open_page: OpenPage, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    page.locator("#mail-flow-infrastructure > summary").click()
    page.locator("#due-mail-flow-infrastructure").fill("2026-12-03")

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)

    notice = page.locator("#page-changed")
    expect(notice).to_be_visible(timeout=4000)
    due = page.locator("#due-mail-flow-infrastructure")
    expect(due).to_be_focused()
    expect(due).to_have_value("2026-12-03")
    # The rest of the page is up to date, without a change of the focus.
    expect(page.locator(f"#{KEY} .task-state")).to_contain_text("Confirmed")

    notice.get_by_role("button", name="Show changes").click()
    expect(notice).to_be_hidden()
    expect(due).to_have_value("2026-12-03")


def test_update_preserves_typed_value(
    open_page: OpenPage, tenant: Tenant, consultant: User, owner: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    page.locator("#mail-flow-infrastructure > summary").click()
    due = page.locator("#due-mail-flow-infrastructure")
    due.fill("2026-12-03")
    page.locator("h1").click()

    confirm_task(task_of(tenant, KEY), by=owner, side=Responsibility.CLIENT)
    expect(page.locator(f"#{KEY} .task-state")).to_contain_text("Confirmed", timeout=4000)

    expect(due).to_have_value("2026-12-03")


def test_lost_connection_shows_notice(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    notice = page.locator("#connection")
    expect(notice).to_be_hidden()

    page.context.set_offline(True)
    expect(notice).to_be_visible(timeout=9000)
    page.context.set_offline(False)
    expect(notice).to_be_hidden(timeout=9000)


def test_ended_session_offers_sign_in(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)
    notice = page.locator("#signed-out")
    expect(notice).to_be_hidden()
    cookies = page.context.cookies()

    page.context.clear_cookies()
    expect(notice).to_be_visible(timeout=4000)
    expect(page.locator("#connection")).to_be_hidden()
    target = notice.locator("a").get_attribute("href")
    page.context.add_cookies([{**cookie} for cookie in cookies])  # type: ignore[typeddict-item]  # as read
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(notice).to_be_hidden(timeout=4000)

    assert target is not None
    assert target.endswith(f"{reverse('account_login')}?{urlencode({'next': _plan(tenant)})}")


def test_keys_open_task_shortcuts_and_search(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    opened = page.locator("details.task[open]")
    expect(opened).to_have_attribute("id", "mail-flow-infrastructure")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")

    assert page.evaluate("document.activeElement.id") == "search"


def test_search_result_opens_by_keyboard(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    page = open_page(owner, _plan(tenant))
    _settle(page)

    page.keyboard.press("/")
    page.keyboard.type("ownership txt")
    expect(page.locator("#search-results a")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url("**#domain-ownership")
    expect(page.locator("#domain-ownership[open]")).to_have_count(1)


def test_bulk_due_date_by_keyboard(open_page: OpenPage, tenant: Tenant, consultant: User) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)

    page.keyboard.press("5")  # Schedule: the fifth tab, because no cutover is planned
    page.wait_for_url("**/schedule/")
    _settle(page)
    for key in ("j", "x", "j", "j", "x", "d"):
        page.keyboard.press(key)
    page.keyboard.type("12312026")
    page.keyboard.press("Enter")

    expect(page.locator(".messages")).to_contain_text("Done for 2 tasks.")
    dated = Task.objects.filter(plan__tenant=tenant, due_on="2026-12-31").values_list(
        "key", flat=True
    )
    assert list(dated) == ["initial-conversation", "implementation-plan-review"]


def test_key_0_opens_tenth_tab(open_page: OpenPage, tenant: Tenant, consultant: User) -> None:
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9))
    page = open_page(consultant, _plan(tenant))
    _settle(page)

    page.keyboard.press("0")

    page.wait_for_url("**/profile/")


def test_task_key_acts_on_focused_task(
    open_page: OpenPage, tenant: Tenant, consultant: User
) -> None:
    page = open_page(consultant, _plan(tenant))
    _settle(page)

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("d")
    focused = page.evaluate("document.activeElement.id")

    assert focused == "due-mail-flow-infrastructure"


def test_copy_button_announces_copy(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    page = open_page(owner, reverse("onboarding:plan-show", args=[tenant.public_id])
                     + f"?phase={task_of(tenant, 'domain-ownership').phase.key}")  # fmt: skip
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#domain-ownership > summary").click()
    record = page.locator("#domain-ownership .record .copyable")
    shown = record.locator("code").inner_text()

    record.locator("[data-copy]").click()

    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown


def test_added_row_has_next_index(open_page: OpenPage, tenant: Tenant, consultant: User) -> None:
    page = open_page(consultant, reverse("onboarding:tenant-create"))

    page.get_by_role("button", name="Add another domain").click()

    expect(page.locator("#id_domains-1-name")).to_be_focused()
    assert page.locator("#id_domains-TOTAL_FORMS").input_value() == "2"


def test_confirm_without_javascript(
    browser: Any, live_server: Any, open_page: OpenPage, tenant: Tenant, owner: User
) -> None:
    tenant.plan.tasks.update(depends_on=[])
    signed_in = open_page(owner, reverse("onboarding:my-tasks", args=[tenant.public_id]))
    cookies = signed_in.context.cookies()
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies(cookies)
    page = context.new_page()

    page.goto(signed_in.url)
    page.get_by_role("button", name="Mark as done").first.click()

    confirmed = [task for task in tenant.plan.tasks.all() if task.client_confirmed_at]
    context.close()
    assert len(confirmed) == 1
    assert page.url.partition("?")[0] == signed_in.url
