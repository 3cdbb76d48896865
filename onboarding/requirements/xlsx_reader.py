"""Read uploaded XLSX files. Uploads are untrusted, so each is measured before it is opened."""

from __future__ import annotations

import datetime
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from onboarding.errors import OnboardingError
from onboarding.requirements.cell_types import printable

MAX_ROWS = 100_000
MAX_COLUMNS = 50
_LAST_ROW = 1_048_576  # the limit of Excel
_MAX_PARTS = 500
_MAX_BYTES = 60 * 1024 * 1024
_CHUNK = 1 << 16
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
# A formula that no program has calculated yet. Validation rejects this value.
NOT_COMPUTED = "\N{REPLACEMENT CHARACTER} (a formula without a saved result)"

# The errors of zipfile, including NotImplementedError (a RuntimeError) and those of its decoders.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
)

Row = tuple[int, list[str]]


class BadWorkbook(OnboardingError):
    """The workbook cannot be read. The message states the reason."""


# Called now and then with the number of rows read and their total.
OnProgress = Callable[[int, int], None]
PROGRESS_EVERY_ROWS = 2000


def ignore_progress(done: int, total: int) -> None:
    """The callback of a caller that needs no progress."""


@dataclass(frozen=True)
class _Measurements:
    has_formulas: bool
    # The number of row tags. Some of those rows may be empty.
    rows: int


def read_rows(
    content: bytes, on_progress: OnProgress = ignore_progress
) -> tuple[list[Row], list[str]]:
    """The rows of the first worksheet that is not empty, with their numbers, and notes.

    A formula has the result that was saved with it: nothing is calculated. Raises BadWorkbook.
    """
    measurements = _measure(content)
    try:
        with warnings.catch_warnings():
            # openpyxl warns about charts and validations that it drops; a table of text needs none.
            warnings.simplefilter("ignore")
            return _read(content, measurements, on_progress)
    except BadWorkbook:
        raise
    except (
        *_DAMAGED,
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
        raise BadWorkbook("The workbook is damaged and cannot be read. Save it again.") from error


def unpacked_bytes(content: bytes) -> int:
    """The unpacked size in bytes that the workbook declares; 0 if it cannot be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except _DAMAGED:
        return 0


def _measure(content: bytes) -> _Measurements:
    """Unpack every part without storing it, and count its rows and formulas.

    Raises BadWorkbook for a zip bomb, an encrypted workbook, and XML with its own entities.
    """
    total, rows, has_formulas = 0, 0, False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_BYTES:
                raise BadWorkbook("The workbook is too large after unpacking.")
            for part in parts:
                with archive.open(part) as stream:
                    tail = b""
                    while chunk := stream.read(_CHUNK):
                        total += len(chunk)
                        if total > _MAX_BYTES:
                            raise BadWorkbook("The workbook is too large after unpacking.")
                        seen_before = len(_ROW.findall(tail))
                        window, tail = tail + chunk, chunk[-16:]
                        if part.filename.endswith((".xml", ".rels")):
                            if _ENTITIES.search(window):
                                raise BadWorkbook(
                                    "The workbook contains XML that no spreadsheet writes."
                                )
                            has_formulas = has_formulas or bool(_FORMULA.search(window))
                            rows += len(_ROW.findall(window)) - seen_before
    except _DAMAGED as error:
        raise BadWorkbook("This XLSX workbook cannot be read. It may be encrypted.") from error
    return _Measurements(has_formulas, rows)


def _read(
    content: bytes, measurements: _Measurements, on_progress: OnProgress
) -> tuple[list[Row], list[str]]:
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    formulas = (
        load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        if measurements.has_formulas
        else None
    )
    found: list[Row] = []
    used = ""
    others: list[str] = []
    for place, sheet in enumerate(book.worksheets):
        if found:
            others += [sheet.title] if _first(_values(sheet)) else []
            continue
        written = _values(formulas.worksheets[place]) if formulas is not None else iter(())
        rows_with_progress = _with_progress(_values(sheet), measurements.rows, on_progress)
        found, used = list(_rows(rows_with_progress, written)), sheet.title
    used, others = printable(used), [printable(title) for title in others]
    notes = [f"Only the worksheet “{used}” was read; “{'”, “'.join(others)}” was not."]
    return found, notes if others else []


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
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True)
    for number, row in enumerate(rows, start=1):
        if number > _LAST_ROW:
            raise BadWorkbook("The workbook has more rows than a spreadsheet can have.")
        yield row


def _first(rows: Iterable[Sequence[Any]]) -> bool:
    return any(any(value is not None for value in row) for row in rows)


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
            raise BadWorkbook(f"This file has more than {MAX_ROWS:,} rows, the limit of a sheet.")
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
