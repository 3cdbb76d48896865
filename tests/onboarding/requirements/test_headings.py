"""Tests of headings below titles, in other worksheets, twice, and in exports of Exchange."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


# --- Exports of Exchange Online and Google

MAILBOXES = '"PrimarySmtpAddress","ForwardingSmtpAddress","DeliverToMailboxAndForward"\n'
BOTH = [
    ["ann@outside.net", "ann@client.com", "forward"],
    ["bob@outside.net", "bob@client.com", "forward"],
]


# Field case 21.
@pytest.mark.parametrize(
    "text",
    [
        f'{MAILBOXES}"ann@client.com","smtp:ann@outside.net","True"\n'
        '"bob@client.com","smtp:bob@outside.net","False"',
        "#TYPE Selected.Microsoft.Exchange.Data.Directory.Management.Mailbox\n"
        f'{MAILBOXES}"ann@client.com","SMTP:ann@outside.net","True"\n'
        '"carl@client.com",,"False"\n"bob@client.com","smtp: bob@outside.net","False"',
        "DisplayName;UserPrincipalName;PrimarySmtpAddress;ForwardingAddress;ForwardingSmtpAddress\n"
        "Ann;ann@c.onmicrosoft.com;ann@client.com;;smtp:ann@outside.net\n"
        "Bob;bob@c.onmicrosoft.com;SMTP:bob@client.com;bob@outside.net;",
        "User\tforwardingEmail\tverificationStatus\n"
        "ann@client.com\tann@outside.net\taccepted\nbob@client.com\tbob@outside.net\taccepted",
        "User,forwardEnabled,forwardTo,disposition\nann@client.com,True,ann@outside.net,leaveInInbox"
        "\nbob@client.com,True,bob@outside.net,archive\ncarl@client.com,False,,",
        "MailboxOwnerId,ForwardTo,RedirectTo\n"
        'ann@client.com,"{""Ann"" [SMTP:ann@outside.net]}",\n'
        'bob@client.com,,"""bob@outside.net"" [SMTP:bob@outside.net]"\ncarl@client.com,,',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_forwards_keep_their_mailbox(text: str, encoding: str) -> None:
    assert rows(FORWARDING, text.encode(encoding)) == BOTH


RULES = "Name,State,RedirectMessageTo,BlindCopyTo,CopyTo\n"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (
            FORWARDING,
            f"{RULES}Copies,Enabled,,{{log@outside.net}},\nOld,Disabled,old@outside.net,,\n"
            'Sales,Enabled,"{ann@outside.net, bob@outside.net}",,cy@outside.net\n',
            [
                ["log@outside.net", "Copies", "forward"],
                ["ann@outside.net", "Sales", "forward"],
                ["bob@outside.net", "Sales", "forward"],
                ["cy@outside.net", "Sales", "forward"],
            ],
        ),
        (
            FORWARDING,
            "User Email,Forwarding Email,Forwarding Action\nann@client.com,ann@outside.net,KEEP\n"
            "bob@client.com,bob@outside.net,TRASH",
            BOTH,
        ),
        (
            TLS,
            "Domain Name,TLS Setting,Description\na.net,Always,\nb.net,If possible,\n",
            [["a.net", "both", "enforced"], ["b.net", "both", "relaxed"]],
        ),
        (TLS, "Domain;Force TLS\na.net;Yes", [["a.net", "both", "enforced"]]),
        (TLS, "Domain;TLS policy\na.net;Opportunistic", [["a.net", "both", "relaxed"]]),
        (
            "global-senders",
            "Email Address/Domain,Policy,Comment\na@bad.example,block,\n"
            "good.example,exempt,Jo asked",
            [["a@bad.example", "block"], ["good.example", "permit", "Jo asked"]],
        ),
    ],
)
def test_exports_of_other_gateways_are_read(
    kind: str, text: str, expected: list[list[str]]
) -> None:
    assert rows(kind, text) == expected


def test_partner_without_tls_is_a_problem_of_its_row() -> None:
    """The default of the sheet, enforced, would stop the mail of this partner."""
    read = read_lines(
        DEFINITIONS[TLS], layout_of(TLS, "Domain,TLS Setting\na.net,Never"), ValidationContext()
    )

    assert [(problem.row, problem.column) for problem in read.problems] == [(2, "TLS")]


FORWARDS = "PrimarySmtpAddress,ForwardingSmtpAddress,ForwardingAddress\n"
DIFFERENT = "different values in “ForwardingAddress” and “ForwardingSmtpAddress”."


@pytest.mark.parametrize(
    ("text", "expected", "note"),
    [
        (
            f"{FORWARDS}ann@client.com,smtp:old@outside.net,ann@outside.net\n"
            "bob@client.com,SMTP:bob@outside.net,",
            BOTH,
            f"1 row has {DIFFERENT}",
        ),
        (
            "PrimarySmtpAddress;ForwardingAddress;DeliverToMailboxAndForward;ForwardingSmtpAddress\n"
            "ann@client.com;ann@outside.net;False;smtp:old@outside.net\n"
            "bob@client.com;bob@outside.net;True;smtp:old@outside.net",
            BOTH,
            f"2 rows have {DIFFERENT}",
        ),
        (
            f"{FORWARDS}ann@client.com,smtp:ANN@outside.net,ann@outside.net\n"
            "bob@client.com,smtp:bob@outside.net,$false",
            BOTH,
            "",
        ),
        (
            f"{FORWARDS}ann@client.com,smtp:ann@outside.net,\nbob@client.com,,bob@outside.net",
            BOTH,
            "",
        ),
    ],
)
def test_forwarding_address_has_precedence(text: str, expected: list[list[str]], note: str) -> None:
    """Exchange ignores ForwardingSmtpAddress if both are set (documentation of Set-Mailbox)."""
    notes = [each for each in layout_of(FORWARDING, text).notes if "different values" in each]

    assert rows(FORWARDING, text) == expected
    assert [each.startswith(note) for each in notes] == [True] * bool(note)


def test_directory_name_with_precedence_is_a_problem_of_its_row() -> None:
    """The address in the other column receives no mail, so that it must not replace the name."""
    text = f"{FORWARDS}ann@client.com,smtp:old@outside.net,client.com/Users/Ann Out\nb@c.d,,b@x.net"
    read = read_lines(DEFINITIONS[FORWARDING], layout_of(FORWARDING, text), ValidationContext())

    assert [problem.row for problem in read.problems] == [2]
    assert [entry.values["target"] for _, entry in read.first.values()] == ["b@x.net"]


def test_other_columns_with_different_values_are_refused() -> None:
    text = "Mailbox,Forward to,ForwardingAddress\nann@client.com,a@outside.net,b@outside.net"

    assert "row 2 has different values" in refusal(FORWARDING, text)


def test_export_of_all_properties_is_read() -> None:
    names = [f"Property{n}" for n in range(230)]
    heads = ["PrimarySmtpAddress", *names, "ForwardingSmtpAddress"]
    line = ["ann@client.com", *("x" for _ in names), "smtp:ann@outside.net"]

    layout = layout_of(FORWARDING, as_csv([heads, line]))

    assert rows(FORWARDING, workbook(T=[heads, line])) == BOTH[:1]
    assert layout.notes[0].endswith("“Property9” and 220 more.")


def test_mailboxes_without_forward_are_skipped() -> None:
    text = f"{MAILBOXES}ann@client.com,smtp:ann@outside.net,\ncarl@client.com,,\ndan@client.com,,"

    layout = layout_of(FORWARDING, text)

    assert len(layout.lines) == 1
    assert "Skipped: 2 rows have no value in the column “ForwardingSmtpAddress”." in layout.notes
    assert "No row has a value" in refusal(FORWARDING, f"{MAILBOXES}carl@client.com,,False")


def test_typed_row_without_address_is_a_problem() -> None:
    layout = layout_of(FORWARDING, "Forwarding address,Mailbox\n,ann@client.com\na@x.example,m")
    read = read_lines(DEFINITIONS[FORWARDING], layout, ValidationContext())

    assert [problem.row for problem in read.problems] == [2]


BLOCKED = [["a@bad.example", "block"], ["good.example", "permit", "Jo asked"]]


@pytest.mark.parametrize(
    "text",
    [
        "Value,Action,Notes\na@bad.example,Block,\ngood.example,Allow,Jo asked",
        "#TYPE Selected.X\nIdentity,Value,Action,Notes,ExpirationDate\n"
        "RgAA,a@bad.example,Block,,\nRgAB,good.example,Allow,Jo asked,12/31/2026",
        "Tenant Allow/Block List\n\nValue;Modified by;Action;Notes\n"
        "a@bad.example;Jo;Block;\ngood.example;Jo;Allow;Jo asked",
    ],
)
def test_allow_block_list_is_read(text: str) -> None:
    assert rows("global-senders", text) == BLOCKED


@pytest.mark.parametrize(
    "cells",
    [
        ("a.example; b.example", "bad@x.example"),
        ("{a.example, b.example}", "{bad@x.example}"),
        ("a.example b.example", "bad@x.example"),
        ('"a.example\nb.example"', "smtp:bad@x.example;"),
    ],
)
def test_policy_lists_become_entries(cells: tuple[str, str]) -> None:
    permitted, blocked = (f'"{cell}"' if cell[0] != '"' else cell for cell in cells)
    text = f"Name,AllowedSenderDomains,BlockedSenders\nDefault,{permitted},{blocked}\nOther,,"

    assert rows("global-senders", text) == [
        ["a.example", "permit"],
        ["b.example", "permit"],
        ["bad@x.example", "block"],
    ]


def test_junk_mail_lists_become_entries() -> None:
    text = (
        "Identity,PrimarySmtpAddress,TrustedSendersAndDomains,BlockedSendersAndDomains\n"
        "Ann,ann@client.com,a.example;b@x.example,bad.example\nBob,bob@client.com,,"
    )

    assert rows("managed-senders", text) == [
        ["ann@client.com", "a.example", "permit"],
        ["ann@client.com", "b@x.example", "permit"],
        ["ann@client.com", "bad.example", "block"],
    ]


def test_list_headings_need_no_action() -> None:
    text = 'Blocked senders\na.example\n"b@x.example;c.example"'

    assert rows("global-senders", text) == [
        ["a.example", "block"],
        ["b@x.example", "block"],
        ["c.example", "block"],
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    "Domain",
                    "Address",
                    "Value",
                    "Action",
                    "Block",
                    "a.example",
                    "x y",
                    "",
                    "#TYPE a",
                    "AllowedSenders",
                    "ForwardTo",
                    "ForwardingSmtpAddress",
                    "User",
                    "smtp:a@b.example",
                ]
            ),
            min_size=1,
            max_size=5,
        ),
        max_size=6,
    ),
    st.sampled_from(sorted(DEFINITIONS)),
)
def test_any_table_is_read_or_refused(lines: list[list[str]], key: str) -> None:
    kind, refusals = DEFINITIONS[key], []
    try:
        layout = layout_of(key, as_csv(lines, ";"))
        read = read_lines(kind, layout, ValidationContext())
        refuse_foreign_table(kind, layout, read)
        assert read.rows == len(layout.lines) > 0
    except UnreadableFile as refused:
        refusals.append(str(refused))
    # A sentence of at most 500 characters fits into the field of the import.
    assert all(0 < len(sentence) <= 500 for sentence in refusals)


@pytest.mark.parametrize(
    "value",
    [
        "System.Object[]",
        "System.Collections.Generic.List`1[System.String]",
        "Microsoft.Exchange.Data.MultiValuedProperty`1[Microsoft.Exchange.Data.SmtpDomain]",
    ],
)
def test_type_name_is_explained(value: str) -> None:
    message = refusal("global-senders", f"Name,BlockedSenders\nDefault,{value}")

    assert f"Row 2 has “{value[:60]}" in message
    assert "$_.BlockedSenders -join ';'" in message


FIELD_CASES = Path(__file__).parent / "field_cases"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (FORWARDING, "21-forwarding-powershell.csv", BOTH),
        (TLS, "22-title-above-headings.csv", [PARTNER]),
    ],
)
def test_field_case_is_read(kind: str, name: str, expected: list[list[str]]) -> None:
    assert rows(kind, (FIELD_CASES / name).read_bytes()) == expected


OUTBOUND = "Name,Enabled,RecipientDomains,TlsSettings,SmartHosts\n"
INBOUND = "Name,SenderDomains,RequireTls,SenderIPAddresses\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{OUTBOUND}Bank,True,bank.example,CertificateValidation,\nAll,True,*,,mx.example",
            [["bank.example", "outgoing", "enforced"]],
        ),
        (
            f'{OUTBOUND}Two,True,"{{bank.example, law.example}}",DomainValidation,',
            [["bank.example", "outgoing", "enforced"], ["law.example", "outgoing", "enforced"]],
        ),
        (
            f"#TYPE Selected.X\n{OUTBOUND}Old,False,old.example,EncryptionOnly,\n"
            "New,True,bank.example,EncryptionOnly,",
            [["bank.example", "outgoing", "relaxed"]],
        ),
        (
            f'{OUTBOUND}Group,True,"*.bank.example;law.example",CertificateValidation,',
            [
                ["bank.example", "outgoing", "enforced", "With its sub-domains: *.bank.example"],
                ["law.example", "outgoing", "enforced"],
            ],
        ),
        (
            f'{INBOUND}Bank,"smtp:bank.example;1,smtp:*.law.example;1",True,\n'
            "All,smtp:*;1,True,192.0.2.0/24\nOff,smtp:news.example;1,False,",
            [
                ["bank.example", "incoming", "enforced"],
                ["law.example", "incoming", "enforced", "With its sub-domains: *.law.example"],
            ],
        ),
    ],
)
def test_connectors_become_partners(text: str, expected: list[list[str]]) -> None:
    assert rows(TLS, text) == expected


def test_disabled_connectors_are_skipped() -> None:
    text = f"{OUTBOUND}Old,False,old.example,EncryptionOnly,"
    layout = layout_of(TLS, f"{text}\nNew,True,bank.example,EncryptionOnly,")

    assert "Skipped: 1 row is switched off in the column “Enabled”." in layout.notes
    assert refusal(TLS, text) == "Every row is switched off in the column “Enabled”."


def test_domain_of_digits_is_no_cost() -> None:
    text = "Name,AllowedSenderDomains\nDefault,smtp:a.example;163.com"

    assert rows("global-senders", text) == [["a.example", "permit"], ["163.com", "permit"]]


def test_catch_all_connector_is_no_partner() -> None:
    catch_all = f"{OUTBOUND}All,True,*,CertificateValidation,"
    layout = layout_of(TLS, f"{catch_all}\nBank,True,bank.example,CertificateValidation,")

    assert layout.notes[-1] == "Skipped: “*”, which is every domain and no partner. It occurs 1×."
    assert "No row has a value" in refusal(TLS, catch_all)
