"""Rows one at a time: what is the same entry, and two people at one row."""

from __future__ import annotations

import pytest

from onboarding.errors import OnboardingError
from onboarding.models import Sheet, SheetRow
from onboarding.services import follow_profile
from onboarding.sheets import keeping
from onboarding.sheets.keeping import AlreadyThere, ChangedMeanwhile
from onboarding.sheets.kinds import KINDS
from tenants.models import ActivityLine, Tenant, User
from tests.onboarding.sheets.rows import add, entry_of, sheet_of, values


def test_a_plan_comes_with_a_sheet_of_every_kind(tenant: Tenant) -> None:
    kinds = Sheet.objects.filter(task__plan__tenant=tenant).values_list("kind", flat=True)

    assert sorted(kinds) == sorted(KINDS)
    for kind in KINDS.values():
        rows = SheetRow.objects.filter(sheet=sheet_of(tenant, kind.key))
        assert [row.key for row in rows] == [asked.key for asked in kind.questions]


def test_an_older_plan_gets_its_sheets_with_the_next_change_of_the_profile(
    tenant: Tenant, owner: User
) -> None:
    kept = add(sheet_of(tenant), owner, target="ann@outside.test")
    Sheet.objects.exclude(kind="forwarding").delete()

    follow_profile(tenant)

    assert Sheet.objects.filter(task__plan__tenant=tenant).count() == len(KINDS)
    assert SheetRow.objects.filter(pk=kept.pk).exists()


def test_an_entry_is_in_a_sheet_once(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="Ann@Outside.test")

    with pytest.raises(AlreadyThere):
        add(sheet, owner, target="ann@outside.TEST", note="again")

    assert values(sheet) == [["Ann@outside.test", "", "forward", ""]]
    sheet.refresh_from_db()
    assert (sheet.rows_total, sheet.revision) == (1, 1)


def test_the_later_of_two_editors_is_shown_what_the_first_saved(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    first = entry_of(sheet, target="ann@outside.test", note="the client’s")
    second = entry_of(sheet, target="ann@outside.test", note="the consultant’s")
    keeping.change_row(sheet, row.public_id, first, version=1, by=owner)

    with pytest.raises(ChangedMeanwhile, match="Owner Person changed this row") as told:
        keeping.change_row(sheet, row.public_id, second, version=1, by=consultant)

    assert told.value.row is not None
    assert told.value.row.values["note"] == "the client’s"
    assert values(sheet) == [["ann@outside.test", "", "forward", "the client’s"]]
    keeping.change_row(sheet, row.public_id, second, version=2, by=consultant)
    assert values(sheet) == [["ann@outside.test", "", "forward", "the consultant’s"]]


def test_a_row_that_changed_is_not_removed(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    changed = entry_of(sheet, target="ann@outside.test", note="needed")
    keeping.change_row(sheet, row.public_id, changed, version=1, by=owner)

    with pytest.raises(ChangedMeanwhile):
        keeping.remove_row(sheet, row.public_id, version=1, by=consultant)
    assert len(values(sheet)) == 1

    keeping.remove_row(sheet, row.public_id, version=2, by=consultant)
    assert values(sheet) == []
    with pytest.raises(ChangedMeanwhile, match="removed this row") as told:
        keeping.change_row(sheet, row.public_id, changed, version=2, by=owner)
    assert told.value.row is None


def test_a_row_of_another_sheet_cannot_be_reached(
    tenant: Tenant, outsider: User, owner: User
) -> None:
    other = Sheet.objects.exclude(task__plan__tenant=tenant).get(kind="forwarding")
    row = add(other, outsider, target="ann@outside.test")

    with pytest.raises(ChangedMeanwhile):
        keeping.remove_row(sheet_of(tenant), row.public_id, version=1, by=owner)

    assert SheetRow.objects.filter(pk=row.pk).exists()


def test_saving_what_stands_there_changes_nothing(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    same = keeping.change_row(
        sheet, row.public_id, entry_of(sheet, target="ANN@outside.test"), version=1, by=owner
    )
    keeping.change_row(
        sheet, row.public_id, entry_of(sheet, target="ANN@Outside.test"), version=2, by=owner
    )

    # Another spelling of the part before the @ is a change; the second save is none.
    assert same.version == 2
    sheet.refresh_from_db()
    assert sheet.revision == 2


def test_fixed_questions_are_answered_and_never_added_or_removed(
    tenant: Tenant, owner: User
) -> None:
    sheet = sheet_of(tenant, "branding")
    row = SheetRow.objects.get(sheet=sheet, key="main-colour")
    answer = entry_of(sheet, question="Main colour", answer="0F5F73")

    keeping.change_row(sheet, row.public_id, answer, version=1, by=owner)

    sheet.refresh_from_db()
    row.refresh_from_db()
    assert (sheet.rows_total, row.values["answer"]) == (1, "#0f5f73")
    for act in (
        lambda: keeping.add_row(sheet, answer, by=owner),
        lambda: keeping.remove_row(sheet, row.public_id, version=2, by=owner),
    ):
        with pytest.raises(OnboardingError, match="fixed questions"):
            act()


def test_every_change_leaves_a_line_that_says_what_and_who(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    keeping.remove_row(sheet, row.public_id, version=1, by=owner)

    lines = ActivityLine.objects.filter(tenant=tenant, act__startswith="sheet-").order_by("number")
    assert [(line.act, line.actor, line.params["what"]) for line in lines] == [
        ("sheet-added", owner, "ann@outside.test"),
        ("sheet-removed", owner, "ann@outside.test"),
    ]
