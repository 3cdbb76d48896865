"""Read HTML tables and XML Spreadsheet 2003, which programs export with the ending .xls. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from onboarding.requirements.tables import (
    MAX_COLUMNS,
    MAX_ROWS,
    SAMPLE_ROWS,
    ChooseWorksheet,
    Row,
    UnreadableFile,
    too_many_rows,
    unread_worksheets,
)

_BEGINNING = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*"
    r"(?:<!doctype html|<(?:html|head|meta|style|body|div|table|tr|workbook|(?:\w+:)?workbook)\b"
    r"|<\?mso-application)",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)
_ROW_TAGS, _CELL_TAGS = ("tr", "row"), ("td", "th", "cell")
_VISIBILITY_TAGS = ("visible", "x:visible")
_NOT_SHOWN = re.compile(r"display:\s?none", re.IGNORECASE)
_IGNORED_TAGS = ("script", "style", "title", "comment")
_MAX_SPAN = 50


def is_html(text: str) -> bool:
    """Whether the text begins as an HTML page, an HTML table or XML Spreadsheet 2003."""
    return bool(_BEGINNING.match(text[:4000]))


def declared_charset(content: bytes) -> str:
    """The encoding that a meta element of the page declares, or empty."""
    found = _CHARSET.search(content[:4000])
    return found.group(1).decode("ascii") if found else ""


def read_rows(text: str, choose: ChooseWorksheet) -> tuple[list[Row], list[str]]:
    """The rows of the chosen table with their numbers, and notes. Raises UnreadableFile."""
    parser = _TableParser()
    # The end tags finish an incomplete page. Without a “>” at its end, `close` would be slow.
    parser.feed(text + "</td></tr></table>")
    filled = [table for table in parser.finished if table.rows]
    if not filled:
        raise UnreadableFile(
            "This web page contains no table. Open it in a spreadsheet program, save it as XLSX,"
            " and import that file."
        )
    # Old versions of a table are often in hidden worksheets.
    visible = [place for place, table in enumerate(filled) if not table.is_hidden]
    places = visible or list(range(len(filled)))
    samples = [[cells for _, cells in filled[place].rows[:SAMPLE_ROWS]] for place in places]
    chosen = places[choose(samples)]
    titles = [table.title or f"table {place}" for place, table in enumerate(filled, start=1)]
    return filled[chosen].rows, unread_worksheets(titles, chosen)


@dataclass
class _OpenTable:
    title: str = ""
    is_hidden: bool = False
    rows: list[Row] = field(default_factory=list)
    number: int = 0
    cells: list[str] | None = None
    text: list[str] | None = None
    colspan: int = 1
    rowspan: int = 1
    # By column: the number of further rows that a cell covers, and its text.
    covered: dict[int, tuple[int, str]] = field(default_factory=dict)

    def open_row(self, index: int) -> None:
        self.close_row()
        self.number = max(self.number + 1, index)
        self.cells = []

    def open_cell(self, attributes: dict[str, str | None]) -> None:
        if self.cells is None:
            self.open_row(0)
        self.close_cell()
        self._add_covered()
        assert self.cells is not None
        index = min(_count(attributes.get("ss:index")), MAX_COLUMNS + 1)
        self.cells += [""] * (index - 1 - len(self.cells))
        self.colspan = max(_span(attributes, "colspan", 0), _span(attributes, "ss:mergeacross", 1))
        self.rowspan = max(_span(attributes, "rowspan", 0), _span(attributes, "ss:mergedown", 1))
        self.text = []

    def close_cell(self) -> None:
        if self.text is None or self.cells is None:
            return
        text = " ".join("".join(self.text).split())
        self.text = None
        space = MAX_COLUMNS + 1 - len(self.cells)
        for offset, content in enumerate([text, *[""] * (min(self.colspan, space) - 1)]):
            if self.rowspan > 1:
                self.covered[len(self.cells)] = (self.rowspan - 1, content if not offset else "")
            if space > 0:
                self.cells.append(content)

    def _add_covered(self) -> None:
        """Add the cells of earlier rows that extend into this row, up to the next free column."""
        assert self.cells is not None
        while len(self.cells) in self.covered:
            column = len(self.cells)
            left, text = self.covered.pop(column)
            self.cells.append(text)
            if left > 1:
                self.covered[column] = (left - 1, text)
                # The next column of this row is larger, so this entry belongs to the next row.

    def close_row(self) -> None:
        self.close_cell()
        if self.cells is None:
            return
        self._add_covered()
        if any(self.cells):
            self.rows.append((self.number, self.cells))
        self.cells = None


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0


def _span(attributes: dict[str, str | None], name: str, offset: int) -> int:
    return min(max(_count(attributes.get(name)) + offset, 1), _MAX_SPAN)


class _TableParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.finished: list[_OpenTable] = []
        self._open: list[_OpenTable] = []
        self._title = ""
        self._ignored = 0
        self._first = 0  # the index of the first table of the open worksheet
        self._is_visibility = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in _IGNORED_TAGS:
            self._ignored += 1
        elif tag == "worksheet":
            self._title = attributes.get("ss:name") or ""
            self._first = len(self.finished)
        elif tag in _VISIBILITY_TAGS:
            self._is_visibility = True
        elif tag == "table":
            is_hidden = "hidden" in attributes or bool(
                _NOT_SHOWN.search(attributes.get("style") or "")
            )
            self._open.append(_OpenTable(self._title, is_hidden))
        elif tag in _ROW_TAGS:
            self._current().open_row(_count(attributes.get("ss:index")))
        elif tag in _CELL_TAGS:
            self._current().open_cell(attributes)
        elif tag in ("br", "p", "div", "li"):
            self.handle_data("\n")

    def _current(self) -> _OpenTable:
        if not self._open:
            self._open.append(_OpenTable(self._title))
        return self._open[-1]

    def handle_endtag(self, tag: str) -> None:
        if tag in _IGNORED_TAGS:
            self._ignored = max(self._ignored - 1, 0)
        elif tag in _VISIBILITY_TAGS:
            self._is_visibility = False
        elif not self._open:
            return
        elif tag == "table":
            table = self._open.pop()
            table.close_row()
            self.finished.append(table)
        elif tag in _ROW_TAGS:
            self._open[-1].close_row()
            self._refuse_too_many()
        elif tag in _CELL_TAGS:
            self._open[-1].close_cell()

    def _refuse_too_many(self) -> None:
        if len(self._open[-1].rows) > MAX_ROWS + 1:
            raise too_many_rows()

    def handle_data(self, data: str) -> None:
        if self._is_visibility and data.strip() in ("SheetHidden", "SheetVeryHidden"):
            # In XML Spreadsheet 2003, the options of a worksheet follow its table.
            for table in self.finished[self._first :]:
                table.is_hidden = True
        if self._open and self._open[-1].text is not None and not self._ignored:
            self._open[-1].text.append(data)
