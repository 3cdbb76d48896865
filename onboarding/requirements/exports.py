"""Export a sheet as CSV or XLSX, for the Administration Console or with all columns.

A spreadsheet runs a cell that begins with = + - @ as a formula (CSV injection). In CSV such a cell
of free text gets a leading apostrophe. Names and addresses need none: validation rejects those
characters at their start, and the console needs the exact values. In XLSX every cell is text.

Exports are streamed, so that memory use does not depend on the size of the sheet.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from onboarding.models import RequirementsSheet, SheetRow
from onboarding.requirements.cell_types import FORMULA_STARTS
from onboarding.requirements.columns import Column
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.xlsx_writer import stream_workbook
from tenants.visible_text import visible

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ROWS_AT_ONCE = 500


def columns_for(sheet: RequirementsSheet, *, is_full: bool) -> list[Column]:
    """The console's columns in its order, or all columns, which can be imported again."""
    kind = definition_of(sheet)
    return [column for column in kind.columns if is_full or column.console_heading]


def rows_for(sheet: RequirementsSheet, *, is_full: bool) -> Iterator[list[str]]:
    """The headings, then the rows in order. The console's file has each row once."""
    columns = columns_for(sheet, is_full=is_full)
    yield [column.label if is_full else column.console_heading for column in columns]
    rows = SheetRow.objects.filter(sheet=sheet).values_list("values", flat=True)
    seen: set[tuple[str, ...]] = set()
    for values in rows.iterator(chunk_size=2000):
        row = [visible(values.get(column.name, "")) for column in columns]
        if not is_full:
            # Rows may differ only in columns that the console does not have.
            if tuple(row) in seen:
                continue
            seen.add(tuple(row))
        yield row


def stream_csv(sheet: RequirementsSheet, *, is_full: bool) -> Iterator[bytes]:
    """UTF-8 with a byte order mark. Without it, Excel assumes another encoding."""
    columns = columns_for(sheet, is_full=is_full)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    yield codecs.BOM_UTF8
    for number, row in enumerate(rows_for(sheet, is_full=is_full), start=1):
        pairs = zip(columns, row, strict=True)
        writer.writerow(
            [_escape_formula(text) if column.is_text else text for column, text in pairs]
        )
        if number % _ROWS_AT_ONCE == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _escape_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def stream_xlsx(sheet: RequirementsSheet, *, is_full: bool) -> Iterator[bytes]:
    return stream_workbook(definition_of(sheet).title, rows_for(sheet, is_full=is_full))


def as_csv(sheet: RequirementsSheet, *, is_full: bool) -> bytes:
    return b"".join(stream_csv(sheet, is_full=is_full))


def as_xlsx(sheet: RequirementsSheet, *, is_full: bool) -> bytes:
    return b"".join(stream_xlsx(sheet, is_full=is_full))


def file_name(sheet: RequirementsSheet, *, is_full: bool, ending: str) -> str:
    tail = "-whole" if is_full else ""
    return f"{sheet.kind}{tail}.{ending}"
