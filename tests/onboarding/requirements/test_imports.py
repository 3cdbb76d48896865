"""Tests of imports: previews, duplicates, conflicts and failures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.errors import OnboardingError
from onboarding.models import SheetImport, SheetRow
from onboarding.requirements import imports, services
from onboarding.requirements.xlsx_writer import write_workbook
from tenants.models import ActivityLine, Tenant, User
from tests.onboarding.requirements.sheet_rows import (
    add,
    entry_of,
    job,
    sheet_of,
    shown,
    values,
)


def counts(sheet_import: SheetImport) -> dict[str, int]:
    names = ("rows", "new", "same", "differing", "repeated", "problem_rows")
    return {name: sheet_import.report[name] for name in names}


def test_preview_counts_and_changes_nothing(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")
    add(sheet, owner, target="bob@outside.test", note="old")

    sheet_import = shown(
        sheet,
        "Address,Note\n"
        "ann@outside.test,\n"
        "bob@outside.test,new\n"
        "cleo@outside.test,\n"
        "CLEO@outside.test,again\n"
        "not an address,\n",
        owner,
    )

    assert counts(sheet_import) == {
        "rows": 5,
        "new": 1,
        "same": 1,
        "differing": 1,
        "repeated": 1,
        "problem_rows": 1,
    }
    (problem,) = sheet_import.report["problems"]
    assert (problem["row"], problem["column"]) == (6, "Address or domain outside")
    assert sheet_import.report["disputed"] == [{"key": "cleo@outside.test", "rows": [4, 5]}]
    assert len(values(sheet)) == 2


def test_import_with_problems_is_refused(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    sheet_import = shown(sheet, "ann@outside.test\nnonsense\n", owner)

    with pytest.raises(OnboardingError, match="Nothing was imported"):
        imports.confirm_import(sheet_import, duplicates="skip", by=owner)

    assert values(sheet) == []


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [
        ("skip", [["bob@outside.test", "old"], ["cleo@outside.test", "first"]]),
        ("replace", [["bob@outside.test", "new"], ["cleo@outside.test", "last"]]),
    ],
)
def test_duplicates_follow_the_choice(
    tenant: Tenant, owner: User, duplicates: str, expected: list[list[str]]
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="bob@outside.test", note="old")

    sheet_import = job(
        sheet,
        "Address,Note\nbob@outside.test,new\ncleo@outside.test,first\ncleo@outside.test,last\n",
        owner,
        duplicates,
    )

    assert [[row[0], row[3]] for row in values(sheet)] == expected
    assert sheet_import.status == "done"
    assert bytes(sheet_import.content) == b""
    after = SheetRow.objects.get(pk=row.pk)
    assert after.public_id == row.public_id
    assert after.version == (2 if duplicates == "replace" else 1)
    sheet.refresh_from_db()
    assert sheet.row_count == 2


def test_changed_sheet_gets_a_new_preview(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet = sheet_of(tenant)
    sheet_import = shown(sheet, "bob@outside.test,,,from the file", owner)
    add(sheet, consultant, target="bob@outside.test", note="typed later")

    imports.confirm_import(sheet_import, duplicates="replace", by=owner)
    imports.run_import(sheet_import)

    sheet_import.refresh_from_db()
    assert (
        sheet_import.status,
        sheet_import.report["is_repeated"],
        sheet_import.report["differing"],
    ) == ("ready", True, 1)
    assert values(sheet) == [["bob@outside.test", "", "forward", "typed later"]]


def test_failed_write_leaves_sheet_unchanged(
    tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="old")
    sheet_import = shown(sheet, "bob@outside.test\nann@outside.test,,,new", owner)
    imports.confirm_import(sheet_import, duplicates="replace", by=owner)

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(services, "record_change", fail)
    with pytest.raises(DatabaseError):
        imports.run_import(sheet_import)

    assert values(sheet) == [["ann@outside.test", "", "forward", "old"]]
    sheet_import = SheetImport.objects.get(pk=sheet_import.pk)
    assert sheet_import.status == "importing"


def test_import_runs_once(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    sheet_import = shown(sheet, "ann@outside.test", owner)
    imports.confirm_import(sheet_import, duplicates="skip", by=owner)
    again = SheetImport.objects.select_related("sheet__task__plan__tenant").get(pk=sheet_import.pk)

    imports.run_import(sheet_import)
    imports.run_import(again)

    sheet.refresh_from_db()
    assert (sheet.row_count, sheet.revision) == (1, 1)
    with pytest.raises(OnboardingError, match="already started"):
        imports.confirm_import(sheet_import, duplicates="skip", by=owner)


def test_closed_tenant_is_not_imported_into(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    sheet_import = shown(sheet, "ann@outside.test", owner)
    imports.confirm_import(sheet_import, duplicates="skip", by=owner)
    sheet_import.sheet.task.plan.tenant.closed_at = timezone.now()

    imports.run_import(sheet_import)

    assert (values(sheet), SheetImport.objects.get().status) == ([], "failed")


def test_import_is_logged_for_its_confirmer(tenant: Tenant, owner: User, consultant: User) -> None:
    sheet_import = shown(sheet_of(tenant), "ann@outside.test", owner)

    imports.confirm_import(sheet_import, duplicates="skip", by=consultant)
    imports.run_import(sheet_import)

    line = ActivityLine.objects.get(tenant=tenant, action="sheet-imported")
    assert (line.actor, SheetRow.objects.get(key="ann@outside.test | ").changed_by) == (
        consultant,
        consultant,
    )


def test_empty_answers_remove_nothing(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant, "branding")
    row = SheetRow.objects.get(sheet=sheet, key="company")
    answer = entry_of(sheet, question="company", answer="Northwind")
    services.change_row(sheet, row.public_id, answer, version=1, by=owner)

    sheet_import = job(
        sheet, "Question\tAnswer\nCompany name\t\nMain colour\t#112233\nURL prefix\tnw", owner
    )

    answers = dict(SheetRow.objects.filter(sheet=sheet).values_list("key", "values__answer"))
    assert answers["company"] == "Northwind"
    assert (answers["main-colour"], answers["url-prefix"]) == ("#112233", "nw")
    assert (sheet_import.report["new"], sheet_import.report["replaced"]) == (2, 0)
    sheet.refresh_from_db()
    assert sheet.row_count == 3


def test_unknown_question_is_a_problem(tenant: Tenant, owner: User) -> None:
    sheet_import = shown(sheet_of(tenant, "branding"), "Shoe size\t43", owner)

    assert sheet_import.report["problems"][0]["sentence"].startswith(
        "This sheet has no such question"
    )


def test_workbook_imports_like_text(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant, "tls-partners")
    content = write_workbook("x", [["Domain", "TLS"], ["Partner.example", "strict"]])

    job(sheet, content, owner)

    assert values(sheet) == [["partner.example", "both", "enforced", ""]]


def test_unreadable_paste_is_stored_for_correction(tenant: Tenant, owner: User) -> None:
    sheet_import = shown(sheet_of(tenant), b"%PDF-1.7", owner)

    assert (sheet_import.status, sheet_import.error) == (
        "failed",
        "This file is not a table. Import CSV or XLSX, or paste text.",
    )


def test_too_many_rows_are_refused(
    tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MAX_ROWS", 2)

    sheet_import = shown(sheet_of(tenant), "a.example\nb.example\nc.example", owner)

    assert sheet_import.status == "failed"


def test_abandoned_previews_are_deleted(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    old = shown(sheet, "ann@outside.test", owner)
    done = job(sheet, "bob@outside.test", owner)
    old = shown(sheet, "ann@outside.test", owner)
    SheetImport.objects.update(created_at=timezone.now() - timedelta(days=2))

    imports.delete_abandoned()

    assert list(SheetImport.objects.all()) == [done]
    assert not SheetImport.objects.filter(pk=old.pk).exists()


def test_running_import_is_not_discarded(tenant: Tenant, owner: User) -> None:
    sheet_import = shown(sheet_of(tenant), "ann@outside.test", owner)
    imports.confirm_import(sheet_import, duplicates="skip", by=owner)

    now = timezone.now()
    assert not imports.discard_import(sheet_import, now=now)
    assert not imports.discard_import(sheet_import, now=now + timedelta(minutes=2))
    assert imports.discard_import(sheet_import, now=now + timedelta(minutes=4))


_LINES = st.lists(
    st.sampled_from(
        ["ann@outside.test", "ANN@outside.test,x", "b.example", "nonsense", ",,,", '"', "=1+1", "é"]
    ),
    max_size=6,
)


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=_LINES, tail=st.binary(max_size=20), duplicates=st.sampled_from(["skip", "replace"]))
def test_import_is_all_or_nothing(
    tenant: Tenant, owner: User, lines: list[str], tail: bytes, duplicates: str
) -> None:
    sheet = sheet_of(tenant)
    SheetRow.objects.filter(sheet=sheet).delete()
    type(sheet).objects.filter(pk=sheet.pk).update(row_count=0)
    content = "\n".join(lines).encode() + tail
    if not content.strip():
        return

    sheet_import = shown(sheet, content, owner)
    if sheet_import.status == "ready" and not sheet_import.report["problem_rows"]:
        imports.confirm_import(sheet_import, duplicates=duplicates, by=owner)
        imports.run_import(sheet_import)

    rows = len(values(sheet))
    sheet_import.refresh_from_db()
    sheet.refresh_from_db()
    assert rows == sheet.row_count
    assert rows == (sheet_import.report["new"] if sheet_import.status == "done" else 0)
    assert sheet_import.status in ("done", "ready", "failed")


def test_import_into_closed_tenant_fails(
    tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = sheet_of(tenant)
    sheet_import = shown(sheet, "target\nann@outside.test\n", owner)
    imports.confirm_import(sheet_import, duplicates="skip", by=owner)

    def read_and_close(read_as: SheetImport, *rest: Any) -> object:
        Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())
        return whole(read_as, *rest)

    whole = imports._read
    monkeypatch.setattr(imports, "_read", read_and_close)
    imports.run_import(sheet_import)

    sheet_import.refresh_from_db()
    assert sheet_import.error == "The tenant has been closed. Nothing was imported."
    assert values(sheet) == []
