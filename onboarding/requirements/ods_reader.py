"""Read uploaded ODS files (OpenDocument 1.3, part 3, section 9). Nothing is calculated."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from onboarding.requirements.archives import DAMAGED, measure
from onboarding.requirements.tables import (
    MAX_COLUMNS,
    MAX_ROWS,
    PROGRESS_EVERY_ROWS,
    SAMPLE_ROWS,
    ChooseWorksheet,
    OnProgress,
    Row,
    UnreadableFile,
    ignore_progress,
    unread_worksheets,
)
from onboarding.requirements.xlsx_reader import NOT_COMPUTED

_CELLS = ("table-cell", "covered-table-cell")
# A worksheet, its style, and the properties of the style, which hide it.
_SHEET_TAGS = ("table", "style", "table-properties")
# Elements inside a cell whose text is not its value.
_NOT_VALUES = ("annotation", "frame", "object", "tracked-changes")
_BLANKS = {"tab": "\t", "line-break": "\n"}


def read_rows(
    content: bytes, on_progress: OnProgress, choose: ChooseWorksheet
) -> tuple[list[Row], list[str]]:
    """The rows of the chosen worksheet with their numbers, and notes. Raises UnreadableFile.

    The file is parsed twice, because a repeated row makes a small file a large table: first the
    beginning of each worksheet, then all rows of the chosen one.
    """
    measurements = measure(content)
    beginnings = _parse(content, _ContentReader(row_limit=SAMPLE_ROWS))
    filled = [place for place, sheet in enumerate(beginnings) if sheet.rows]
    if not filled:
        return [], []
    # Old versions of a table are often in hidden worksheets.
    visible = [place for place in filled if not beginnings[place].is_hidden] or filled
    place = visible[choose([[cells for _, cells in beginnings[n].rows] for n in visible])]
    reader = _ContentReader(
        row_limit=MAX_ROWS + 2,
        only=place,
        on_progress=on_progress,
        total=measurements.rows,
    )
    notes = unread_worksheets([beginnings[n].title for n in filled], filled.index(place))
    return _parse(content, reader)[place].rows, notes


@dataclass
class _Worksheet:
    title: str
    is_hidden: bool = False
    number: int = 0
    rows: list[Row] = field(default_factory=list)


def _parse(content: bytes, reader: _ContentReader) -> list[_Worksheet]:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # `measure` refuses entities too. This refusal does not depend on the encoding of the XML.
    parser.StartDoctypeDeclHandler = _refuse_declaration
    try:
        with (
            zipfile.ZipFile(io.BytesIO(content)) as archive,
            archive.open("content.xml") as stream,
        ):
            parser.ParseFile(stream)
    except (*DAMAGED, KeyError, expat.ExpatError) as error:
        raise UnreadableFile(
            "The workbook is damaged and cannot be read. Save it again."
        ) from error
    return reader.worksheets


def _refuse_declaration(*_: Any) -> None:
    raise UnreadableFile("The workbook contains XML that no spreadsheet writes.")


def _local(attributes: dict[str, str]) -> dict[str, str]:
    """The attributes by local name, without the extensions of LibreOffice."""
    return {
        name.rpartition(" ")[2]: value
        for name, value in attributes.items()
        if "calcext" not in name.rpartition(" ")[0]
    }


def _repeated(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 9 else 1


class _ContentReader:
    """Collects the rows of content.xml. With `only`, of the worksheet with this index."""

    def __init__(
        self,
        *,
        row_limit: int,
        only: int | None = None,
        on_progress: OnProgress = ignore_progress,
        total: int = 0,
    ) -> None:
        self.worksheets: list[_Worksheet] = []
        self._row_limit, self._only = row_limit, only
        self._on_progress, self._total = on_progress, total
        self._cells: list[str] | None = None  # of the open row
        self._row_repeats = 1
        self._cell: dict[str, str] | None = None  # attributes of the open cell
        self._paragraphs: list[list[str]] = []  # the parts of each paragraph
        self._ignored = 0  # depth inside elements whose text is not a value
        self._style = ""  # the open style
        self._hidden: set[str] = set()  # the styles of hidden worksheets

    def start(self, name: str, qualified: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if self._ignored or local in _NOT_VALUES:
            self._ignored += 1
        elif local in _SHEET_TAGS:
            self._start_sheet(local, _local(qualified))
        elif local == "table-row" and self.worksheets:
            self._cells = []
            self._row_repeats = _repeated(_local(qualified), "number-rows-repeated")
        elif local in _CELLS and self._cells is not None:
            self._cell, self._paragraphs = _local(qualified), []
        elif self._cell is not None:
            self._start_text(local, qualified)

    def _start_sheet(self, local: str, attributes: dict[str, str]) -> None:
        """Start a worksheet, or a style of worksheets, which precedes them in the file."""
        if local == "style":
            self._style = attributes.get("name", "")
        elif local == "table":
            is_hidden = attributes.get("style-name", "") in self._hidden
            self.worksheets.append(_Worksheet(attributes.get("name", ""), is_hidden))
        elif attributes.get("display") == "false":
            self._hidden.add(self._style)

    def _start_text(self, local: str, qualified: dict[str, str]) -> None:
        if local == "p":
            self._paragraphs.append([])
        elif local == "s":
            self.text(" " * min(_repeated(_local(qualified), "c"), 100))
        elif local in _BLANKS:
            self.text(_BLANKS[local])

    def text(self, text: str) -> None:
        if self._cell is not None and self._paragraphs and not self._ignored:
            # A text arrives line by line: joining it here would cost quadratic time.
            self._paragraphs[-1].append(text)

    def end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if self._ignored:
            self._ignored -= 1
        elif local in _CELLS and self._cell is not None and self._cells is not None:
            repeats = _repeated(self._cell, "number-columns-repeated")
            value = _value(self._cell, "\n".join(map("".join, self._paragraphs)))
            self._cells += [value] * min(repeats, MAX_COLUMNS + 1 - len(self._cells))
            self._cell = None
        elif local == "table-row" and self._cells is not None:
            self._end_row(self._cells)
            self._cells = None

    def _end_row(self, cells: list[str]) -> None:
        sheet = self.worksheets[-1]
        first = sheet.number + 1
        sheet.number += self._row_repeats
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells or self._only not in (None, len(self.worksheets) - 1):
            return
        count = min(self._row_repeats, self._row_limit - len(sheet.rows))
        # Repeated rows share one list, so that a small file cannot fill the memory.
        sheet.rows += [(first + offset, cells) for offset in range(count)]
        if first % PROGRESS_EVERY_ROWS == 0:
            self._on_progress(first, max(self._total, first))


def _value(cell: dict[str, str], text: str) -> str:
    """The value as XLSX files have it, so that both formats lead to the same rows."""
    kind = cell.get("value-type", "")
    if not kind and not text and "formula" in cell:
        return NOT_COMPUTED
    if kind == "boolean":
        return "yes" if cell.get("boolean-value") == "true" else "no"
    if kind == "date":
        return cell.get("date-value", text).removesuffix("T00:00:00")
    if kind in ("float", "currency", "percentage"):
        return _number(cell.get("value", text))
    return text


def _number(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
