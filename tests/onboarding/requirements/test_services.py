"""Tests of changes of single rows: duplicates and conflicts."""

from __future__ import annotations

import pytest

from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.requirements import services
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.services import DuplicateRow, RowConflict
from tenants.models import ActivityLine, Tenant, User
from tests.onboarding.requirements.sheet_rows import add, entry_of, sheet_of, values


def test_plan_has_a_sheet_of_every_kind(tenant: Tenant) -> None:
    kinds = RequirementsSheet.objects.filter(task__plan__tenant=tenant).values_list(
        "kind", flat=True
    )

    assert sorted(kinds) == sorted(DEFINITIONS)
    for kind in DEFINITIONS.values():
        rows = SheetRow.objects.filter(sheet=sheet_of(tenant, kind.key))
        assert [row.key for row in rows] == [asked.key for asked in kind.questions]


def test_apply_profile_creates_missing_sheets(tenant: Tenant, owner: User) -> None:
    kept = add(sheet_of(tenant), owner, target="ann@outside.test")
    RequirementsSheet.objects.exclude(kind="forwarding").delete()

    apply_profile(tenant)

    assert RequirementsSheet.objects.filter(task__plan__tenant=tenant).count() == len(DEFINITIONS)
    assert SheetRow.objects.filter(pk=kept.pk).exists()


def test_duplicate_row_is_refused(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="Ann@Outside.test")

    with pytest.raises(DuplicateRow):
        add(sheet, owner, target="ann@outside.TEST", note="again")

    assert values(sheet) == [["Ann@outside.test", "", "forward", ""]]
    sheet.refresh_from_db()
    assert (sheet.row_count, sheet.revision) == (1, 1)


def test_second_edit_raises_row_conflict(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    first = entry_of(sheet, target="ann@outside.test", note="the client’s")
    second = entry_of(sheet, target="ann@outside.test", note="the consultant’s")
    services.change_row(sheet, row.public_id, first, version=1, by=owner)

    with pytest.raises(RowConflict, match="Owner Person has changed this row") as raised:
        services.change_row(sheet, row.public_id, second, version=1, by=consultant)

    assert raised.value.row is not None
    assert raised.value.row.values["note"] == "the client’s"
    assert values(sheet) == [["ann@outside.test", "", "forward", "the client’s"]]
    services.change_row(sheet, row.public_id, second, version=2, by=consultant)
    assert values(sheet) == [["ann@outside.test", "", "forward", "the consultant’s"]]


def test_changed_row_is_not_removed(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    changed = entry_of(sheet, target="ann@outside.test", note="needed")
    services.change_row(sheet, row.public_id, changed, version=1, by=owner)

    with pytest.raises(RowConflict):
        services.remove_row(sheet, row.public_id, version=1, by=consultant)
    assert len(values(sheet)) == 1

    services.remove_row(sheet, row.public_id, version=2, by=consultant)
    assert values(sheet) == []
    with pytest.raises(RowConflict, match="removed this row") as raised:
        services.change_row(sheet, row.public_id, changed, version=2, by=owner)
    assert raised.value.row is None


def test_row_of_another_sheet_is_not_found(tenant: Tenant, outsider: User, owner: User) -> None:
    other = RequirementsSheet.objects.exclude(task__plan__tenant=tenant).get(kind="forwarding")
    row = add(other, outsider, target="ann@outside.test")

    with pytest.raises(RowConflict):
        services.remove_row(sheet_of(tenant), row.public_id, version=1, by=owner)

    assert SheetRow.objects.filter(pk=row.pk).exists()


def test_saving_equal_values_changes_nothing(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    same = services.change_row(
        sheet, row.public_id, entry_of(sheet, target="ANN@outside.test"), version=1, by=owner
    )
    services.change_row(
        sheet, row.public_id, entry_of(sheet, target="ANN@Outside.test"), version=2, by=owner
    )

    # Another spelling of the local part is a change; the second save is none.
    assert same.version == 2
    sheet.refresh_from_db()
    assert sheet.revision == 2


def test_fixed_questions_cannot_be_added_or_removed(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant, "branding")
    row = SheetRow.objects.get(sheet=sheet, key="main-colour")
    answer = entry_of(sheet, question="Main colour", answer="0F5F73")

    services.change_row(sheet, row.public_id, answer, version=1, by=owner)

    sheet.refresh_from_db()
    row.refresh_from_db()
    assert (sheet.row_count, row.values["answer"]) == (1, "#0f5f73")
    for act in (
        lambda: services.add_row(sheet, answer, by=owner),
        lambda: services.remove_row(sheet, row.public_id, version=2, by=owner),
    ):
        with pytest.raises(OnboardingError, match="fixed questions"):
            act()


def test_every_change_is_logged(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    services.remove_row(sheet, row.public_id, version=1, by=owner)

    lines = ActivityLine.objects.filter(tenant=tenant, action__startswith="sheet-").order_by(
        "number"
    )
    assert [(line.action, line.actor, line.params["what"]) for line in lines] == [
        ("sheet-added", owner, "ann@outside.test"),
        ("sheet-removed", owner, "ann@outside.test"),
    ]
