"""Read uploaded XLSX files. Uploads are untrusted, so each is measured before it is opened."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from onboarding.requirements.archives import DAMAGED, Measurements, measure
from onboarding.requirements.tables import (
    MAX_COLUMNS,
    MAX_ROWS,
    PROGRESS_EVERY_ROWS,
    SAMPLE_ROWS,
    ChooseWorksheet,
    OnProgress,
    Row,
    UnreadableFile,
    too_many_rows,
    unread_worksheets,
)

_LAST_ROW = 1_048_576  # the limit of Excel
# A formula that no program has calculated yet. Validation rejects this value.
NOT_COMPUTED = "\N{REPLACEMENT CHARACTER} (a formula without a saved result)"


def read_rows(
    content: bytes, on_progress: OnProgress, choose: ChooseWorksheet
) -> tuple[list[Row], list[str]]:
    """The rows of the chosen worksheet with their numbers, and notes.

    A formula has the result that was saved with it: nothing is calculated. Raises UnreadableFile.
    """
    measurements = measure(content)
    _refuse_distant_row(measurements)
    try:
        with warnings.catch_warnings():
            # openpyxl warns about charts and validations that it drops; a table of text needs none.
            warnings.simplefilter("ignore")
            return _read(content, measurements, on_progress, choose)
    except UnreadableFile:
        raise
    except (
        *DAMAGED,
        InvalidFileException,
        ParseError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        ArithmeticError,
        RecursionError,
    ) as error:
        # openpyxl has no exception for a damaged part. It raises these.
        raise UnreadableFile(
            "The workbook is damaged and cannot be read. Save it again."
        ) from error


def _refuse_distant_row(measurements: Measurements) -> None:
    """Refuse a few rows that claim to be far below: the reader would count through the gap."""
    if measurements.last_row > MAX_ROWS and measurements.rows < measurements.last_row / 2:
        raise UnreadableFile(
            f"The workbook claims row {measurements.last_row:,}, but contains"
            f" {measurements.rows:,} rows. Delete the rows below the last entry and save it again."
        )


def _read(
    content: bytes, measurements: Measurements, on_progress: OnProgress, choose: ChooseWorksheet
) -> tuple[list[Row], list[str]]:
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    formulas = (
        load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        if measurements.has_formulas
        else None
    )

    def written(place: int) -> Iterator[Sequence[Any]]:
        return _values(formulas.worksheets[place]) if formulas is not None else iter(())

    sheets = book.worksheets
    samples = {
        place: [cells for _, cells in islice(_rows(_values(sheet), written(place)), SAMPLE_ROWS)]
        for place, sheet in enumerate(sheets)
    }
    filled = [place for place, sample in samples.items() if sample]
    if not filled:
        return [], []
    # Old versions of a table are often in hidden worksheets.
    visible = [place for place in filled if sheets[place].sheet_state == "visible"] or filled
    place = visible[choose([samples[place] for place in visible])]
    values = _with_progress(_values(sheets[place]), measurements.rows, on_progress)
    notes = unread_worksheets([sheets[other].title for other in filled], filled.index(place))
    return list(_rows(values, written(place))), notes


def _with_progress(
    rows: Iterator[Sequence[Any]], total: int, on_progress: OnProgress
) -> Iterator[Sequence[Any]]:
    for number, row in enumerate(rows, start=1):
        if number % PROGRESS_EVERY_ROWS == 0:
            on_progress(number, max(total, number))
        yield row


def _values(sheet: Any) -> Iterator[Sequence[Any]]:
    # The dimension that a file declares may be wrong.
    sheet.reset_dimensions()
    # Without max_col, which would pad each row to that width. A row ends with its last cell.
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(values_only=True)
    for number, row in enumerate(rows, start=1):
        if number > _LAST_ROW:
            raise UnreadableFile("The workbook has more rows than a spreadsheet can have.")
        yield row[: MAX_COLUMNS + 1]


def _rows(rows: Iterator[Sequence[Any]], written: Iterator[Sequence[Any]]) -> Iterator[Row]:
    count = 0
    for number, (row, formulas) in enumerate(zip_longest(rows, written, fillvalue=()), start=1):
        if row.count(None) == len(row) and formulas.count(None) == len(formulas):
            # Some programs write a million empty rows, so an empty row must be cheap.
            continue
        cells = [
            _text(value, formula)
            for value, formula in zip_longest(row, formulas[: len(row)], fillvalue=None)
        ]
        if not any(cells):
            continue
        count += 1
        if count > MAX_ROWS + 1:
            raise too_many_rows()
        yield number, cells


def _text(value: Any, formula: Any) -> str:
    if value is None:
        return NOT_COMPUTED if isinstance(formula, str) and formula.startswith("=") else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)
