"""Two people change one requirements sheet at the same time, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetImport, SheetRow, Task
from onboarding.requirements import imports, services, sign_off
from tenants.models import ActivityLine, Tenant, User
from tests.interop.concurrency import run_concurrently
from tests.onboarding.requirements.sheet_rows import add, entry_of, sheet_of, shown

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


def _outcome_text(act: Callable[[], object]) -> Callable[[], str]:
    """Run the action and return "done" or the reason for its refusal."""

    def press() -> str:
        try:
            act()
        except OnboardingError as error:
            return type(error).__name__
        return "done"

    return press


def _again(sheet: RequirementsSheet) -> RequirementsSheet:
    return RequirementsSheet.objects.select_related("task__plan__tenant").get(pk=sheet.pk)


@pytest.mark.parametrize("_round", range(5))
def test_row_change_removes_signature(
    tenant: Tenant, owner: User, consultant: User, _round: int
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    shown_revision = _again(sheet).revision
    entry = entry_of(sheet, target="ann@outside.test", note="new")

    results = run_concurrently(
        [
            _outcome_text(
                lambda: sign_off.sign_off(
                    _again(sheet), by=owner, side="client", expected_revision=shown_revision
                )
            ),
            _outcome_text(
                lambda: services.change_row(
                    _again(sheet), row.public_id, entry, version=1, by=consultant
                )
            ),
        ]
    )

    assert results in (["done", "done"], ["ConflictingChange", "done"])
    assert _again(sheet).signed_sides == []
    assert Task.objects.get(pk=sheet.task_id).client_confirmed_at is None
    assert SheetRow.objects.get(pk=row.pk).values["note"] == "new"


def test_both_sides_signing_complete_task(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    shown_revision = _again(sheet).revision

    def sign(by: User, side: str) -> Callable[[], str]:
        return _outcome_text(
            lambda: sign_off.sign_off(
                _again(sheet), by=by, side=side, expected_revision=shown_revision
            )
        )

    results = run_concurrently([sign(owner, "client"), sign(consultant, "mimecast")])

    assert results == ["done", "done"]
    assert Task.objects.get(pk=sheet.task_id).status == "done"


def test_equal_entries_are_stored_once(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    entry = entry_of(sheet, target="ann@outside.test")

    def add_it(by: User) -> Callable[[], str]:
        return _outcome_text(lambda: services.add_row(_again(sheet), entry, by=by))

    results = run_concurrently([add_it(owner), add_it(consultant)])

    assert sorted(results) == ["DuplicateRow", "done"]
    assert SheetRow.objects.filter(sheet=sheet).count() == _again(sheet).row_count == 1


def test_row_history_has_both_versions(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")

    def change(by: User) -> Callable[[], str]:
        entry = entry_of(sheet, target="ann@outside.test", note=by.name)
        return _outcome_text(
            lambda: services.change_row(_again(sheet), row.public_id, entry, version=1, by=by)
        )

    results = run_concurrently([change(owner), change(consultant)])

    stored = SheetRow.objects.get(pk=row.pk)
    first = (owner, consultant)[results.index("done")]
    assert sorted(results) == ["RowConflict", "done"]
    assert (stored.values["note"], stored.version, stored.changed_by) == (first.name, 2, first)


def test_import_is_written_once(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    stored = shown(sheet, "ann@outside.test\nbob@outside.test", owner)

    def press(by: User) -> Callable[[], str]:
        return _outcome_text(lambda: _accept(stored.pk, by))

    run_concurrently([press(owner), press(consultant)])

    assert SheetRow.objects.filter(sheet=sheet).count() == 2
    assert _again(sheet).row_count == 2
    assert ActivityLine.objects.filter(action="sheet-imported").count() == 1


def _accept(pk: int, by: User) -> None:
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by")
    imports.confirm_import(rows.get(pk=pk), duplicates="skip", by=by)
    imports.run_import(rows.get(pk=pk))
