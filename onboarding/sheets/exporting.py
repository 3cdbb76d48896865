"""A sheet as a file: for the Administration Console, or with everything in it.

A spreadsheet runs a cell that begins with = + - @ as a formula (CSV injection). In a CSV such a
cell gets an apostrophe in front, but only in free text: names and addresses cannot begin so, since
none is kept that does, and the console must get them as they are. In XLSX every cell is text.

Both are made while they are sent, so that a large sheet takes no more memory than a small one.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from onboarding.models import Sheet, SheetRow
from onboarding.sheets.book_writing import book_in_pieces
from onboarding.sheets.columns import Column
from onboarding.sheets.signing import kind_of
from onboarding.sheets.values import FORMULA_STARTS

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ROWS_AT_ONCE = 500


def columns_for(sheet: Sheet, *, is_whole: bool) -> list[Column]:
    """The console's columns, in its order; or all of ours, which an import takes back."""
    kind = kind_of(sheet)
    return [column for column in kind.columns if is_whole or column.console]


def rows_for(sheet: Sheet, *, is_whole: bool) -> Iterator[list[str]]:
    """Headings, then the rows in their order; in the console's file each once."""
    columns = columns_for(sheet, is_whole=is_whole)
    yield [column.label if is_whole else column.console for column in columns]
    rows = SheetRow.objects.filter(sheet=sheet).values_list("values", flat=True)
    seen: set[tuple[str, ...]] = set()
    for values in rows.iterator(chunk_size=2000):
        row = [values.get(column.name, "") for column in columns]
        if not is_whole:
            # What tells our rows apart may be of no interest to the console.
            if tuple(row) in seen:
                continue
            seen.add(tuple(row))
        yield row


def csv_in_pieces(sheet: Sheet, *, is_whole: bool) -> Iterator[bytes]:
    """UTF-8 with a byte order mark, without which Excel takes it for another encoding."""
    columns = columns_for(sheet, is_whole=is_whole)
    kept = io.StringIO(newline="")
    writer = csv.writer(kept)
    yield codecs.BOM_UTF8
    for number, row in enumerate(rows_for(sheet, is_whole=is_whole), start=1):
        pairs = zip(columns, row, strict=True)
        writer.writerow([_harmless(text) if column.is_words else text for column, text in pairs])
        if number % _ROWS_AT_ONCE == 0:
            yield _taken(kept)
    yield _taken(kept)


def _taken(kept: io.StringIO) -> bytes:
    text = kept.getvalue()
    kept.seek(0)
    kept.truncate()
    return text.encode()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def xlsx_in_pieces(sheet: Sheet, *, is_whole: bool) -> Iterator[bytes]:
    return book_in_pieces(kind_of(sheet).title, rows_for(sheet, is_whole=is_whole))


def as_csv(sheet: Sheet, *, is_whole: bool) -> bytes:
    return b"".join(csv_in_pieces(sheet, is_whole=is_whole))


def as_xlsx(sheet: Sheet, *, is_whole: bool) -> bytes:
    return b"".join(xlsx_in_pieces(sheet, is_whole=is_whole))


def file_name(sheet: Sheet, *, is_whole: bool, ending: str) -> str:
    tail = "-whole" if is_whole else ""
    return f"{sheet.kind}{tail}.{ending}"
