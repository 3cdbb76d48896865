"""Tests of sign-offs, the confirmations they make, and their withdrawal."""

from __future__ import annotations

import pytest
from django.urls import reverse

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import RequirementsSheet, Responsibility, SheetRow, Task
from onboarding.plans.services import confirm_task, withdraw_confirmation
from onboarding.requirements import services, sign_off
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn, fill_fields
from tests.onboarding.requirements.sheet_rows import add, entry_of, job, sheet_of


def sign(sheet: RequirementsSheet, by: User, side: str, reason: str = "") -> None:
    sheet.refresh_from_db()
    sign_off.sign_off(sheet, by=by, side=side, expected_revision=sheet.revision, reason=reason)
    sheet.refresh_from_db()


def status(sheet: RequirementsSheet) -> tuple[str, list[str]]:
    sheet.refresh_from_db()
    return Task.objects.get(pk=sheet.task_id).status, sheet.signed_sides


def test_both_sign_offs_complete_task(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")

    sign(sheet, owner, "client")
    assert status(sheet) == ("partly_confirmed", ["client"])
    sign(sheet, consultant, "mimecast")

    assert status(sheet) == ("done", ["mimecast", "client"])


@pytest.mark.parametrize("change", ["add", "change", "remove", "import"])
def test_change_withdraws_both_sign_offs(
    tenant: Tenant, owner: User, consultant: User, change: str
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    sign(sheet, owner, "client")
    sign(sheet, consultant, "mimecast")

    match change:
        case "add":
            add(sheet, consultant, target="bob@outside.test")
        case "change":
            entry = entry_of(sheet, target="ann@outside.test", note="new")
            services.change_row(sheet, row.public_id, entry, version=1, by=consultant)
        case "remove":
            services.remove_row(sheet, row.public_id, version=1, by=consultant)
        case "import":
            job(sheet, "bob@outside.test", consultant)

    assert status(sheet) == ("todo", [])
    line = ActivityLine.objects.filter(tenant=tenant, action__startswith="sheet-").latest("number")
    assert line.actor == consultant
    assert line.params["reopened"] == ["mimecast", "client"]


def test_import_without_changes_keeps_sign_offs(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")
    sign(sheet, owner, "client")

    job(sheet, "ann@outside.test", owner)

    assert status(sheet) == ("partly_confirmed", ["client"])


def test_outdated_sign_off_is_refused(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    seen = sheet.revision
    add(sheet, consultant, target="ann@outside.test")

    with pytest.raises(ConflictingChange, match="Nothing was signed"):
        sign_off.sign_off(sheet, by=owner, side="client", expected_revision=seen)

    assert status(sheet) == ("todo", [])


def test_one_sided_task_needs_one_sign_off(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant, "branding")
    row = SheetRow.objects.get(sheet=sheet, key="company")
    answer = entry_of(sheet, question="Company name", answer="Northwind")
    services.change_row(sheet, row.public_id, answer, version=1, by=owner)
    assert sheet.task.responsibility == Responsibility.CLIENT

    sign(sheet, consultant, "mimecast", reason="The rest is optional")
    assert status(sheet) == ("todo", ["mimecast"])
    sign(sheet, owner, "client", reason="The rest is optional")

    assert status(sheet) == ("done", ["mimecast", "client"])


@pytest.mark.parametrize("kind", ["outbound-addresses", "delivery-routes"])
def test_partial_list_does_not_confirm_task(
    tenant: Tenant, owner: User, consultant: User, kind: str
) -> None:
    sheet = sheet_of(tenant, kind)

    sign(sheet, owner, "client")
    sign(sheet, consultant, "mimecast")

    assert status(sheet) == ("todo", ["mimecast", "client"])


def test_unanswered_questions_cannot_be_signed(
    make_tenant: object, tenant: Tenant, owner: User
) -> None:
    Task.objects.filter(plan__tenant=tenant, key="request-for-information").update(applies=True)
    rows = SheetRow.objects.filter(sheet=sheet_of(tenant, "request-for-information"))
    rows.update(values={"question": "Company name", "answer": ""})
    RequirementsSheet.objects.update(row_count=0)

    sign(sheet_of(tenant), owner, "client")
    with pytest.raises(OnboardingError, match="No question is answered yet"):
        sign(sheet_of(tenant, "request-for-information"), owner, "client")

    assert status(sheet_of(tenant)) == ("partly_confirmed", ["client"])


def test_invalid_sign_offs_are_refused(tenant: Tenant, owner: User, manager: User) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")

    with pytest.raises(OnboardingError, match="already"):
        sign(sheet, owner, "client")
    with pytest.raises(NotPermitted):
        sign(sheet, manager, "")
    Task.objects.filter(pk=sheet.task_id).update(applies=False)
    with pytest.raises(OnboardingError, match="does not apply"):
        sign(sheet_of(tenant), owner, "mimecast")


def test_sign_off_refused_by_task_is_not_stored(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    Task.objects.filter(pk=sheet.task_id).update(
        manual_status="not_needed", status_reason="not now", status="not_applicable"
    )

    with pytest.raises(OnboardingError, match="Restore it first"):
        sign(sheet, owner, "client")

    assert status(sheet)[1] == []


def test_withdrawal_leaves_other_sign_off(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")
    sign(sheet, consultant, "mimecast")

    sign_off.withdraw_sign_off(sheet, by=owner, side="client")

    assert status(sheet) == ("partly_confirmed", ["mimecast"])
    with pytest.raises(OnboardingError, match="has not signed"):
        sign_off.withdraw_sign_off(sheet, by=owner, side="client")


def test_sign_off_cannot_be_undone_at_the_task(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)

    sign(sheet, owner, "client")

    assert Task.objects.get(pk=sheet.task_id).undo is None


def test_gathering_task_needs_sign_off(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)

    with pytest.raises(OnboardingError, match="Sign off its requirements sheet"):
        confirm_task(sheet.task, by=owner, side="client")

    assert status(sheet) == ("todo", [])


def test_signed_task_is_withdrawn_at_its_sheet(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")

    with pytest.raises(OnboardingError, match="Withdraw the sign-off on the sheet"):
        withdraw_confirmation(sheet.task, by=owner, side="client")

    assert status(sheet) == ("partly_confirmed", ["client"])


def test_partial_list_leaves_plain_confirmation(tenant: Tenant, consultant: User) -> None:
    sheet = sheet_of(tenant, "delivery-routes")
    Task.objects.filter(pk=sheet.task_id).update(depends_on=[])

    confirm_task(fill_fields(sheet.task), by=consultant, side="mimecast")

    assert Task.objects.get(pk=sheet.task_id).mimecast_confirmed_by == consultant


def test_plan_links_to_sheet_instead_of_confirm(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    task = sheet_of(tenant).task
    address = reverse("onboarding:plan-show", args=[tenant.public_id])

    page = signed_in(owner).get(f"{address}?phase={task.phase.key}").content.decode()

    confirm = reverse("onboarding:task-confirm", args=[tenant.public_id, task.public_id])
    assert (confirm in page, "Open and sign off" in " ".join(page.split())) == (False, True)


def test_change_clears_confirmation_of_other_side(tenant: Tenant, owner: User) -> None:
    """Otherwise it would count for unsigned rows when the responsibility changes back."""
    sheet = sheet_of(tenant)
    sign_off.sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)
    Task.objects.filter(pk=sheet.task_id).update(responsibility="mimecast")

    add(sheet, owner, target="ann@outside.test")

    assert Task.objects.get(pk=sheet.task_id).client_confirmed_at is None
