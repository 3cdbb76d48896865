"""The planning form and the what-if in Chromium: the preview appears while the form is filled."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Cutover
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_preview_follows_the_date(
    tenant: Tenant,
    consultant: User,
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    scheme: str,
    width: int,
) -> None:
    address = reverse("onboarding:cutovers", args=[tenant.public_id])
    page = open_page(consultant, address, scheme=scheme, width=width)
    field, effects = page.locator("#inbound_planned_at"), page.locator("#effects-inbound")

    field.fill(_local(timezone.now() - timedelta(days=1)))
    field.blur()
    effects.get_by_text("This time is in the past.").wait_for()
    field.fill(_local(timezone.now() + timedelta(days=30)))
    field.blur()
    effects.get_by_text("first due date").wait_for()
    reason = effects.get_by_label("Reason for this time")
    reason.fill("The old gateway ends then.")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Plan the inbound cutover").click()

    page.get_by_role("link", name="Change the inbound cutover").wait_for()
    made = Cutover.objects.get(plan__tenant=tenant)
    assert made.planning_reason == "The old gateway ends then."
    assert console_errors == []


def _local(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize("width", [1360, 390])
def test_schedule_with_what_if_fits(
    tenant: Tenant, consultant: User, open_page: OpenPage, console_errors: ConsoleErrors, width: int
) -> None:
    address = reverse("onboarding:schedule", args=[tenant.public_id])
    day = (timezone.now() + timedelta(days=60)).date()

    page = open_page(consultant, f"{address}?inbound_on={day}", width=width)

    assert page.locator("#what-if").is_visible()
    page.locator("summary", has_text="Critical path").first.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert console_errors == []
