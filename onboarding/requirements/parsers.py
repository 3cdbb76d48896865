"""A paste, a CSV or an XLSX file as plain rows of text, whatever program wrote it. Pure.

UnreadableFile says why a file is refused as a whole; what is wrong with single cells is found later.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from onboarding.errors import OnboardingError
from onboarding.requirements import xlsx_reader
from onboarding.requirements.xlsx_reader import (
    MAX_COLUMNS,
    MAX_ROWS,
    PROGRESS_EVERY_ROWS,
    BadWorkbook,
    OnProgress,
    ignore_progress,
)

_SAMPLE_LINES = 50  # lines that tell which sign stands between the cells
_DELIMITERS = ("\t", ";", ",")
_BINARIES = (b"%PDF-", b"\xff\xd8\xff", b"\x89PNG", b"\xd0\xcf\x11\xe0", b"MZ")


class UnreadableFile(OnboardingError):
    """Why nothing of a file can be read."""


@dataclass(frozen=True)
class FileLine:
    """One row as it stands in the file; `number` is the one that spreadsheet programs show."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """The rows that hold anything, and what the reader should know of how they were read."""

    lines: list[FileLine]
    notes: list[str] = field(default_factory=list)


def read_table(content: bytes, on_progress: OnProgress = ignore_progress) -> Table:
    """The rows of a file or a paste, told by its bytes, not by its name. `on_progress` hears now and then
    how many rows are read, of about how many."""
    if content.startswith(b"PK\x03\x04"):
        return _read_workbook(content, on_progress)
    if content.startswith(_BINARIES[3]):
        raise UnreadableFile(
            "This is a workbook of an old Excel (XLS). Save it as XLSX or CSV, and import that."
        )
    if content.startswith(_BINARIES):
        raise UnreadableFile("This is no table. Import CSV, XLSX, or text that you paste.")
    return _read_text(content, on_progress)


def text_size_bytes(content: bytes) -> int:
    """How much there is to read, in bytes of text: a small workbook can unpack into a large one."""
    if content.startswith(b"PK\x03\x04"):
        return max(len(content), xlsx_reader.unpacked_bytes(content) // 10)
    return len(content)


def _read_workbook(content: bytes, on_progress: OnProgress) -> Table:
    try:
        rows, notes = xlsx_reader.read_rows(content, on_progress)
        return Table(_non_empty(iter(rows)), notes)
    except BadWorkbook as error:
        raise UnreadableFile(str(error)) from None


def _read_text(content: bytes, on_progress: OnProgress) -> Table:
    text, notes = decode(content)
    delimiter, text = _detect_delimiter(text)
    # Universal newlines are the reader's own business: a cell may hold a line break.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return Table(
            _non_empty(
                _with_progress(enumerate(reader, start=1), text.count("\n") + 1, on_progress)
            ),
            notes,
        )
    except csv.Error as error:
        raise UnreadableFile(
            f"The file cannot be taken apart near row {reader.line_num}: {error}."
        ) from None


def _with_progress(
    rows: Iterator[tuple[int, list[str]]], total: int, on_progress: OnProgress
) -> Iterator[tuple[int, list[str]]]:
    for number, cells in rows:
        if number % PROGRESS_EVERY_ROWS == 0:
            on_progress(number, max(total, number))
        yield number, cells


def _non_empty(rows: Iterator[tuple[int, list[str]]]) -> list[FileLine]:
    lines: list[FileLine] = []
    for number, cells in rows:
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            continue
        if len(cells) > MAX_COLUMNS:
            raise UnreadableFile(
                f"Row {number} has {len(cells)} cells; no sheet has so many columns."
            )
        lines.append(FileLine(number, cells))
        if len(lines) > MAX_ROWS + 1:
            raise UnreadableFile(f"A sheet has {MAX_ROWS:,} rows at most, and this file has more.")
    if not lines:
        raise UnreadableFile("There is nothing in it.")
    return lines


def decode(content: bytes) -> tuple[str, list[str]]:
    """The text, and a note where its encoding had to be guessed.

    1. A byte order mark says it (Excel's “Unicode Text” is UTF-16, its “CSV UTF-8” has one too).
    2. Zero bytes at every other place are UTF-16 without a mark.
    3. What reads as UTF-8 is UTF-8: other text hardly ever does by chance.
    4. The rest is taken for Windows-1252, and said so.
    """
    if content.startswith(codecs.BOM_UTF8):
        return content[3:].decode("utf-8", "replace"), []
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), []
    start = content[:2000]
    if start.count(0) > len(start) // 4:
        order = "le" if start[1::2].count(0) >= start[::2].count(0) else "be"
        return content.decode(f"utf-16-{order}", "replace"), []
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        note = "The file is not UTF-8; it was read as Windows-1252. Look at letters with accents."
        return content.decode("cp1252", "replace"), [note]


def _detect_delimiter(text: str) -> tuple[str, str]:
    """The sign between the cells, and the text without a line that only says so.

    A tab wins wherever one stands, for people do not type tabs. Between the others the one that
    cuts more of the first lines, and into equally many cells, is taken.
    """
    first, _, rest = text.partition("\n")
    hint = first.strip("\r\n ").lower()
    if hint in ("sep=;", "sep=,", "sep=\t"):
        # Excel's own hint. The line stays, empty, so that numbers agree.
        return hint[4], f"\n{rest}"
    return max(_DELIMITERS, key=lambda sign: _cuts(text, sign)), text


def _cuts(text: str, sign: str) -> tuple[int, int, int]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
        widths = [len(row) for row in islice(rows, _SAMPLE_LINES) if any(c.strip() for c in row)]
    except csv.Error:
        return (0, 0, 0)
    several = [width for width in widths if width > 1]
    alike = max((several.count(width) for width in set(several)), default=0)
    return (1 if sign == "\t" and several else 0, alike, len(several))
