"""The pages of webhooks and calendar feeds at three widths, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from onboarding.calendar_feeds import feeds
from onboarding.models import CalendarFeed
from tenants import provisioning_tokens
from tenants.models import Tenant, User, Webhook
from tenants.webhooks import delivery, services
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.receivers import allow_receivers, receiving, status, webhook_for

WIDTHS = (360, 768, 1360)


@pytest.fixture
def paths(
    tenant: Tenant, administrator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Each page, with a webhook that is paused and one of all tenants, and with a feed."""
    allow_receivers(settings, monkeypatch)
    with receiving(status(410, "Gone for good.")) as receiver:
        own, _ = webhook_for(receiver, tenant, administrator, name="A rather long name" * 3)
        common, _ = webhook_for(receiver, None, administrator)
        for webhook in (own, common):
            services.send_test(webhook)
            delivery.deliver(webhook.pk)
    feeds.create_feed(CalendarFeed.Scope.TENANT, tenant=tenant, site="", by=administrator)
    assert set(Webhook.objects.values_list("pause_reason", flat=True)) == {"gone"}
    return [
        reverse("onboarding:webhooks", args=[tenant.public_id]),
        reverse("onboarding:webhook-show", args=[tenant.public_id, own.public_id]),
        reverse("onboarding:all-webhooks"),
        reverse("onboarding:all-webhook-show", args=[common.public_id]),
        reverse("onboarding:calendar-feeds"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(
    paths: list[str],
    administrator: User,
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    scheme: str,
) -> None:
    for width in WIDTHS:
        page = open_page(administrator, paths[0], scheme=scheme, width=width)
        for path in paths:
            page.goto(path)
            excess = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )

            assert (path, width, excess, violations(page)) == (path, width, 0, [])
    assert console_errors == []


def test_address_is_copied_from_the_page(
    tenant: Tenant, administrator: User, open_page: OpenPage, console_errors: ConsoleErrors
) -> None:
    page = open_page(administrator, f"/calendar/?tenant={tenant.public_id}")

    page.get_by_role("button", name="Create feed").click()
    address = page.locator("[data-copyable] code").inner_text()

    answer = page.request.get(address)
    assert answer.status == 200
    assert answer.text().startswith("BEGIN:VCALENDAR")
    assert console_errors == []


def test_administration_pages_are_accessible(
    administrator: User, open_page: OpenPage, console_errors: ConsoleErrors
) -> None:
    """Provisioning and the admin, at the narrowest width."""
    Authenticator.objects.create(user=administrator, type="totp", data={"secret": "x"})
    provisioning_tokens.issue(by=administrator)
    page = open_page(administrator, "/people/provisioning/", width=360)

    for path in ("/people/provisioning/", "/admin/", "/admin/tenants-user/"):
        page.goto(path)
        excess = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

        assert (path, excess, violations(page)) == (path, 0, [])
    assert console_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_documentation_needs_no_data_address(
    administrator: User, open_page: OpenPage, console_errors: ConsoleErrors, scheme: str
) -> None:
    """Swagger UI with an open operation, its fields and its models obeys the CSP."""
    page = open_page(administrator, "/api/docs/", scheme=scheme)

    page.locator(".opblock-summary-control").first.click()
    page.locator(".try-out__btn").first.click()
    page.locator(".opblock-body").first.wait_for()

    assert console_errors == []
