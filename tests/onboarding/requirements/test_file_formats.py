"""Tests of ODS, HTML, XML Spreadsheet 2003, and of files that are refused with advice."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding.requirements import ods_reader
from onboarding.requirements.parsers import read_table
from onboarding.requirements.tables import MAX_ROWS, Table, UnreadableFile
from tests.onboarding.requirements.files import html_table, ods, ods_of, workbook, zipped


def cells(content: bytes | str) -> list[list[str]]:
    return [line.cells for line in table_of(content).lines]


def table_of(content: bytes | str) -> Table:
    return read_table(content.encode() if isinstance(content, str) else content)


def refusal(content: bytes | str) -> str:
    with pytest.raises(UnreadableFile) as refused:
        table_of(content)
    return str(refused.value)


# --- ODS


def ods_cell(attributes: str, *paragraphs: str) -> bytes:
    texts = "".join(f"<text:p>{text}</text:p>" for text in paragraphs)
    return ods_of(
        "<table:table><table:table-row>"
        f"<table:table-cell {attributes}>{texts}</table:table-cell>"
        '<table:table-cell office:value-type="string"><text:p>end</text:p></table:table-cell>'
        "</table:table-row></table:table>"
    )


@pytest.mark.parametrize(
    ("attributes", "paragraphs", "value"),
    [
        ('office:value-type="string"', ["ann@x.example"], "ann@x.example"),
        ('office:value-type="string"', ["two", "lines"], "two\nlines"),
        ('office:value-type="string"', ['a<text:s text:c="2"/>b<text:tab/>c'], "a  b\tc"),
        ('office:value-type="string"', ["a<text:span>b</text:span>c"], "abc"),
        ('office:value-type="string"', ["<text:a>link</text:a>"], "link"),
        ('office:value-type="float" office:value="25"', ["25,00"], "25"),
        ('office:value-type="float" office:value="1.5"', ["1,5"], "1.5"),
        ('office:value-type="float" office:value="x"', ["1,5"], "x"),
        ('office:value-type="boolean" office:boolean-value="true"', ["WAHR"], "yes"),
        ('office:value-type="boolean" office:boolean-value="false"', ["FALSE"], "no"),
        ('office:value-type="date" office:date-value="2026-11-12"', ["12.11.26"], "2026-11-12"),
        (
            'office:value-type="date" office:date-value="2026-11-12T00:00:00"',
            ["12.11."],
            "2026-11-12",
        ),
        ('office:value-type="string" calcext:value-type="error"', ["#N/A"], "#N/A"),
    ],
)
def test_ods_values_match_xlsx(attributes: str, paragraphs: list[str], value: str) -> None:
    assert cells(ods_cell(attributes, *paragraphs)) == [[value, "end"]]


def test_ods_formula_needs_a_result() -> None:
    ((value, _),) = cells(ods_cell('table:formula="of:=1+1"'))

    assert "formula without a saved result" in value


def test_ods_comment_is_no_value() -> None:
    comment = "<office:annotation><text:p>ask Jo</text:p></office:annotation>"
    content = ods_cell('office:value-type="string"', "ann")
    with_comment = ods_of(
        "<table:table><table:table-row><table:table-cell>"
        f"{comment}<text:p>ann</text:p></table:table-cell></table:table-row></table:table>"
    )

    assert cells(content)[0][0] == cells(with_comment)[0][0] == "ann"


def test_ods_rows_and_cells_are_repeated() -> None:
    content = ods_of(
        '<table:table table:name="T">'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
        '<table:table-row table:number-rows-repeated="2">'
        '<table:table-cell table:number-columns-repeated="2"><text:p>a</text:p></table:table-cell>'
        "<table:covered-table-cell/><table:table-cell><text:p>b</text:p></table:table-cell>"
        "</table:table-row></table:table>"
    )

    assert [(line.number, line.cells) for line in table_of(content).lines] == [
        (4, ["a", "a", "", "b"]),
        (5, ["a", "a", "", "b"]),
    ]


def test_ods_reads_one_worksheet() -> None:
    table = table_of(ods(Empty=[], Second=[["b"]], Third=[["c"]]))

    assert [line.cells for line in table.lines] == [["b"]]
    assert table.notes == ["Only the worksheet “Second” was read; “Third” was not."]


def test_ods_bomb_of_rows_is_refused() -> None:
    row = (
        f'<table:table-row table:number-rows-repeated="{MAX_ROWS + 2}">'
        '<table:table-cell table:number-columns-repeated="16384"><text:p>a</text:p>'
        "</table:table-cell></table:table-row>"
    )

    assert "so many columns" in refusal(ods_of(f"<table:table>{row}</table:table>"))
    narrow = row.replace("16384", "2")
    assert "more than 100,000 rows" in refusal(ods_of(f"<table:table>{narrow}</table:table>"))


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
    ],
)
def test_ods_declarations_are_refused(declaration: str) -> None:
    content = ods_of("<table:table/>", declaration=declaration)

    assert "XML that no spreadsheet writes" in refusal(content)


def test_ods_reader_refuses_declarations() -> None:
    content = ods_of("<table:table/>", declaration='<!DOCTYPE x [<!ENTITY a "b">]>')

    # The second barrier, behind that of `measure`.
    with pytest.raises(UnreadableFile, match="XML that no spreadsheet writes"):
        ods_reader._parse(content, ods_reader._ContentReader(row_limit=1))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_wide_declarations_are_refused(encoding: str) -> None:
    xml = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"

    wide = xml.encode(encoding)

    for content in (
        zipped({"mimetype": mimetype, "content.xml": wide}),
        zipped({"xl/workbook.xml": wide}),
    ):
        assert "XML that no spreadsheet writes" in refusal(content)


def test_ods_bomb_of_bytes_is_refused() -> None:
    content = ods_of("<table:table/>", bomb="0" * (70 * 1024 * 1024))

    assert "too large after unpacking" in refusal(content)


@settings(max_examples=60)
@given(st.binary(max_size=30), st.integers(0, 400))
def test_damaged_ods_is_refused(junk: bytes, place: int) -> None:
    content = ods(T=[["Address", "Mailbox"], ["a@x.example", "m"]])
    damaged = content[:place] + junk + content[place + len(junk) :]

    # Every other exception fails the test.
    with suppress(UnreadableFile):
        assert read_table(damaged).lines


# --- HTML

ROWS = [["Address", "Mailbox"], ["ann@x.example", "José"]]


@pytest.mark.parametrize(
    "page",
    [
        html_table(ROWS),
        f"<html><head><style>td {{ color: red }}</style></head><body>{html_table(ROWS)}</body>",
        f"<!DOCTYPE html>\n<html><title>x</title><body>{html_table(ROWS)}</body></html>",
        f"\ufeff  <HTML xmlns:x='urn:schemas-microsoft-com:office:excel'>{html_table(ROWS)}",
        f"<!-- export --><meta charset=utf-8>{html_table(ROWS)}",
        html_table(ROWS).replace("</td>", "").replace("</tr>", ""),
        html_table(ROWS).replace("td>", "th>").upper().replace("ANN@X.EXAMPLE", "ann@x.example"),
        html_table(ROWS).replace("José", "<b>Jos&eacute;</b> <!-- x -->&nbsp;"),
        html_table(ROWS).replace("José", "<script>evil()</script>José"),
        f"<table><tr><td>{html_table(ROWS)}</td></tr></table>",
    ],
)
def test_html_table_is_read(page: str) -> None:
    assert [[cell.casefold() for cell in row] for row in cells(page)] == [
        ["address", "mailbox"],
        ["ann@x.example", "josé"],
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "<tr><td colspan=3>Title<tr><td>a<td>b<td>c",
            [["Title"], ["a", "b", "c"]],
        ),
        (
            "<tr><td rowspan=2>ann<td>x<tr><td>y<tr><td>bob<td>z",
            [["ann", "x"], ["ann", "y"], ["bob", "z"]],
        ),
        ("<tr><td>a<td rowspan='3'>m<tr><td>b<tr><td>c", [["a", "m"], ["b", "m"], ["c", "m"]]),
        ("<tr><td colspan=99999999>a<td>b", [["a", "b"]]),
        ("<tr><td>a<br>b<td><p>c</p><p>d</p>", [["a b", "c d"]]),
        (
            "<tr><td>a</td></tr><tr></tr><tr><td> &nbsp; </td></tr><tr><td>b</td></tr>",
            [["a"], ["b"]],
        ),
    ],
)
def test_html_spans_are_filled(rows: str, expected: list[list[str]]) -> None:
    assert cells(f"<table>{rows}</table>") == expected


def test_html_charset_is_respected() -> None:
    page = f'<html><meta content="text/html; charset=iso-8859-2">{html_table([["Łódź", "b"]])}'

    assert cells(page.encode("iso-8859-2")) == [["Łódź", "b"]]
    assert table_of(page.encode("iso-8859-2")).notes == []
    unknown = page.replace("iso-8859-2", "x-none").replace("Łódź", "José")
    assert cells(unknown.encode("cp1252")) == [["José", "b"]]


def test_html_in_utf_16_is_read() -> None:
    assert cells(html_table(ROWS).encode("utf-16")) == ROWS


def test_html_without_table_is_refused() -> None:
    assert "contains no table" in refusal("<html><frameset><frame src='sheet001.htm'></frameset>")


@pytest.mark.slow
def test_html_of_many_rows_is_refused() -> None:
    assert "more than 100,000 rows" in refusal("<table>" + "<tr><td>a</tr>" * (MAX_ROWS + 2))


@pytest.mark.parametrize("unit", ["<", "<!--", "</", "&", "<td", "<![CDATA["])
def test_unclosed_html_is_refused(unit: str) -> None:
    assert "contains no table" in refusal("<table>" + unit * 5_000)


@pytest.mark.slow
def test_unclosed_html_takes_linear_time() -> None:
    # The time of this process, which other processes do not extend.
    began = time.process_time()

    assert "contains no table" in refusal("<table>" + "<a " * 400_000)
    assert time.process_time() - began < 5


# Expat reports each line of a text apart, and the HTML parser each entity.
LONG_CELLS: dict[str, Callable[[], bytes | str]] = {
    "ODS": lambda: ods_cell("", "aaaaaa\n" * 200_000),
    "HTML": lambda: f"<table><tr><td>{'aaaaaa&#10;' * 200_000}</table>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CELLS)
def test_long_cell_takes_linear_time(name: str) -> None:
    content = LONG_CELLS[name]()
    began = time.process_time()

    assert cells(content)[0][0].startswith("a")
    assert time.process_time() - began < 3


XML_SPREADSHEET = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
 <Styles><Style ss:ID="Default"><Font/></Style></Styles>
 <Worksheet ss:Name="List"><Table>
  <Row><Cell ss:MergeAcross="1"><Data ss:Type="String">Title</Data></Cell></Row>
  <Row ss:Index="4"><Cell><Data ss:Type="String">ann@x.example</Data>
   <Comment><ss:Data>ask Jo</ss:Data></Comment></Cell>
   <Cell ss:Index="3"><Data ss:Type="Number">25</Data></Cell></Row>
 </Table></Worksheet>
</Workbook>"""


def test_xml_spreadsheet_is_read() -> None:
    assert [(line.number, line.cells) for line in table_of(XML_SPREADSHEET).lines] == [
        (1, ["Title"]),
        (4, ["ann@x.example", "", "25"]),
    ]


# --- Text


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\na;b,c\n",
        "SEP=;\r\na;b,c\r\n",
        "sep=;\ra;b,c\r",
        '"sep=;"\na;b,c\n',
        "sep=;;;\na;b,c;;\n",
        "\ufeffsep=;\na;b,c\n",
        "sep=|\na|b,c\n",
        "sep=\t\na\tb,c\n",
        "a;b,c\nd;e\nf;g",
        "a|b,c\nd|e\nf|g",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32"])
def test_separator_is_detected(text: str, encoding: str) -> None:
    assert cells(text.encode(encoding))[0] == ["a", "b,c"]


@pytest.mark.parametrize(
    "mark", [codecs.BOM_UTF8 * 2, codecs.BOM_UTF8, "\ufeff\ufeff".encode("utf-16")]
)
def test_repeated_byte_order_mark_is_ignored(mark: bytes) -> None:
    encoding = "utf-8" if mark.startswith(codecs.BOM_UTF8) else "utf-16-le"

    assert cells(mark + "a,b\n".encode(encoding)) == [["a", "b"]]


def test_trailing_empty_cells_are_dropped() -> None:
    text = "a;b" + ";" * 900 + "\n" + ";" * 900 + "\n" + "c;d" + "; " * 900 + "\n" * 500

    assert cells(text) == [["a", "b"], ["c", "d"]]


# --- Refusals with advice


def compound(name: str) -> bytes:
    return b"\xd0\xcf\x11\xe0" + b"\0" * 600 + name.encode("utf-16-le")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (compound("Workbook"), "choose Save As and the type Excel Workbook (.xlsx)"),
        (compound("Book"), "old XLS format"),
        (b"\x09\x08\x10\x00\x00\x06\x05\x00", "old XLS format"),
        (b"\x09\x04\x06\x00\x00\x00\x10\x00", "old XLS format"),
        (compound("EncryptedPackage"), "protected by a password"),
        (compound("WordDocument"), "not a table"),
        (compound("__substg1.0_001A001E"), "not a table"),
        (b"{\\rtf1 x}", "not a table"),
        (b"\x1f\x8b\x08\x00", "not a table"),
        (zipped({"xl/workbook.bin": "x"}), "binary workbook (XLSB)"),
        (zipped({"word/document.xml": "<x/>"}), "Word document"),
        (zipped({"Index/Document.iwa": "x", "preview.jpg": "x"}), "Numbers document"),
        (zipped({"export.csv": "a,b"}), "Extract it"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "Extract it"),
        (ods_of("", **{"META-INF/manifest.xml": "<manifest:encryption-data/>"}), "password"),
        ('[{"Value": "a.example"}]', "JSON"),
        ('{\n "Value": "a.example"}', "JSON"),
        ('<Objs Version="1.1.0.1" xmlns="x"><Obj/></Objs>', "Export-Csv"),
        ('<?xml version="1.0"?><list><a/></list>', "XML"),
        ("MIME-Version: 1.0\nContent-Type: multipart/related", "web archive"),
        ("Name   : Ann\nTarget : a.example\n", "Format-List"),
        ("\n\nValue                 : a.example\nAction                : Block\n", "Format-List"),
        ("Name  Target\n----  ------\nAnn   a.example\n", "Format-Table"),
        ("\r\nValue\r\n-----\r\na.example\r\n", "Format-Table"),
    ],
)
def test_other_files_get_advice(content: bytes | str, advice: str) -> None:
    assert advice in refusal(content)


def test_encrypted_part_is_a_password() -> None:
    content = bytearray(workbook(T=[["a"]]))
    # The flag of the first part, in its own header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1

    assert "protected by a password" in refusal(bytes(content))


@pytest.mark.parametrize("text", ["Note: x\nOther: y", "a : b", "Name,--\n--,Ann", "--\nx"])
def test_plain_text_is_no_print_out(text: str) -> None:
    assert cells(text)
