"""Proposing and confirming a value in Chromium."""

from __future__ import annotations

from django.urls import reverse

from onboarding.lifecycle.proposals import add_host
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.factories import task_of
from tests.proposals import CODE, domain_of


def _at_ownership(tenant: Tenant) -> str:
    task = task_of(tenant, "domain-ownership")
    address = reverse("onboarding:plan-show", args=[tenant.public_id])
    return f"{address}?phase={task.phase.key}#{task.key}"


def test_value_is_proposed_and_confirmed(
    bare: Tenant,
    member: User,
    consultant: User,
    open_page: OpenPage,
    console_errors: ConsoleErrors,
) -> None:
    add_host(bare, name="mail.northwind.test", port=25, by=member, decides=False)
    page = open_page(member, _at_ownership(bare))
    page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")
    page.fill("#domain-ownership input[name=ownership_token]", CODE)
    page.click("#domain-ownership >> text=Save for northwind.test")
    page.wait_for_selector(f"#proposals >> text={CODE}")

    for width in (390, 1280):
        page = open_page(consultant, _at_ownership(bare), width=width)
        page.eval_on_selector_all("main details", "rows => rows.forEach(row => (row.open = true))")
        excess = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert (max(0, excess), violations(page)) == (0, [])
    page.click(f"#proposals >> button[aria-label='Confirm ownership code {CODE}']")
    page.wait_for_selector("text=Confirmed: ownership code of northwind.test.")

    assert domain_of(bare).ownership_token == CODE
    assert console_errors == []
