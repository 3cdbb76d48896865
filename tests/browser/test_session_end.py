"""A form that is sent after its session has ended: the typed text returns with the page."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from onboarding.models import Comment, Task
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, sign_in_to
from tests.factories import MakeTenant, task_of

TEXT = "When does the old host close?"
NOTICE = "Your changes are in the form again"


def _comment_page(tenant: Tenant) -> str:
    task = task_of(tenant, "account-creation")
    return reverse("onboarding:comment-add", args=[tenant.public_id, task.public_id])


def _send_without_session(page: Page) -> None:
    page.locator("textarea[name=body]").fill(TEXT)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator(".messages")).to_contain_text("Your session has ended")


def test_typed_text_returns_after_sign_in(
    open_page: OpenPage,
    tenant: Tenant,
    consultant: User,
    console_errors: ConsoleErrors,
    live_server: object,
) -> None:
    consultant.set_password("a long pass phrase 1")
    consultant.save()
    page = open_page(consultant, _comment_page(tenant))
    _send_without_session(page)

    page.get_by_label("E-mail address").fill(consultant.email)
    page.get_by_label("Password").fill("a long pass phrase 1")
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.locator(".messages")).to_contain_text(NOTICE)
    expect(page.locator("textarea[name=body]")).to_have_value(TEXT)
    assert page.url.endswith(_comment_page(tenant))
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator(".messages")).not_to_contain_text(NOTICE)
    assert Comment.objects.get().body == TEXT
    page.goto(_comment_page(tenant))
    expect(page.locator("textarea[name=body]")).to_have_value("")
    assert console_errors == []


def test_another_person_sees_no_text(
    open_page: OpenPage, tenant: Tenant, consultant: User, administrator: User, live_server: object
) -> None:
    page = open_page(consultant, _comment_page(tenant))
    _send_without_session(page)

    sign_in_to(page.context, administrator, page.url.partition("/accounts")[0])
    page.goto(_comment_page(tenant))

    expect(page.locator("textarea[name=body]")).to_have_value("")
    assert page.evaluate("sessionStorage.getItem('gangway:draft')") is None


def test_refused_form_returns_with_its_text(
    open_page: OpenPage, tenant: Tenant, consultant: User, live_server: object
) -> None:
    """Another tab signed in again, so that the form has an old CSRF token."""
    page = open_page(consultant, _comment_page(tenant))
    page.locator("textarea[name=body]").fill(TEXT)
    page.context.clear_cookies(name=settings.CSRF_COOKIE_NAME)
    page.locator("main form button[type=submit]").first.click()

    page.get_by_role("link", name="Return to the page").click()

    expect(page.locator("textarea[name=body]")).to_have_value(TEXT)
    assert not Comment.objects.exists()


def test_boxes_return_to_their_own_rows(
    open_page: OpenPage, make_tenant: MakeTenant, consultant: User, live_server: object
) -> None:
    """After sign-in the list can have other rows: a selection must not move to another client."""
    make_tenant("Northwind", consultant=consultant)
    desk = reverse("onboarding:desk")
    page = open_page(consultant, desk)
    boxes = page.locator("input[type=checkbox][name=task]")
    chosen = boxes.nth(1).get_attribute("value")
    boxes.nth(1).check()
    first = boxes.nth(0).get_attribute("value")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Remind selected").click()
    expect(page.locator(".messages")).to_contain_text("Your session has ended")

    Task.objects.filter(public_id=first).update(waiting_on="")
    sign_in_to(page.context, consultant, page.url.partition("/accounts")[0])
    page.goto(desk)

    checked = page.locator("input[type=checkbox][name=task]:checked")
    assert [box.get_attribute("value") for box in checked.all()] == [chosen]


def test_sign_out_leaves_no_draft(
    open_page: OpenPage, tenant: Tenant, consultant: User, live_server: object
) -> None:
    page = open_page(consultant, _comment_page(tenant))

    page.locator("header summary").last.click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_load_state()

    assert page.evaluate("sessionStorage.getItem('gangway:draft')") is None
