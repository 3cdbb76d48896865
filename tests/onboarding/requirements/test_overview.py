"""Tests of the overview of all sheets of a tenant."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from onboarding.models import RequirementsSheet, Task
from onboarding.requirements.sign_off import definition_of, sign_off
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.requirements.sheet_rows import add, sheet_of


def _html(client: Any, tenant: Tenant, **headers: str) -> str:
    address = reverse("onboarding:requirements", args=[tenant.public_id])
    return str(client.get(address, headers=headers).content.decode())


def _row(html: str, sheet: Any) -> str:
    return texts(html, f"#requirements-{sheet.public_id}")[0]


def test_overview_shows_counts_and_sign_offs(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")
    sheet.refresh_from_db()
    sign_off(sheet, by=consultant, side="mimecast", expected_revision=sheet.revision)

    row = _row(_html(signed_in(owner), tenant), sheet)

    assert row.startswith("Forwarding and relay addresses Waiting on your sign-off")
    assert "Ready to sign" in row
    assert "1 row" in row
    assert "Mimecast signed off Con Sultant, just now" in row
    assert "Client not signed off" in row


def test_sign_off_is_asked_of_the_right_side(
    tenant: Tenant, owner: User, viewer: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)

    seen = {user.email: _row(_html(signed_in(user), tenant), sheet) for user in (owner, viewer)}

    assert ["Waiting on your" in row for row in seen.values()] == [False, False]


def test_inapplicable_sheet_shows_its_reason(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    why = "No mail is forwarded."
    Task.objects.filter(pk=sheet.task_id).update(applies=False, not_applicable_reason=why)

    html = _html(signed_in(consultant), tenant)

    assert f'id="sheet-{sheet.public_id}"' not in html
    (left_out,) = [text for text in texts(html, "li") if why in text]
    assert left_out == f"Not applicable Forwarding and relay addresses {why}"


def test_page_and_fragment_show_the_same_sheets(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)

    whole, part = _html(client, tenant), _html(client, tenant, **{"HX-Request": "true"})

    assert texts(part, "tr") == texts(whole, "tr")
    assert "<html" not in part


@pytest.mark.parametrize("rows", [1, 20])
def test_overview_query_count_is_constant(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    rows: int,
) -> None:
    for number in range(rows):
        add(sheet_of(tenant), owner, target=f"ann{number}@outside.test")
    client = signed_in(owner)
    _html(client, tenant)

    with django_assert_num_queries(15):
        html = _html(client, tenant)

    assert f"{rows} row" in _row(html, sheet_of(tenant))


def test_empty_sheet_waits_on_no_sign_off(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    """An empty list can be signed, but no page asks for it: its state is "Not started"."""
    sheets = RequirementsSheet.objects.filter(task__plan=tenant.plan, task__applies=True)

    html = _html(signed_in(owner), tenant)

    is_asked = {
        sheet.task.key: "Waiting on your sign-off" in _row(html, sheet)
        for sheet in sheets
        if sheet.row_count == 0
    }
    fixed = {sheet.task.key: definition_of(sheet).is_fixed for sheet in sheets}
    assert {fixed[key] for key in is_asked} == {True, False}
    assert not any(is_asked.values())
