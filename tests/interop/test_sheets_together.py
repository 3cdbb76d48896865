"""Two people at one requirements sheet at the same moment, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from onboarding.errors import OnboardingError
from onboarding.models import Sheet, SheetImport, SheetRow, Task
from onboarding.sheets import importing, keeping, signing
from tenants.models import ActivityLine, Tenant, User
from tests.interop.at_once import at_once
from tests.onboarding.sheets.rows import add, entry_of, sheet_of, shown

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


def _told(act: Callable[[], object]) -> Callable[[], str]:
    """The act, told in a word: whether it was done, or why not."""

    def press() -> str:
        try:
            act()
        except OnboardingError as error:
            return type(error).__name__
        return "done"

    return press


def _again(sheet: Sheet) -> Sheet:
    return Sheet.objects.select_related("task__plan__tenant").get(pk=sheet.pk)


@pytest.mark.parametrize("_round", range(5))
def test_a_row_that_changes_while_a_side_signs_never_leaves_the_signature(
    tenant: Tenant, owner: User, consultant: User, _round: int
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    seen = _again(sheet).revision
    entry = entry_of(sheet, target="ann@outside.test", note="new")

    told = at_once(
        [
            _told(
                lambda: signing.sign_off(_again(sheet), by=owner, side="client", seen_revision=seen)
            ),
            _told(
                lambda: keeping.change_row(
                    _again(sheet), row.public_id, entry, version=1, by=consultant
                )
            ),
        ]
    )

    assert told in (["done", "done"], ["MovedMeanwhile", "done"])
    assert _again(sheet).signed_sides == []
    assert Task.objects.get(pk=sheet.task_id).client_confirmed_at is None
    assert SheetRow.objects.get(pk=row.pk).values["note"] == "new"


def test_both_sides_signing_at_once_do_the_step(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    seen = _again(sheet).revision

    def sign(by: User, side: str) -> Callable[[], str]:
        return _told(lambda: signing.sign_off(_again(sheet), by=by, side=side, seen_revision=seen))

    told = at_once([sign(owner, "client"), sign(consultant, "mimecast")])

    assert told == ["done", "done"]
    assert Task.objects.get(pk=sheet.task_id).state == "done"


def test_two_people_who_add_the_same_entry_keep_it_once(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    entry = entry_of(sheet, target="ann@outside.test")

    def add_it(by: User) -> Callable[[], str]:
        return _told(lambda: keeping.add_row(_again(sheet), entry, by=by))

    told = at_once([add_it(owner), add_it(consultant)])

    assert sorted(told) == ["AlreadyThere", "done"]
    assert SheetRow.objects.filter(sheet=sheet).count() == _again(sheet).rows_total == 1


def test_two_people_who_change_one_row_lose_neither_version(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    def change(by: User) -> Callable[[], str]:
        entry = entry_of(sheet, target="ann@outside.test", note=by.name)
        return _told(
            lambda: keeping.change_row(_again(sheet), row.public_id, entry, version=1, by=by)
        )

    told = at_once([change(owner), change(consultant)])

    kept = SheetRow.objects.get(pk=row.pk)
    first = (owner, consultant)[told.index("done")]
    assert sorted(told) == ["ChangedMeanwhile", "done"]
    assert (kept.values["note"], kept.version, kept.changed_by) == (first.name, 2, first)


def test_an_import_that_two_people_say_yes_to_is_written_once(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    sheet = sheet_of(tenant)
    kept = shown(sheet, "ann@outside.test\nbob@outside.test", owner)

    def press(by: User) -> Callable[[], str]:
        return _told(lambda: _say_yes(kept.pk, by))

    at_once([press(owner), press(consultant)])

    assert SheetRow.objects.filter(sheet=sheet).count() == 2
    assert _again(sheet).rows_total == 2
    assert ActivityLine.objects.filter(act="sheet-imported").count() == 1


def _say_yes(pk: int, by: User) -> None:
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "made_by")
    importing.confirm_import(rows.get(pk=pk), duplicates="skip", by=by)
    importing.run_import(rows.get(pk=pk))
