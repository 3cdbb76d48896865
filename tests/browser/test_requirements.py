"""A requirements sheet in a browser: paste, preview, import, edit in place, sign off."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from onboarding.models import Task
from onboarding.requirements import services
from tenants.models import Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.factories import task_of
from tests.onboarding.requirements.sheet_rows import entry_of, sheet_of

PASTED = "Forward to\tMailbox\nann@outside.test\tsales\nbob@outside.test\t\n"


def open_sheet(page: Page) -> None:
    page.locator("#forwarding-addresses > summary").click()
    page.locator("#forwarding-addresses").get_by_role("link", name="Open and sign off").click()


def plan_of(tenant: Tenant) -> str:
    return reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=outbound-requirements"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_pasted_rows_are_imported_and_signed_off(
    open_page: OpenPage,
    tenant: Tenant,
    owner: User,
    console_errors: ConsoleErrors,
    scheme: str,
    width: int,
) -> None:
    page = open_page(owner, plan_of(tenant), scheme=scheme, width=width)
    open_sheet(page)
    page.get_by_role("link", name="Paste or upload rows").click()
    page.get_by_label("Rows copied from a spreadsheet").fill(PASTED + "nonsense\t\n")
    page.get_by_role("button", name="Preview changes").click()

    expect(page.get_by_text("“nonsense” is only one part")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Correct and import again").click()
    expect(page.get_by_label("Rows copied from a spreadsheet")).to_have_value(
        PASTED + "nonsense\t\n"
    )
    assert violations(page) == []
    page.get_by_label("Rows copied from a spreadsheet").fill(PASTED)
    page.get_by_role("button", name="Preview changes").click()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("link", name="Back to the sheet").click()

    expect(page.locator("tr[id^=row-]")).to_have_count(2)
    assert violations(page) == []
    page.get_by_role("button", name="Sign off").click()
    expect(page.get_by_text("Client signed off")).to_be_visible()
    assert task_of(tenant, "forwarding-addresses").status == "partly_confirmed"
    assert console_errors == []


def test_inline_edit_resets_sign_off(
    open_page: OpenPage,
    tenant: Tenant,
    owner: User,
    consultant: User,
    console_errors: ConsoleErrors,
) -> None:
    sheet = sheet_of(tenant)
    row = services.add_row(sheet, entry_of(sheet, target="ann@outside.test"), by=owner)
    page = open_page(owner, plan_of(tenant))
    open_sheet(page)
    page.get_by_role("button", name="Sign off").click()
    page.get_by_role("link", name="Edit").click()

    editor = page.locator(".row-editor")
    editor.get_by_label("Address or domain outside").fill("ann@@outside")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_text("has more than one @")).to_be_visible()
    expect(editor.get_by_label("Address or domain outside")).to_have_value("ann@@outside")
    assert violations(page) == []

    theirs = entry_of(sheet, target="ann@outside.test", note="typed by Mimecast")
    services.change_row(sheet, row.public_id, theirs, version=1, by=consultant)
    editor.get_by_label("Address or domain outside").fill("ann@outside.test")
    editor.get_by_label("Note").fill("typed by the client")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_text("Con Sultant has changed this row")).to_be_visible()
    expect(editor.get_by_text("typed by Mimecast")).to_be_visible()
    assert violations(page) == []

    editor.get_by_role("button", name="Overwrite").click()
    expect(page.locator("tr[id^=row-]")).to_contain_text("typed by the client")
    expect(page.get_by_text("Client not signed off")).to_be_visible()
    page.get_by_role("button", name="Sign off").click()
    expect(page.get_by_text("Client signed off")).to_be_visible()
    assert console_errors == []


def test_my_tasks_links_to_sheet(open_page: OpenPage, tenant: Tenant, owner: User) -> None:
    Task.objects.filter(plan__tenant=tenant).exclude(key="forwarding-addresses").update(
        applies=False
    )
    Task.objects.filter(plan__tenant=tenant, key="forwarding-addresses").update(depends_on=[])

    page = open_page(owner, reverse("onboarding:my-tasks", args=[tenant.public_id]))
    page.get_by_role("link", name="Open and sign off").click()

    expect(page.get_by_role("heading", name="Forwarding and relay addresses")).to_be_visible()
