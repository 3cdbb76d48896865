"""Tests of headings below titles, in other worksheets, twice, and in exports of Exchange."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from openpyxl import load_workbook

from onboarding.requirements.column_matching import Layout, read_layout, worksheet_chooser
from onboarding.requirements.columns import ValidationContext
from onboarding.requirements.comparison import read_lines, refuse_foreign_table
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.parsers import read_table
from onboarding.requirements.tables import UnreadableFile
from onboarding.requirements.validation import in_order
from tests.onboarding.requirements.files import html_table, ods, ods_with_hidden, workbook

TLS, FORWARDING = "tls-partners", "forwarding"


def layout_of(kind: str, content: str | bytes) -> Layout:
    raw = content.encode() if isinstance(content, str) else content
    definition = DEFINITIONS[kind]
    return read_layout(definition, read_table(raw, choose=worksheet_chooser(definition)))


def rows(kind: str, content: str | bytes) -> list[list[str]]:
    """The entries without the empty cells at the end. Fails if a row has a problem."""
    definition = DEFINITIONS[kind]
    read = read_lines(definition, layout_of(kind, content), ValidationContext())
    assert read.problems == []
    entries = [in_order(definition, entry.values) for _, entry in read.first.values()]
    return ["|".join(cells).rstrip("|").split("|") for cells in entries]


def refusal(kind: str, content: str | bytes) -> str:
    with pytest.raises(UnreadableFile) as refused:
        layout_of(kind, content)
    return str(refused.value)


# --- Rows above the headings

HEADINGS = ["Domain", "Direction", "TLS"]
PARTNER = ["partner.net", "both", "enforced"]
OLD = ["old.net", "both", "enforced"]
# Field case 22.
TITLES = {
    "none": [],
    "one title": [["TLS partners of Client Ltd, as of 12/11/2026"]],
    "title and empty row": [["TLS partners"], ["", "", ""]],
    "title with several cells": [["Client Ltd", "", "Version 2"], ["", "Jo", ""]],
    "title equal to a heading": [["Domain"], ["Partner"]],
    "ten titles": [[f"Remark {n}"] for n in range(10)],
    "group headings": [["Domain", "", "Settings"]],
    "type line": [["#TYPE Selected.System.Management.Automation.PSCustomObject"]],
    "generic type line": [["#TYPE Generic.List`1[[System.String, mscorlib, Version=4.0.0.0]]"]],
}


def as_csv(lines: list[list[str]], sign: str = ",") -> str:
    return "\n".join(
        sign.join(f'"{cell}"' if sign in cell else cell for cell in line) for line in lines
    )


@pytest.mark.parametrize("above", TITLES.values(), ids=TITLES.keys())
def test_headings_are_found_below_titles(above: list[list[str]]) -> None:
    lines = [*above, HEADINGS, PARTNER]

    for content in (
        as_csv(lines),
        as_csv(lines, ";"),
        as_csv(lines, "\t").encode("utf-16"),
        workbook(T=lines),
        ods(T=lines),
        html_table(lines),
    ):
        assert rows(TLS, content) == [PARTNER]


def test_type_line_is_no_title() -> None:
    lines = [["#TYPE Selected.Microsoft.Exchange.Data.Mailbox"], HEADINGS, PARTNER]

    for content in (as_csv(lines), workbook(T=lines), '"' + as_csv(lines).replace("\n", '"\n', 1)):
        assert layout_of(TLS, content).notes == []


def test_merged_title_in_workbook_is_skipped() -> None:
    merged = workbook(T=[["TLS partners", None, None], [], HEADINGS, PARTNER])

    layout = layout_of(TLS, merged)

    assert layout.has_headings
    assert layout.notes == [
        "The headings are in row 3. Not imported from above them: “TLS partners”."
    ]


def test_headings_below_entries_are_named() -> None:
    text = "client.com\n\nDomain,Direction,TLS\npartner.net,both,enforced"

    assert refusal(TLS, text) == (
        "The headings seem to be in row 3. Remove the rows above them, and import the file again."
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("spoofing-exceptions", "News,address,8.8.4.0/24\nSender,address,8.8.8.0/24"),
        (FORWARDING, "ann@x.example,Mailbox\nbob@x.example,Address"),
        ("request-for-information", "Company name,Northwind\nDirectory,Item"),
    ],
)
def test_values_like_headings_are_entries(kind: str, text: str) -> None:
    layout = layout_of(kind, text)

    assert (layout.has_headings, len(layout.lines)) == (False, 2)


def test_repeated_headings_are_no_entries() -> None:
    other = ["other.net", "both", "enforced"]

    assert rows(TLS, as_csv([HEADINGS, PARTNER, HEADINGS, other])) == [PARTNER, other]


@pytest.mark.parametrize(
    ("text", "row", "named"),
    [
        ("Domäne;Richtung;TLS\npartner.net;both;enforced", 1, "“Domäne”, “Richtung”, “TLS”"),
        ("List of 1 May 2026,,\nA,B,C\npartner.net,both,strict", 2, "“A”, “B”, “C”"),
        ("Our partners\n\npartner.net\nother.net", 1, "“Our partners”"),
        ("Partnername,Bemerkung\nx,y\npartner.net,both", 2, "“x”, “y”"),
    ],
)
def test_unknown_headings_are_named(text: str, row: int, named: str) -> None:
    message = refusal(TLS, text)

    assert message.startswith(f"Row {row} is neither an entry nor a row of known headings: {named}")
    assert "Use the headings “Partner’s domain”, “Direction”, “TLS”, “Note”, or remove" in message


@pytest.mark.parametrize("text", ["partner.net\nnonsense", "nonsense", "nonsense\nmore"])
def test_faulty_rows_are_no_headings(text: str) -> None:
    assert not layout_of(TLS, text).has_headings


def foreign(kind: str, text: str) -> str:
    definition, layout = DEFINITIONS[kind], layout_of(kind, text)
    read = read_lines(definition, layout, ValidationContext())
    with pytest.raises(UnreadableFile) as refused:
        refuse_foreign_table(definition, layout, read)
    return str(refused.value)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (
            "global-senders",
            "Value,Action\nhttps://a.example/x,Block\nhttps://b.example,Block\n10.0.0.1,Block",
            "No row has a valid value for “Sender’s address or domain”. Row 2: “https://a.example",
        ),
        (
            "outbound-addresses",
            "IP,Site\n10.0.0.1,a\n10.0.0.2,b\n10.0.0.3,c",
            "No row has a valid value for “Public IP address”. Row 2: “10.0.0.1” is not a public",
        ),
        (
            TLS,
            "10.0.0.1,a\n10.0.0.2,b\n10.0.0.3,c",
            "No row contains the headings of this sheet (“Partner’s domain”, “Direction”, “TLS”,",
        ),
    ],
)
def test_foreign_table_has_one_reason(kind: str, text: str, reason: str) -> None:
    assert foreign(kind, text).startswith(reason)


@pytest.mark.parametrize(
    "text",
    ["Domain\nx\ny.net\nz", "Domain\nx\ny", "Domain,TLS\nx,enforced\ny.net,bad\nz.net,bad"],
)
def test_faulty_rows_are_listed(text: str) -> None:
    layout = layout_of(TLS, text)
    read = read_lines(DEFINITIONS[TLS], layout, ValidationContext())

    refuse_foreign_table(DEFINITIONS[TLS], layout, read)

    assert read.problem_rows > 1


# --- Worksheets

READ_ME = [["Read me"], ["Fill in the next worksheet."], ["Domain", "the partner’s domain"]]


@pytest.mark.parametrize(
    "worksheets",
    [
        {"Read_me": READ_ME, "Data": [HEADINGS, PARTNER]},
        {"Read_me": READ_ME, "Empty": [], "Data": [["TLS partners"], HEADINGS, PARTNER]},
        {"Data": [HEADINGS, PARTNER], "Read_me": READ_ME},
        {"Read_me": READ_ME, "Data": [PARTNER]},
        {"Choices": [["both"], ["outgoing"]], "Template": [HEADINGS], "Data": [HEADINGS, PARTNER]},
    ],
)
def test_worksheet_with_headings_is_read(worksheets: dict[str, list[list[str]]]) -> None:
    pages = "".join(html_table(lines) for lines in worksheets.values())

    for content in (workbook(**worksheets), ods(**worksheets), pages):
        assert rows(TLS, content) == [PARTNER]


def test_unread_worksheets_are_named() -> None:
    content = workbook(Read_me=READ_ME, Data=[HEADINGS, PARTNER])

    assert layout_of(TLS, content).notes == [
        "Only the worksheet “Data” was read; “Read_me” was not."
    ]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_visible_worksheet_is_read(state: Literal["hidden", "veryHidden"]) -> None:
    book = load_workbook(io.BytesIO(workbook(Old=[HEADINGS, OLD], Data=[HEADINGS, PARTNER])))
    book["Old"].sheet_state = state
    book.active = 1
    saved = io.BytesIO()
    book.save(saved)

    assert rows(TLS, saved.getvalue()) == [PARTNER]
    assert layout_of(TLS, saved.getvalue()).notes == [
        "Only the worksheet “Data” was read; “Old” was not."
    ]


def hidden_in_xml(title: str, worksheets: dict[str, list[list[str]]]) -> str:
    """XML Spreadsheet 2003, in which the options of a worksheet follow its table."""

    def sheet(name: str, lines: list[list[str]]) -> str:
        cells = "".join(
            "<Row>"
            + "".join(f'<Cell><Data ss:Type="String">{c}</Data></Cell>' for c in line)
            + "</Row>"
            for line in lines
        )
        state = "<Visible>SheetHidden</Visible>" if name == title else ""
        return (
            f'<Worksheet ss:Name="{name}"><Table>{cells}</Table>'
            '<WorksheetOptions xmlns="urn:schemas-microsoft-com:office:excel">'
            f"{state}</WorksheetOptions></Worksheet>"
        )

    sheets = "".join(sheet(name, lines) for name, lines in worksheets.items())
    return f'<?xml version="1.0"?>\n<Workbook>{sheets}</Workbook>'


@pytest.mark.parametrize(
    ("title", "worksheets", "read"),
    [
        ("Old", {"Old": [HEADINGS, OLD], "Data": [HEADINGS, PARTNER]}, "Data"),
        ("Old", {"Data": [HEADINGS, PARTNER], "Old": [HEADINGS, OLD]}, "Data"),
        ("Old", {"Read_me": READ_ME, "Old": [HEADINGS, OLD], "Data": [HEADINGS, PARTNER]}, "Data"),
        # The only worksheet with a row is read, although it is hidden.
        ("Data", {"Empty": [], "Data": [HEADINGS, PARTNER]}, "Data"),
    ],
)
def test_hidden_worksheet_is_read_last(
    title: str, worksheets: dict[str, list[list[str]]], read: str
) -> None:
    for content in (ods_with_hidden(title, worksheets), hidden_in_xml(title, worksheets)):
        assert rows(TLS, content) == [PARTNER]
        others = "”, “".join(name for name, lines in worksheets.items() if lines and name != read)
        note = f"Only the worksheet “{read}” was read; “{others}” was not."
        assert layout_of(TLS, content).notes == [note] * bool(others)


def test_table_that_a_page_hides_is_read_last() -> None:
    old, new = html_table([HEADINGS, OLD]), html_table([HEADINGS, PARTNER])

    for attribute in ('style="color: red; display: none"', "hidden"):
        assert rows(TLS, old.replace("<table", f"<table {attribute}") + new) == [PARTNER]


# --- Columns


@pytest.mark.parametrize(
    "heading", ["Domain [Required]", "domain (required)", "DOMAIN*", "Partner_domain"]
)
def test_notes_in_headings_are_ignored(heading: str) -> None:
    assert rows(TLS, f"{heading},Direction\npartner.net,both") == [PARTNER]


@pytest.mark.parametrize(
    "text",
    [
        "Domain,Domain,TLS\npartner.net,,enforced",
        "Domain,Partner,TLS\n,partner.net,enforced",
        "Domain,Partner,Domain\npartner.net,PARTNER.NET,partner.net",
    ],
)
def test_duplicate_columns_are_joined(text: str) -> None:
    assert rows(TLS, text) == [PARTNER]


@pytest.mark.parametrize(
    "text",
    [
        "Domain,Domain\npartner.net,\nx.net,y.net",
        "Partner,Note,Domain\nx.net,,\nx.net,,y.net",
        "Title\nDomain,Partner\n\nx.net,y.net",
    ],
)
def test_conflicting_columns_are_refused(text: str) -> None:
    message = refusal(TLS, text)

    assert message.startswith("Two columns, “")
    assert "has different values in them. Remove one of the columns." in message
    assert f"row {text.count(chr(10)) + 1} " in message


@pytest.mark.parametrize(
    "text",
    [
        "Domain,Direction\npartner.net,both,other.net",
        "Domain;Note\npartner.net;x;;10",
        "Domain\tDirection\t\npartner.net\tboth\t\tann@x.example",
    ],
)
def test_value_beyond_headings_is_a_problem(text: str) -> None:
    read = read_lines(DEFINITIONS[TLS], layout_of(TLS, text), ValidationContext())

    (problem,) = read.problems
    assert (problem.row, problem.column) == (2, "")
    assert "cells below 2 headings." in problem.sentence


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("Domain,TLS,Direction\npartner.net,enforced,both,please check", 2),
        ("Domain,,TLS\n\npartner.net,please check,enforced", 3),
        ("Domain,TLS,,,\npartner.net,enforced,,,please check", 2),
    ],
)
def test_column_without_heading_is_noted(text: str, row: int) -> None:
    layout = layout_of(TLS, text)

    assert rows(TLS, text) == [PARTNER]
    assert layout.notes == [
        f"Not used: cells without a heading, the first in row {row}: “please check”."
    ]


def test_value_beyond_lists_is_refused() -> None:
    message = refusal("global-senders", "Blocked senders;Name\na.example;x;b.example")

    assert message == (
        "Row 2 has a value to the right of the headings: “b.example”. Put quotation marks around"
        " each list."
    )
