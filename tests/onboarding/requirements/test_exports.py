"""Tests of the exports for the console and of full exports that are imported again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from onboarding.models import SheetRow
from onboarding.requirements.exports import as_csv, as_xlsx, stream_csv, stream_xlsx
from onboarding.requirements.parsers import read_table
from onboarding.requirements.xlsx_writer import write_workbook
from tenants.models import Tenant, User
from tests.onboarding.requirements.sheet_rows import add, job, sheet_of, values


def parsed(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_console_file_has_its_columns_and_unique_rows(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", source="sales")
    add(sheet, owner, target="ann@outside.test", source="support")
    add(sheet, owner, target="outside.example", what="relay")

    assert parsed(as_csv(sheet, is_full=False)) == [
        ["Email Address or Domain"],
        ["ann@outside.test"],
        ["outside.example"],
    ]


def test_csv_escapes_formulas(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="=HYPERLINK(1)", source="@SUM(1)")

    (_, row) = parsed(as_csv(sheet, is_full=True))

    assert row == ["ann@outside.test", "'@SUM(1)", "forward", "'=HYPERLINK(1)"]


def test_full_export_can_be_imported(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="-1 “day”, or\ttwo; =x", source="'quoted'")
    add(sheet, owner, target="bücher.example", note="+49 30")
    before = values(sheet)

    for content in (as_csv(sheet, is_full=True), as_xlsx(sheet, is_full=True)):
        sheet_import = job(sheet, content, owner)
        assert (sheet_import.report["same"], sheet_import.report["new"]) == (2, 0)
    assert values(sheet) == before


def test_workbook_has_only_text_cells(tenant: Tenant, owner: User) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test", note="=1+1")

    table = read_table(as_xlsx(sheet, is_full=True))

    assert table.lines[1].cells == ["ann@outside.test", "", "forward", "=1+1"]


@pytest.mark.slow
@pytest.mark.parametrize("make", [stream_csv, stream_xlsx])
def test_export_is_streamed(
    tenant: Tenant, owner: User, make: Callable[..., Iterator[bytes]]
) -> None:
    sheet = sheet_of(tenant, "managed-senders")
    SheetRow.objects.bulk_create(
        SheetRow(
            sheet=sheet,
            position=number,
            key=f"{number}",
            values={"user": f"{uuid4()}@northwind.test", "sender": f"{uuid4()}.example"},
        )
        for number in range(6000)
    )

    sizes = [len(piece) for piece in make(sheet, is_full=True)]

    # Random text does not compress: 80 bytes a row, in chunks of 500 rows and the packer's buffer.
    assert len(sizes) > 5
    assert max(sizes) < 100_000 < sum(sizes)


def test_workbook_omits_invalid_xml_characters() -> None:
    content = write_workbook("x", [["a\x00\x0bb", "<&>", "  kept  ", "\ud800"]])

    assert read_table(content).lines[0].cells == ["ab", "<&>", "  kept  "]


def test_equal_rows_make_equal_workbooks() -> None:
    assert write_workbook("x", [["a"], ["b"]]) == write_workbook("x", [["a"], ["b"]])
