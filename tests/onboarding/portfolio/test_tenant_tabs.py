"""The tabs of a tenant, the sentences of its plan, its matrix, and the states of its sheets."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import RequirementsSheet, Task
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.views.overview import SheetState, state_of
from tenants.models import Tenant, User
from tests.factories import HostRow, MakeTenant, SignIn
from tests.markup import texts

TABS = ["plan-show", "domains", "requirements", "schedule", "monitoring"]
IN_MENU = {"my-tasks": "Client tasks", "activity": "Activity", "people": "People"}


def page_of(tenant: Tenant, user: User, signed_in: SignIn, name: str, **query: str) -> str:
    address = reverse(f"onboarding:{name}", args=[tenant.public_id])
    return signed_in(user).get(address, query).content.decode()


def tabs_in(html: str) -> str:
    found = re.search(r"<nav[^>]*data-tabs.*?</nav>", html, re.S)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", [*TABS, *IN_MENU])
@pytest.mark.parametrize("role", ["consultant", "owner"])
def test_page_has_at_most_seven_tabs(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn, name: str, role: str
) -> None:
    user = consultant if role == "consultant" else owner

    nav = tabs_in(page_of(tenant, user, signed_in, name))

    outside = re.sub(r'<div class="menu-body">.*?</div>', "", nav, flags=re.S)
    assert len(re.findall(r"<a\s|<summary", outside)) <= 7
    assert nav.count('aria-current="page"') == 1


@pytest.mark.parametrize(("name", "label"), IN_MENU.items())
def test_menu_names_the_current_page(
    tenant: Tenant, consultant: User, signed_in: SignIn, name: str, label: str
) -> None:
    html = page_of(tenant, consultant, signed_in, name)

    assert f"More: {label}" in texts(tabs_in(html), "summary")


def test_plan_truncates_no_sentence(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    keys = tenant.plan.phases.values_list("key", flat=True)
    pages = [page_of(tenant, consultant, signed_in, "plan-show", phase=key) for key in keys]

    sentences = [text for page in pages for text in texts(page, ".task-sentence")]

    assert len(sentences) == Task.objects.filter(plan=tenant.plan).count()
    assert [text for text in sentences if text.endswith("…") or "and more" in text] == []


def test_hosts_have_a_column_for_each_kind(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    hosts = (HostRow("delivery", "mail.a.test", 25), HostRow("directory", "dc.a.test", 636))
    tenant = make_tenant(
        "A", domains=(("a.test", "primary"),), hosts=hosts, directory_method="ldap"
    )

    html = page_of(tenant, consultant, signed_in, "domains")

    headings = texts(html, "th")
    assert headings[-5:-2] == ["SMTP", "LDAPS", "Lockdown"]
    columns = re.findall(r'data-column="([^"]+)"', html)
    assert len(columns) == 9 + 2 * 3


def sheet_with(
    tenant: Tenant, *, is_fixed: bool, rows: int, signed: tuple[bool, bool]
) -> SheetState:
    sheets = RequirementsSheet.objects.filter(task__plan=tenant.plan)
    sheet = next(each for each in sheets if definition_of(each).is_fixed == is_fixed)
    sheet.row_count = rows if rows >= 0 else len(definition_of(sheet).questions)
    at = timezone.now()
    sheet.mimecast_signed_at, sheet.client_signed_at = (at if each else None for each in signed)
    return state_of(sheet, definition_of(sheet))


@pytest.mark.parametrize(
    ("is_fixed", "rows", "signed", "state"),
    [
        (True, 0, (False, False), SheetState.NOT_STARTED),
        (True, 1, (False, False), SheetState.FILLING_IN),
        (True, -1, (False, False), SheetState.READY_TO_SIGN),
        (True, 1, (True, False), SheetState.READY_TO_SIGN),
        (True, 1, (True, True), SheetState.SIGNED),
        (False, 0, (False, False), SheetState.NOT_STARTED),
        (False, 3, (False, False), SheetState.FILLING_IN),
        (False, 0, (False, True), SheetState.READY_TO_SIGN),
        (False, 0, (True, True), SheetState.SIGNED),
    ],
)
def test_state_of_a_sheet(
    tenant: Tenant, is_fixed: bool, rows: int, signed: tuple[bool, bool], state: SheetState
) -> None:
    assert sheet_with(tenant, is_fixed=is_fixed, rows=rows, signed=signed) == state


def test_no_sheet_has_a_padlock(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    html = page_of(tenant, owner, signed_in, "requirements")

    assert 'data-verdict="locked"' not in html
    assert "Not started" in " ".join(texts(html, "tbody"))
