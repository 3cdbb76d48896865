"""Small files in the formats that spreadsheet programs and exports write."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from openpyxl import Workbook

_ODS_NAMESPACES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
    ' xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)


def zipped(parts: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name, text)
    return buffer.getvalue()


def workbook(**worksheets: list[list[Any]]) -> bytes:
    made = Workbook()
    assert made.active is not None
    made.remove(made.active)
    for title, rows in worksheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def ods_of(tables: str, *, declaration: str = "", styles: str = "", **more: str | bytes) -> bytes:
    """An ODS file with these elements."""
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>{declaration}<office:document-content'
        f" {_ODS_NAMESPACES}>{styles}<office:body><office:spreadsheet>{tables}</office:spreadsheet>"
        "</office:body></office:document-content>"
    )
    parts: dict[str, str | bytes] = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": content,
        "META-INF/manifest.xml": "<manifest/>",
    }
    return zipped({**parts, **more})


def ods(**worksheets: list[list[str]]) -> bytes:
    return ods_with_hidden("", worksheets)


def ods_with_hidden(hidden: str, worksheets: dict[str, list[list[str]]]) -> bytes:
    """An ODS file as LibreOffice writes it, of which one worksheet is hidden."""

    def row(cells: list[str]) -> str:
        texts = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
            "</table:table-cell>"
            for cell in cells
        )
        # LibreOffice ends each row and each worksheet with repeated empty cells and rows.
        blank = '<table:table-cell table:number-columns-repeated="16380"/>'
        return f"<table:table-row>{texts}{blank}</table:table-row>"

    end = (
        '<table:table-row table:number-rows-repeated="1048570">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    styles = (
        '<office:automatic-styles><style:style style:name="ta1" style:family="table">'
        '<style:table-properties table:display="true"/></style:style><style:style'
        ' style:name="ta2" style:family="table"><style:table-properties table:display="false"/>'
        "</style:style></office:automatic-styles>"
    )

    def table(title: str, rows: list[list[str]]) -> str:
        style = "ta2" if title == hidden else "ta1"
        return (
            f'<table:table table:name="{title}" table:style-name="{style}">'
            f"{''.join(row(cells) for cells in rows)}{end}</table:table>"
        )

    tables = "".join(table(title, rows) for title, rows in worksheets.items())
    return ods_of(tables, styles=styles)


def html_table(rows: list[list[str]]) -> str:
    lines = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
