"""A form that is sent after its session has ended: the typed text returns with the page."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from onboarding.models import Comment
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, sign_in_to
from tests.factories import task_of

TEXT = "When does the old host close?"
NOTICE = "Your text is in the form again"


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
