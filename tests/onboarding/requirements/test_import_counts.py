"""Tests that the counts of a preview and of the finished import agree."""

from __future__ import annotations

import pytest

from onboarding.models import SheetImport
from onboarding.requirements import imports, services
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import add, entry_of, sheet_of, shown, values
from tests.onboarding.requirements.test_pages import url

COUNTS = ("new", "replaced", "left", "same", "repeated")
# Ann is in the sheet with the note "old", cleo with "c".
FILES = {
    "only new rows": "Address,Note\nbob@outside.test,x\ndan@outside.test,y",
    "one differs": "Address,Note\nann@outside.test,new\nbob@outside.test,x",
    "first equal, last not": "Address,Note\nann@outside.test,old\nann@outside.test,new",
    "last equal, first not": "Address,Note\nann@outside.test,new\nann@outside.test,old",
    "nothing new": "Address,Note\nann@outside.test,old\ncleo@outside.test,c",
    "new row twice": "Address,Note\nbob@outside.test,x\nbob@outside.test,y",
}
ANSWERS = {
    "five first answers": "Main colour\t#112233\nURL prefix\tnw\nLogo\ta.png\nWebsite\tx\n"
    "Text colour\t#ffffff",
    "one differs": "Company name\tSouthwind\nURL prefix\tnw",
    "empty, then an answer": "URL prefix\t\nURL prefix\tnw",
    "an answer, then empty": "URL prefix\tnw\nURL prefix\t",
    "equal": "Company name\tNorthwind",
}


def confirmed(job: SheetImport, mode: str, by: User) -> SheetImport:
    imports.confirm_import(job, duplicates=mode, by=by)
    imports.run_import(job)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("mode", ["skip", "replace"])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_rows_agree_with_preview(tenant: Tenant, owner: User, text: str, mode: str) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="old")
    add(sheet, owner, target="cleo@outside.test", note="c")

    preview = shown(sheet, text, owner)
    promised = dict(preview.report["modes"][mode])
    done = confirmed(preview, mode, owner)

    assert (done.status, done.report) == ("done", promised)
    assert len(values(sheet)) == 2 + promised["new"]


@pytest.mark.parametrize("mode", ["skip", "replace"])
@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_agree_with_preview(tenant: Tenant, owner: User, text: str, mode: str) -> None:
    sheet = sheet_of(tenant, "branding")
    row = sheet.rows.get(key="company")
    answer = entry_of(sheet, question="company", answer="Northwind")
    services.change_row(sheet, row.public_id, answer, version=1, by=owner)

    preview = shown(sheet, text, owner)
    promised = dict(preview.report["modes"][mode])
    done = confirmed(preview, mode, owner)

    assert (done.status, done.report) == ("done", promised)
    sheet.refresh_from_db()
    assert sheet.row_count == 1 + promised["new"]


def test_first_answers_count_as_new(tenant: Tenant, owner: User) -> None:
    preview = shown(sheet_of(tenant, "branding"), ANSWERS["five first answers"], owner)
    done = confirmed(preview, "skip", owner)

    assert [done.report[name] for name in COUNTS] == [5, 0, 0, 0, 0]
    line = ActivityLine.objects.get(tenant=tenant, action="sheet-imported")
    assert (line.params["added"], line.params["replaced"]) == (5, 0)


@pytest.mark.parametrize(
    ("text", "skip", "replace"),
    [
        (FILES["one differs"], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0]),
        (FILES["first equal, last not"], [0, 0, 0, 1, 1], [0, 1, 0, 0, 1]),
        (FILES["last equal, first not"], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1]),
    ],
)
def test_preview_counts_each_mode(
    tenant: Tenant, owner: User, text: str, skip: list[int], replace: list[int]
) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="old")

    report = shown(sheet, text, owner).report

    assert [report["modes"]["skip"][name] for name in COUNTS] == skip
    assert [report["modes"]["replace"][name] for name in COUNTS] == replace
    assert (report["new"], report["differing"]) == (skip[0], 1)


def test_page_shows_counts_of_each_mode(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="old")
    preview = shown(sheet, FILES["one differs"], owner)

    place = url(sheet, "requirements-import-show", import_id=preview.public_id)
    words = " ".join(signed_in(owner).get(place).content.decode().split())

    assert "rows in the file. Added: 1 row. Skipped: 1." in words
    assert "the last of duplicate rows. Added: 1 row. Replaced: 1." in words


@pytest.mark.parametrize("change", ["added", "changed", "removed", "equal counts"])
def test_concurrent_change_is_counted_again(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn, change: str
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test", note="old")
    preview = shown(sheet, "Address,Note\nann@outside.test,new\nbob@outside.test,x", owner)
    entry = entry_of(sheet, target="ann@outside.test", note="new")
    if change == "added":
        add(sheet, consultant, target="bob@outside.test", note="x")
    elif change == "changed":
        services.change_row(sheet, row.public_id, entry, version=1, by=consultant)
    elif change == "equal counts":
        other = entry_of(sheet, target="ann@outside.test", note="typed later")
        services.change_row(sheet, row.public_id, other, version=1, by=consultant)
    else:
        services.remove_row(sheet, row.public_id, version=1, by=consultant)

    again = confirmed(preview, "replace", owner)
    place = url(sheet, "requirements-import-show", import_id=again.public_id)
    page = " ".join(signed_in(owner).get(place).content.decode().split())
    promised = dict(again.report["modes"]["replace"])
    done = confirmed(again, "replace", owner)

    expected = {
        "added": [0, 1, 0, 1, 0],
        "changed": [1, 0, 0, 1, 0],
        "removed": [2, 0, 0, 0, 0],
        "equal counts": [1, 1, 0, 0, 0],
    }
    assert [promised[name] for name in COUNTS] == expected[change]
    assert "The sheet changed after the preview that you confirmed, so nothing was" in page
    assert ('value="replace" checked' in page) == (change in ("added", "equal counts"))
    assert done.report == promised


@pytest.mark.parametrize("modes", [{"skip": {"new": 7}}, {}], ids=["other rules", "0.1.0"])
def test_outdated_preview_is_repeated(
    tenant: Tenant, owner: User, modes: dict[str, dict[str, int]]
) -> None:
    sheet = sheet_of(tenant)
    preview = shown(sheet, "ann@outside.test", owner)
    preview.report["modes"] = modes

    again = confirmed(preview, "skip", owner)

    assert (again.status, again.report["is_repeated"]) == ("ready", True)
    assert not again.report["sheet_changed"]
    assert values(sheet) == []
