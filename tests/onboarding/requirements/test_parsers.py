"""Tests of encodings, delimiters, headings, workbooks and malicious files."""

from __future__ import annotations

import io
import random
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from onboarding.requirements import xlsx_reader
from onboarding.requirements.column_matching import read_layout
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.parsers import read_table, text_size_bytes
from onboarding.requirements.tables import Table, UnreadableFile
from onboarding.requirements.xlsx_writer import write_workbook

FORWARDING = DEFINITIONS["forwarding"]
LINES = "Address\tMailbox\nann@x.example\tJosé\n"


def error(content: bytes) -> str | None:
    """The reason why a file is refused, or empty. Any other exception fails the test."""
    try:
        read_table(content)
    except UnreadableFile as refused:
        return str(refused)
    return None


def cells(table: Table) -> list[list[str]]:
    return [line.cells for line in table.lines]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_encoding_is_detected(encoding: str) -> None:
    table = read_table(LINES.encode(encoding))

    assert cells(table) == [["Address", "Mailbox"], ["ann@x.example", "José"]]
    assert bool(table.notes) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("a;b\nc;d\n", [["a", "b"], ["c", "d"]]),
        ("a;b, really\nc;d, too\n", [["a", "b, really"], ["c", "d, too"]]),
        ("a\tb, c; d\n", [["a", "b, c; d"]]),
        ("sep=;\na;b,c\n", [["a", "b,c"]]),
        ('a,"b, ""c"""\n', [["a", 'b, "c"']]),
        ('a,"two\nlines"\nc,d\n', [["a", "two\nlines"], ["c", "d"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a,b\rc,d\r", [["a", "b"], ["c", "d"]]),
        ("one\ntwo\n", [["one"], ["two"]]),
        ("a,b,,,\n,,,\n\n c,d\n", [["a", "b"], [" c", "d"]]),
    ],
)
def test_delimiter_is_detected(text: str, expected: list[list[str]]) -> None:
    assert cells(read_table(text.encode())) == expected


def test_row_numbers_match_the_spreadsheet() -> None:
    table = read_table(b'h,i\n\n"two\nlines",b\n\nc,d\n')

    assert [line.number for line in table.lines] == [1, 3, 5]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n\n \n", "The file is empty"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, "old XLS format"),
        (b"%PDF-1.7", "not a table"),
        (b"PK\x03\x04 and then nothing", "XLSX workbook cannot be read"),
        (b"a,b\n" + b'"' + b"x" * 200_000, "cannot be parsed"),
        (("x," * 400).encode(), "so many columns"),
        (b"PK\x03\x04" + b"\0" * 40, "XLSX workbook cannot be read"),
    ],
)
def test_unreadable_file_has_a_reason(content: bytes, reason: str) -> None:
    # The last cell of a row of commas is empty, which is no cell.
    content = content + b"x" if content.startswith(b"x,") else content
    with pytest.raises(UnreadableFile) as refused:
        read_table(content)

    assert reason in str(refused.value)


# --- Headings


def test_headings_allow_any_order_and_aliases() -> None:
    layout = read_layout(
        FORWARDING, read_table(b"Notes,Unheard of,E-Mail,Mailbox\nn,u,a@x.example,m")
    )

    (line,) = layout.lines
    assert layout.typed(line) == {"note": "n", "target": "a@x.example", "source": "m"}
    assert layout.notes == ["Not used: the column “Unheard of”."]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("spoofing-exceptions", "News,address,8.8.4.0/24"),
        ("spoofing-exceptions", "News,address,nonsense,northwind.test,x"),
        ("tls-partners", "a.example,from,strict"),
        ("request-for-information", "Company name,Value"),
    ],
)
def test_value_equal_to_heading_is_no_heading(kind: str, text: str) -> None:
    layout = read_layout(DEFINITIONS[kind], read_table(text.encode()))

    assert not layout.has_headings
    assert len(layout.lines) == 1


def test_one_useful_heading_among_many_is_found() -> None:
    other = "Id,Server,Size,Created,ForwardingSmtpAddress,Quota"
    layout = read_layout(FORWARDING, read_table(f"{other}\n1,x,9,y,ann@x.example,7".encode()))

    assert layout.typed(layout.lines[0]) == {"target": "ann@x.example"}


def test_columns_without_headings_keep_order() -> None:
    layout = read_layout(FORWARDING, read_table(b"a@x.example,m,relay,n"))

    assert layout.typed(layout.lines[0]) == {
        "target": "a@x.example",
        "source": "m",
        "what": "relay",
        "note": "n",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Note,Mailbox\nn,m", "No column has the heading “Address or domain outside”"),
        ("Email,Address\na@x.example,b@x.example", "Two columns"),
        ("Email,Note", "no rows"),
    ],
)
def test_unusable_headings_are_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read_layout(FORWARDING, read_table(text.encode()))

    assert reason in str(refused.value)


@pytest.mark.parametrize("kind", DEFINITIONS.values(), ids=lambda kind: kind.key)
def test_own_headings_are_recognised(kind: Any) -> None:
    for names in (
        [c.label for c in kind.columns],
        [c.console_heading or c.label for c in kind.columns],
    ):
        table = read_table(("\t".join(names) + "\n" + "x\t" * len(names) + "x").encode())

        assert read_layout(kind, table).columns == list(kind.columns)


# --- Workbooks


def book(*rows: list[Any], **more: list[list[Any]]) -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for title, lines in more.items():
        other = made.create_sheet(title)
        for line in lines:
            other.append(line)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def altered(content: bytes, part: str, replace: tuple[bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text.replace(*replace) if name == part else text)
    return buffer.getvalue()


FIRST = "xl/worksheets/sheet1.xml"


def test_workbook_values_match_displayed_values() -> None:
    table = read_table(book(["Address", "Mailbox"], [], ["a@x.example", 25.0], [True, 1.5]))

    assert cells(table) == [["Address", "Mailbox"], ["a@x.example", "25"], ["yes", "1.5"]]
    assert [line.number for line in table.lines] == [1, 3, 4]


def test_formula_reads_as_its_saved_result() -> None:
    content = book(["a", "=1+1"])
    with_result = altered(content, FIRST, (b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))

    assert cells(read_table(with_result)) == [["a", "2"]]


def test_formula_without_result_is_not_empty() -> None:
    (line,) = read_table(book(["a@x.example", "=HYPERLINK(1)"])).lines

    assert "formula without a saved result" in line.cells[1]


def test_only_first_filled_worksheet_is_read() -> None:
    table = read_table(book(Second=[["b"]], Third=[["c"]], Empty=[]))

    assert cells(table) == [["b"]]
    assert table.notes == ["Only the worksheet “Second” was read; “Third” was not."]


def test_false_dimension_hides_no_rows() -> None:
    content = altered(book(["a"], ["b"]), FIRST, (b'ref="A1:A2"', b'ref="A1"'))

    assert cells(read_table(content)) == [["a"], ["b"]]


@pytest.mark.slow
def test_zip_bomb_is_not_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (130 * 1024 * 1024))

    assert len(buffer.getvalue()) < 200_000
    with pytest.raises(UnreadableFile, match="too large after unpacking"):
        read_table(buffer.getvalue())


def test_workbook_size_is_its_unpacked_size() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (5 * 1024 * 1024))

    assert text_size_bytes(buffer.getvalue()) > 500_000 > len(buffer.getvalue())
    assert text_size_bytes(b"ann@outside.test") == 16
    assert text_size_bytes(b"PK\x03\x04x") == 5


@pytest.mark.parametrize("tag", [b'<row r="1048576"', b'<row spans="1:1" r="1048576"'])
def test_distant_row_is_refused_before_rows_are_read(
    monkeypatch: pytest.MonkeyPatch, tag: bytes
) -> None:
    content = altered(book(["Address"], ["ann@x.example"]), FIRST, (b'<row r="2"', tag))
    monkeypatch.setattr(xlsx_reader, "load_workbook", None)

    with pytest.raises(UnreadableFile, match=r"claims row 1,048,576, but contains 2 rows"):
        read_table(content)


def test_xml_entities_are_refused() -> None:
    declared = b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet'
    with pytest.raises(UnreadableFile, match="XML that no spreadsheet writes"):
        read_table(altered(book(["a"]), FIRST, (b"<worksheet", declared)))


def test_distant_cells_are_refused_quickly() -> None:
    content = book(["a"], ["b"])
    below = altered(content, FIRST, (b'r="2"', b'r="99999999"'))
    right = altered(content, FIRST, (b'r="A2"', b'r="XFD2"'))

    with pytest.raises(UnreadableFile):
        read_table(below)
    assert len(cells(read_table(right))[0]) <= 301


def test_written_workbook_reads_back_as_text() -> None:
    rows = [["Question", "Answer"], ["=1+1", "+49 30"], ["@SUM(A1)", "-1"]]

    content = write_workbook("A [very] long / name of a sheet: indeed", rows)

    assert cells(read_table(content)) == rows
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"<f>" not in archive.read(FIRST)


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_random_bytes_raise_unreadable_file(content: bytes) -> None:
    for start in (b"", b"\xff\xfe", b"\xef\xbb\xbf", b"PK\x03\x04"):
        assert error(start + content) != ""


def test_damaged_workbook_raises_unreadable_file() -> None:
    content = bytearray(book(["Address", "Mailbox"], ["a@x.example", "=1+1"], ["b", 2]))
    chance = random.Random(7)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        assert error(bytes(damaged)) != ""


@pytest.mark.parametrize("part", [FIRST, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_damaged_part_raises_unreadable_file(part: str) -> None:
    content = book(["Address", "Mailbox"], ["a@x.example", "=1+1"], ["b", 2.5])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        whole = archive.read(part)
    chance = random.Random(11)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 5)):
            place = chance.randrange(len(damaged))
            damaged[place : place + chance.randint(0, 3)] = chance.choice(
                [b"", b"9", b"'", b"<", b"zz", b"\xff", b"-1"]
            )
        assert error(altered(content, part, (whole, bytes(damaged)))) != ""


@pytest.mark.parametrize("cut", [b"<row", b"<sheetData>", b"<c "])
def test_workbook_with_broken_part_is_refused(cut: bytes) -> None:
    for replacement in (b"", b"<x ", b"<row r='zz' "):
        assert error(altered(book(["a"], ["b"]), FIRST, (cut, replacement))) != ""
