"""The reason of a task and the terms in its texts, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from onboarding.models import Phase, Task, TaskRole
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations

PAGES = {"consultant": "onboarding:plan-show", "owner": "onboarding:my-tasks"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("role", PAGES)
def test_reason_and_terms_are_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    request: pytest.FixtureRequest,
    tenant: Tenant,
    role: str,
    width: int,
    scheme: str,
) -> None:
    person = request.getfixturevalue(role)
    page = open_page(
        person, reverse(PAGES[role], args=[tenant.public_id]), width=width, scheme=scheme
    )
    page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")

    ids = page.eval_on_selector_all("[id]", "rows => rows.map(row => row.id)")

    assert page.get_by_text("Why does this matter?").count() > 0
    assert sorted(each for each in set(ids) if ids.count(each) > 1) == []
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert console_errors == []


@pytest.fixture
def mx_task(tenant: Tenant) -> Task:
    return Task.objects.get(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND)


def _open_task(page: Any, task: Task) -> Any:
    card = page.locator(f"[id='{task.key}']")
    card.evaluate("row => (row.open = true)")
    return card


def test_keyboard_reads_reason_and_term(
    open_page: OpenPage, tenant: Tenant, consultant: User, mx_task: Task
) -> None:
    phase = Phase.objects.get(tasks=mx_task)
    place = reverse("onboarding:plan-show", args=[tenant.public_id])
    page = open_page(consultant, f"{place}?phase={phase.key}")
    card = _open_task(page, mx_task)
    reason = card.get_by_text("From this change on, other systems deliver your mail to Mimecast.")
    expect(reason).to_be_hidden()

    card.get_by_text("Why does this matter?").focus()
    page.keyboard.press("Enter")
    expect(reason).to_be_visible()
    card.get_by_role("button", name="MTA-STS", exact=True).first.focus()
    page.keyboard.press("Enter")

    meaning = card.get_by_text("A policy that lists your mail servers and requires encryption.")
    expect(meaning).to_be_visible()
    page.keyboard.press("Escape")
    expect(meaning).to_be_hidden()
