"""Sign-offs: what they confirm, and what takes them back."""

from __future__ import annotations

import pytest
from django.urls import reverse

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import RequirementsSheet, Responsibility, SheetRow, Task
from onboarding.plans.services import confirm_task, withdraw_confirmation
from onboarding.requirements import services, sign_off
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import add, entry_of, job, sheet_of


def sign(sheet: RequirementsSheet, by: User, side: str) -> None:
    sheet.refresh_from_db()
    sign_off.sign_off(sheet, by=by, side=side, expected_revision=sheet.revision)
    sheet.refresh_from_db()


def status(sheet: RequirementsSheet) -> tuple[str, list[str]]:
    sheet.refresh_from_db()
    return Task.objects.get(pk=sheet.task_id).status, sheet.signed_sides


def test_both_sign_offs_do_the_gathering_task(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")

    sign(sheet, owner, "client")
    assert status(sheet) == ("partly_confirmed", ["client"])
    sign(sheet, consultant, "mimecast")

    assert status(sheet) == ("done", ["mimecast", "client"])


@pytest.mark.parametrize("change", ["add", "change", "remove", "import"])
def test_any_change_takes_both_sign_offs_and_both_confirmations_back(
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


def test_an_import_that_changes_nothing_leaves_the_sign_offs(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")
    sign(sheet, owner, "client")

    job(sheet, "ann@outside.test", owner)

    assert status(sheet) == ("partly_confirmed", ["client"])


def test_who_signs_after_a_change_they_have_not_seen_is_told(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    seen = sheet.revision
    add(sheet, consultant, target="ann@outside.test")

    with pytest.raises(ConflictingChange, match="nothing was signed"):
        sign_off.sign_off(sheet, by=owner, side="client", expected_revision=seen)

    assert status(sheet) == ("todo", [])


def test_where_the_task_is_one_sides_only_that_sides_sign_off_does_it(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant, "branding")
    row = SheetRow.objects.get(sheet=sheet, key="company")
    answer = entry_of(sheet, question="Company name", answer="Northwind")
    services.change_row(sheet, row.public_id, answer, version=1, by=owner)
    assert sheet.task.responsibility == Responsibility.CLIENT

    sign(sheet, consultant, "mimecast")
    assert status(sheet) == ("todo", ["mimecast"])
    sign(sheet, owner, "client")

    assert status(sheet) == ("done", ["mimecast", "client"])


@pytest.mark.parametrize("kind", ["outbound-addresses", "delivery-routes"])
def test_a_list_that_is_only_part_of_its_task_does_not_tick_it(
    tenant: Tenant, owner: User, consultant: User, kind: str
) -> None:
    sheet = sheet_of(tenant, kind)

    sign(sheet, owner, "client")
    sign(sheet, consultant, "mimecast")

    assert status(sheet) == ("todo", ["mimecast", "client"])


def test_an_empty_list_can_be_signed_off_and_unanswered_questions_cannot(
    make_tenant: object, tenant: Tenant, owner: User
) -> None:
    Task.objects.filter(plan__tenant=tenant, key="request-for-information").update(applies=True)

    sign(sheet_of(tenant), owner, "client")
    with pytest.raises(OnboardingError, match="Nothing is answered yet"):
        sign(sheet_of(tenant, "request-for-information"), owner, "client")

    assert status(sheet_of(tenant)) == ("partly_confirmed", ["client"])


def test_nobody_signs_twice_for_no_side_or_what_does_not_apply(
    tenant: Tenant, owner: User, manager: User
) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")

    with pytest.raises(OnboardingError, match="already"):
        sign(sheet, owner, "client")
    with pytest.raises(NotPermitted):
        sign(sheet, manager, "")
    Task.objects.filter(pk=sheet.task_id).update(applies=False)
    with pytest.raises(OnboardingError, match="does not apply"):
        sign(sheet_of(tenant), owner, "mimecast")


def test_a_sign_off_that_its_task_refuses_is_not_kept(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    Task.objects.filter(pk=sheet.task_id).update(
        manual_status="not_needed", status_reason="not now", status="not_applicable"
    )

    with pytest.raises(OnboardingError, match="bring it back first"):
        sign(sheet, owner, "client")

    assert status(sheet)[1] == []


def test_taking_ones_own_sign_off_back_leaves_the_other_sides(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")
    sign(sheet, consultant, "mimecast")

    sign_off.withdraw_sign_off(sheet, by=owner, side="client")

    assert status(sheet) == ("partly_confirmed", ["mimecast"])
    with pytest.raises(OnboardingError, match="has not signed"):
        sign_off.withdraw_sign_off(sheet, by=owner, side="client")


def test_undoing_at_the_task_cannot_part_it_from_its_sheet(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)

    sign(sheet, owner, "client")

    assert Task.objects.get(pk=sheet.task_id).undo is None


def test_a_plain_word_confirms_no_step_that_gathers_a_sheet(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)

    with pytest.raises(OnboardingError, match="Sign its sheet off"):
        confirm_task(sheet.task, by=owner, side="client")

    assert status(sheet) == ("todo", [])


def test_a_step_that_was_signed_for_is_taken_back_at_its_sheet(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    sign(sheet, owner, "client")

    with pytest.raises(OnboardingError, match="take that back at the sheet"):
        withdraw_confirmation(sheet.task, by=owner, side="client")

    assert status(sheet) == ("partly_confirmed", ["client"])


def test_a_list_that_is_not_all_its_task_asks_for_leaves_the_plain_word(
    tenant: Tenant, consultant: User
) -> None:
    sheet = sheet_of(tenant, "delivery-routes")
    Task.objects.filter(pk=sheet.task_id).update(depends_on=[])

    confirm_task(sheet.task, by=consultant, side="mimecast")

    assert Task.objects.get(pk=sheet.task_id).mimecast_confirmed_by == consultant


def test_the_plan_offers_the_sheet_in_place_of_the_plain_word(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    task = sheet_of(tenant).task
    address = reverse("onboarding:plan-show", args=[tenant.public_id])

    page = signed_in(owner).get(f"{address}?phase={task.phase.key}").content.decode()

    confirm = reverse("onboarding:task-confirm", args=[tenant.public_id, task.public_id])
    assert (confirm in page, "Open the sheet to sign it off" in " ".join(page.split())) == (
        False,
        True,
    )


def test_a_word_by_a_sheet_falls_with_it_though_the_step_is_the_other_sides_by_now(
    tenant: Tenant, owner: User
) -> None:
    """Else it would be there again, for rows nobody signed, once the step comes back."""
    sheet = sheet_of(tenant)
    sign_off.sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)
    Task.objects.filter(pk=sheet.task_id).update(responsibility="mimecast")

    add(sheet, owner, target="ann@outside.test")

    assert Task.objects.get(pk=sheet.task_id).client_confirmed_at is None
