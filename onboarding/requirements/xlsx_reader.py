"""XLSX files that come in. They were made by anybody: each is measured before it is opened."""

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
_LAST_ROW = 1_048_576  # Excel has no more
_MAX_PARTS = 500
_MAX_BYTES = 60 * 1024 * 1024
_CHUNK = 1 << 16
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
# A cell that a program computes and has not: nothing may be made of it.
NOT_COMPUTED = "\N{REPLACEMENT CHARACTER} (a formula without a saved result)"

# What zipfile stumbles with, NotImplementedError (a RuntimeError) and its decoders' own included.
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
    """Why a workbook is not read."""


# Hears now and then how many rows are read, and of how many.
OnProgress = Callable[[int, int], None]
PROGRESS_EVERY_ROWS = 2000


def ignore_progress(done: int, total: int) -> None:
    """For whoever need not be told."""


@dataclass(frozen=True)
class _Measurements:
    has_formulas: bool
    # As many as the tags say; only the reading tells how many of them hold anything.
    rows: int


def read_rows(
    content: bytes, on_progress: OnProgress = ignore_progress
) -> tuple[list[Row], list[str]]:
    """The rows of the first worksheet that holds any, with their numbers, and notes.

    Formulas give the results that were saved with them; nothing is computed.
    """
    measurements = _measure(content)
    try:
        with warnings.catch_warnings():
            # Charts and validations that openpyxl does not keep are no loss to a table of text.
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
        # openpyxl has no error of its own for a damaged part; these are what it stumbles with.
        raise BadWorkbook("The workbook is damaged and cannot be read. Save it anew.") from error


def unpacked_bytes(content: bytes) -> int:
    """What a workbook says it unpacks into; 0 where it cannot be opened at all."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except _DAMAGED:
        return 0


def _measure(content: bytes) -> _Measurements:
    """Unpack every part into nothing, counting: whether any holds a formula, and rows. BadWorkbook
    where it is a bomb, encrypted, or brings entities of its own."""
    total, rows, has_formulas = 0, 0, False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_BYTES:
                raise BadWorkbook("The workbook is too large once it is unpacked.")
            for part in parts:
                with archive.open(part) as stream:
                    tail = b""
                    while chunk := stream.read(_CHUNK):
                        total += len(chunk)
                        if total > _MAX_BYTES:
                            raise BadWorkbook("The workbook is too large once it is unpacked.")
                        seen_before = len(_ROW.findall(tail))
                        window, tail = tail + chunk, chunk[-16:]
                        if part.filename.endswith((".xml", ".rels")):
                            if _ENTITIES.search(window):
                                raise BadWorkbook("The workbook holds what no spreadsheet writes.")
                            has_formulas = has_formulas or bool(_FORMULA.search(window))
                            rows += len(_ROW.findall(window)) - seen_before
    except _DAMAGED as error:
        raise BadWorkbook("This is no readable XLSX workbook; is it encrypted?") from error
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
    # The dimension that a file claims may be anything.
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
            # Programs write a million empty rows: they must cost next to nothing.
            continue
        cells = [
            _text(value, formula)
            for value, formula in zip_longest(row, formulas[: len(row)], fillvalue=None)
        ]
        if not any(cells):
            continue
        count += 1
        if count > MAX_ROWS + 1:
            raise BadWorkbook(f"A sheet has {MAX_ROWS:,} rows at most, and this file has more.")
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
