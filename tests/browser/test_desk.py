"""The desk in Chromium: the keyboard, a selection across updates, and reminders."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from onboarding.models import Task
from tenants.models import Membership, Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage
from tests.factories import MakeTenant


@pytest.fixture
def led(make_tenant: MakeTenant, consultant: User) -> Tenant:
    """A tenant with a late task of the consultant, and a long wait on its client."""
    tenant = make_tenant(consultant=consultant)
    owner = User.objects.create_user("owner@northwind.test", "pw", name="Jo Lindqvist")
    Membership.objects.create(tenant=tenant, user=owner, role="owner")
    now = timezone.now()
    tasks = Task.objects.filter(plan__tenant=tenant)
    tasks.update(waiting_on="", waiting_since=None)
    late = {"due_on": now.date() - timedelta(days=3), "waiting_since": now - timedelta(days=9)}
    tasks.filter(key="account-creation").update(waiting_on="mimecast", **late)
    tasks.filter(key="initial-conversation").update(
        waiting_on="client", waiting_since=now - timedelta(days=20)
    )
    return tenant


def test_keyboard_opens_the_first_action(
    open_page: OpenPage, consultant: User, led: Tenant, console_errors: ConsoleErrors
) -> None:
    page = open_page(consultant, reverse("onboarding:home"))

    page.keyboard.press("j")
    expect(page.locator("a:focus")).to_have_text("Open task")
    page.keyboard.press("Enter")

    page.wait_for_url("**/t/**#account-creation")
    assert console_errors == []


def test_update_keeps_the_selection(open_page: OpenPage, consultant: User, led: Tenant) -> None:
    page = open_page(consultant, reverse("onboarding:desk"))
    box = page.locator("input[name=task]")
    expect(box).to_be_checked()
    box.uncheck()
    page.locator("h1").click()

    Task.objects.filter(plan__tenant=led, key="account-creation").update(title="Renamed")
    led.plan.touch()

    expect(page.get_by_text("Renamed")).to_be_visible(timeout=20_000)
    expect(page.locator("input[name=task]")).not_to_be_checked()


def test_bulk_reminder_has_one_notice(open_page: OpenPage, consultant: User, led: Tenant) -> None:
    page = open_page(consultant, reverse("onboarding:desk"))

    page.get_by_role("button", name="Remind selected").click()

    expect(page.locator(".messages p")).to_contain_text("sends a reminder to Jo Lindqvist")
    expect(page.locator("input[name=task]")).to_be_disabled()
