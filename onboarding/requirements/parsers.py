"""Parse pasted text, CSV, XLSX, ODS and HTML into rows of text. Pure.

UnreadableFile rejects a whole file. Errors in single cells are found later, in `validation`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from onboarding.requirements import html_reader, ods_reader, xlsx_reader
from onboarding.requirements.archives import ArchiveKind, archive_kind, unpacked_bytes
from onboarding.requirements.file_formats import refuse_binary, refuse_other_text
from onboarding.requirements.tables import (
    MAX_COLUMNS,
    MAX_ROWS,
    PROGRESS_EVERY_ROWS,
    ChooseWorksheet,
    FileLine,
    OnProgress,
    Row,
    Table,
    UnreadableFile,
    first_worksheet,
    ignore_progress,
    too_many_rows,
)

_SAMPLE_LINES = 50  # lines from which the delimiter is detected
_DELIMITERS = ("\t", ";", ",", "|")
_ARCHIVE = b"PK\x03\x04"
# Excel's declaration of the delimiter. Programs that rewrite the file quote or extend it.
_DECLARATION = re.compile(r"\"?sep=([;,|\t])\"?[;,|\t]*(?=[\r\n])", re.IGNORECASE)
_READERS = {ArchiveKind.XLSX: xlsx_reader.read_rows, ArchiveKind.ODS: ods_reader.read_rows}
_WIDE_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16, so it is first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_table(
    content: bytes,
    on_progress: OnProgress = ignore_progress,
    choose: ChooseWorksheet = first_worksheet,
) -> Table:
    """The rows of a file or of pasted text. The format is detected from the bytes, not the name.

    `on_progress` is called now and then with the rows read and their approximate total. `choose`
    selects one of several worksheets that are not empty. Raises UnreadableFile.
    """
    if content.startswith(_ARCHIVE):
        rows, notes = _READERS[archive_kind(content)](content, on_progress, choose)
        return Table(_non_empty(rows), notes)
    refuse_binary(content)
    return _read_text(content, on_progress, choose)


def text_size_bytes(content: bytes) -> int:
    """The size of the text in bytes. A small workbook can unpack into a large one."""
    if content.startswith(_ARCHIVE):
        return max(len(content), unpacked_bytes(content) // 10)
    return len(content)


def _read_text(content: bytes, on_progress: OnProgress, choose: ChooseWorksheet) -> Table:
    text, notes = decode(content)
    if html_reader.is_html(text):
        text, notes = _as_declared(content, text, notes)
        rows, more = html_reader.read_rows(text, choose)
        return Table(_non_empty(rows), notes + more)
    refuse_other_text(text)
    delimiter, text = _detect_delimiter(text)
    # newline="" leaves line ends to the csv module: a cell may contain a line break.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    numbered = _with_progress(enumerate(reader, start=1), text.count("\n") + 1, on_progress)
    try:
        return Table(_non_empty(numbered), notes)
    except csv.Error as error:
        raise UnreadableFile(
            f"The file cannot be parsed near row {reader.line_num}: {error}."
        ) from None


def _as_declared(content: bytes, text: str, notes: list[str]) -> tuple[str, list[str]]:
    """The text of a page in the encoding that it declares, unless it is UTF-8 or unknown."""
    charset = html_reader.declared_charset(content)
    if not notes or not charset:
        return text, notes
    try:
        return content.decode(charset), []
    except (LookupError, UnicodeError):
        return text, notes


def _with_progress(rows: Iterator[Row], total: int, on_progress: OnProgress) -> Iterator[Row]:
    for number, cells in rows:
        if number % PROGRESS_EVERY_ROWS == 0:
            on_progress(number, max(total, number))
        yield number, cells


def _non_empty(rows: Iterable[Row]) -> list[FileLine]:
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
            raise too_many_rows()
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
        # Programs that append to a file sometimes repeat the mark.
        return content.decode("utf-8", "replace").lstrip("\ufeff"), []
    for mark, encoding in _WIDE_ENCODINGS:
        if content.startswith(mark):
            return content.decode(encoding, "replace").lstrip("\ufeff"), []
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
    declared = _DECLARATION.match(text)
    if declared:
        # The empty line that remains keeps the row numbers right.
        return declared.group(1), text[declared.end() :]
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
