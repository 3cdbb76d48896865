"""Stream an XLSX workbook. Every cell is text, so that none runs as a formula.

Only a few kilobytes are in memory at a time. Building 100,000 rows at once would block a web
process for many seconds.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from html import escape

_ROWS_AT_ONCE = 500
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = "xl/worksheets/sheet1.xml"
_PARTS = {
    "[Content_Types].xml": (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/{_SHEET}" ContentType="{_TYPES}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
# Characters that XML 1.0 (section 2.2) excludes, even escaped.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_TITLE = re.compile(r"[\[\]:*?/\\']")


class _Buffer:
    """A write-only file for zipfile, whose content is drained while it is sent."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def write(self, data: bytes, /) -> int:
        self._kept += data
        return len(data)

    def flush(self) -> None:
        """zipfile calls it; there is no lower layer."""

    def close(self) -> None:
        """zipfile calls it; `drain` returns the rest."""

    def drain(self) -> bytes:
        taken = bytes(self._kept)
        self._kept.clear()
        return taken


def stream_workbook(title: str, rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A workbook of one worksheet, in chunks."""
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, "xl/workbook.xml": _workbook(title)}.items():
            archive.writestr(_part(name), text)
        with archive.open(_part(_SHEET), "w") as sheet:
            sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, row in enumerate(rows, start=1):
                sheet.write(_row(number, row).encode())
                if number % _ROWS_AT_ONCE == 0 and (piece := buffer.drain()):
                    yield piece
            sheet.write(b"</sheetData></worksheet>")
    yield buffer.drain()


def write_workbook(title: str, rows: Iterable[Sequence[str]]) -> bytes:
    """The whole workbook."""
    return b"".join(stream_workbook(title, rows))


def _part(name: str) -> zipfile.ZipInfo:
    # A fixed timestamp, so that equal rows produce equal files.
    part = zipfile.ZipInfo(name)
    part.compress_type = zipfile.ZIP_DEFLATED
    return part


def _workbook(title: str) -> str:
    name = _xml(_NO_TITLE.sub(" ", title)[:31].strip() or "Sheet")
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )


def _row(number: int, row: Sequence[str]) -> str:
    cells = "".join(
        f'<c t="inlineStr"><is><t xml:space="preserve">{_xml(text)}</t></is></c>' for text in row
    )
    return f'<row r="{number}">{cells}</row>'


def _xml(text: str) -> str:
    return escape(_NO_XML.sub("", text))
