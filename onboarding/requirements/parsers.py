"""Parse pasted text, CSV and XLSX into rows of text. Pure.

UnreadableFile rejects a whole file. Errors in single cells are found later, in `validation`.
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

_SAMPLE_LINES = 50  # lines from which the delimiter is detected
_DELIMITERS = ("\t", ";", ",")
_BINARIES = (b"%PDF-", b"\xff\xd8\xff", b"\x89PNG", b"\xd0\xcf\x11\xe0", b"MZ")


class UnreadableFile(OnboardingError):
    """The file cannot be read. The message states the reason."""


@dataclass(frozen=True)
class FileLine:
    """One row of the file. `number` is the row number that spreadsheet programs show."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """The rows that are not empty, and notes for the reader about assumptions."""

    lines: list[FileLine]
    notes: list[str] = field(default_factory=list)


def read_table(content: bytes, on_progress: OnProgress = ignore_progress) -> Table:
    """The rows of a file or of pasted text. The format is detected from the bytes, not the name.

    `on_progress` is called now and then with the rows read and their approximate total.
    Raises UnreadableFile.
    """
    if content.startswith(b"PK\x03\x04"):
        return _read_workbook(content, on_progress)
    if content.startswith(_BINARIES[3]):
        raise UnreadableFile(
            "This workbook has the old XLS format. Save it as XLSX or CSV and import that file."
        )
    if content.startswith(_BINARIES):
        raise UnreadableFile("This file is not a table. Import CSV or XLSX, or paste text.")
    return _read_text(content, on_progress)


def text_size_bytes(content: bytes) -> int:
    """The size of the text in bytes. A small workbook can unpack into a large one."""
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
    # newline="" leaves line ends to the csv module: a cell may contain a line break.
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
            f"The file cannot be parsed near row {reader.line_num}: {error}."
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
                f"Row {number} has {len(cells)} cells. No sheet has so many columns."
            )
        lines.append(FileLine(number, cells))
        if len(lines) > MAX_ROWS + 1:
            raise UnreadableFile(
                f"This file has more than {MAX_ROWS:,} rows, the limit of a sheet."
            )
    if not lines:
        raise UnreadableFile("The file is empty.")
    return lines


def decode(content: bytes) -> tuple[str, list[str]]:
    """The text, and a note if the encoding is a guess.

    1. A byte order mark decides (Excel's “Unicode Text” is UTF-16; its “CSV UTF-8” has one too).
    2. Zero bytes at every second position mean UTF-16 without a byte order mark.
    3. Valid UTF-8 is UTF-8: other encodings are hardly ever valid UTF-8 by chance.
    4. All other text is read as Windows-1252, with a note.
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
        note = "The file is not UTF-8. Gangway read it as Windows-1252. Check letters with accents."
        return content.decode("cp1252", "replace"), [note]


def _detect_delimiter(text: str) -> tuple[str, str]:
    """The delimiter, and the text without a line that only declares it.

    A tab always wins, because people do not type tabs. Otherwise the delimiter wins that splits
    more of the first lines, and into an equal number of cells.
    """
    first, _, rest = text.partition("\n")
    hint = first.strip("\r\n ").lower()
    if hint in ("sep=;", "sep=,", "sep=\t"):
        # Excel's declaration of the delimiter. An empty line keeps the row numbers right.
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
