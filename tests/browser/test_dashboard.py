"""The dashboard in Chromium: its numbers and lists, the calendar, the print version, and axe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from onboarding.models import Task
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.cutovers import cutover_of
from tests.factories import MakeTenant


@pytest.fixture
def planned(make_tenant: MakeTenant, consultant: User) -> Tenant:
    """A tenant at risk, with a cutover tomorrow and an accepted risk."""
    tenant = make_tenant(consultant=consultant)
    now = timezone.now()
    cutover_of(tenant, "outbound", now + timedelta(days=1))
    tasks = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)
    tasks.update(original_due_on=now.date())
    Task.objects.filter(pk=tasks[4].pk).update(
        status="accepted_risk",
        manual_status="accepted_risk",
        status_reason="Booked for Friday.",
        status_set_by=consultant,
        accepted_until=now + timedelta(days=4),
    )
    return tenant


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_dashboard_has_no_faults(
    open_page: OpenPage,
    manager: User,
    planned: Tenant,
    console_errors: ConsoleErrors,
    scheme: Any,
    width: int,
) -> None:
    page = open_page(manager, reverse("onboarding:dashboard"), scheme=scheme, width=width)

    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert console_errors == []


def test_reason_of_a_risk_needs_no_click(
    open_page: OpenPage, manager: User, planned: Tenant
) -> None:
    page = open_page(manager, reverse("onboarding:home"))

    expect(page.locator("#at-risk")).to_contain_text("nor the client has an approver")
    page.get_by_role("link", name="Cutovers in 14 days").click()

    expect(page.locator("h1")).to_contain_text("Cutovers,")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_calendar_changes_to_a_quarter(open_page: OpenPage, manager: User, planned: Tenant) -> None:
    page = open_page(manager, reverse("onboarding:dashboard"))

    page.get_by_role("link", name="Quarter").click()

    rows = page.locator("#cutovers tbody tr")
    expect(rows).to_have_count(13)
    expect(page.locator("#cutovers .chart-bar rect")).to_have_count(1)


def test_print_version_has_cards_alone(open_page: OpenPage, manager: User, planned: Tenant) -> None:
    page = open_page(manager, reverse("onboarding:dashboard"))
    expect(page.get_by_role("button", name="Print or save PDF")).to_be_visible()

    page.emulate_media(media="print")

    expect(page.locator(".topbar")).to_be_hidden()
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#cutovers")).to_be_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
