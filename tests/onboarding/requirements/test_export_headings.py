"""Exports of Exchange, Google and other gateways, read by their own headings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding.requirements.columns import ValidationContext
from onboarding.requirements.comparison import read_lines, refuse_foreign_table
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.tables import UnreadableFile
from tests.onboarding.requirements.files import workbook
from tests.onboarding.requirements.test_headings import (
    FORWARDING,
    PARTNER,
    TLS,
    as_csv,
    layout_of,
    refusal,
    rows,
)

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
        # “Type” has the kind of the sender here, and the choice is in “Action”.
        (
            "global-senders",
            "Value,Type,Action,Notes\nbad@evil.example,Sender,Block,\nb.example,Domain,Allow,ok",
            [["bad@evil.example", "block"], ["b.example", "permit", "ok"]],
        ),
        (
            "global-senders",
            "Sender,Type,Policy\nbad@evil.example,,Block\nb.example,,Allow",
            [["bad@evil.example", "block"], ["b.example", "permit"]],
        ),
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


def test_two_columns_with_different_choices_are_refused() -> None:
    text = "Value,Type,Action\na@b.example,Allow,Block\nc.example,Domain,Block"

    assert refusal("global-senders", text) == (
        "Two columns, “Type” and “Action”, are read as “Permit or block”, and row 2 has different"
        " values in them. Remove one of the columns."
    )


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


VIPS = "impersonation-vips"


@pytest.mark.parametrize(
    "text",
    [
        "userPrincipalName,displayName,mail\nann@c.onmicrosoft.com,Ann Example,ann@client.com",
        "Display name;Mail;User principal name\nAnn Example;ann@client.com;ann@c.onmicrosoft.com",
        "displayName\tuserPrincipalName\tPrimarySmtpAddress\tmail\n"
        "Ann Example\tann@c.onmicrosoft.com\tann@client.com\tann@old.client.com",
        "DisplayName,UserPrincipalName,EmailAddress\nAnn Example,ann@c.local,ann@client.com",
        "displayName,primaryEmail,id\nAnn Example,ann@client.com,1",
        "UserPrincipalName,DisplayName\nann@client.com,Ann Example",
    ],
)
def test_address_of_a_person_is_the_one_for_mail(text: str) -> None:
    assert rows(VIPS, text) == [["Ann Example", "ann@client.com"]]
    notes = " ".join(layout_of(VIPS, text).notes)
    assert "“mail”" not in notes or "PrimarySmtpAddress" in text


def test_person_without_a_mailbox_is_a_problem_of_its_row() -> None:
    """The name for signing in may be no address."""
    text = "userPrincipalName,displayName,mail\nann@c.local,Ann,\nbob@c.local,Bob,bob@client.com"
    read = read_lines(DEFINITIONS[VIPS], layout_of(VIPS, text), ValidationContext())

    assert [problem.row for problem in read.problems] == [2]


INBOX_RULES = "Enabled,MailboxOwnerId,ForwardTo,RedirectTo\n"


@pytest.mark.parametrize("off", ["False", "$false", "FALSE", "Falsch", "FAUX", "0", "Disabled"])
@pytest.mark.parametrize(
    ("heads", "line"),
    [
        (INBOX_RULES, "{},old@client.com,old@outside.net,"),
        ("MailboxOwnerId,RedirectTo,Enabled\n", "old@client.com,old@outside.net,{}"),
        ("MailboxOwnerId,ForwardAsAttachmentTo,Enabled\n", "old@client.com,o@outside.net,{}"),
        ("User,forwardEnabled,forwardTo\n", "old@client.com,{},old@outside.net"),
        ("Name,State,CopyTo\n", "Old,{},old@outside.net"),
        ("Name,RecipientDomains,Enabled\n", "Old,old.example,{}"),
    ],
)
def test_row_that_is_switched_off_is_skipped(heads: str, line: str, off: str) -> None:
    kind = TLS if "RecipientDomains" in heads else FORWARDING
    on = line.replace("old", "ann").replace("Old", "Ann").format("True")

    layout = layout_of(kind, f"{heads}{line.format(off)}\n{on}")

    assert len(layout.lines) == 1
    assert "old" not in " ".join(layout.lines[0].cells).casefold()
    assert any(note.startswith("Skipped: 1 row is switched off") for note in layout.notes)
    assert refusal(kind, f"{heads}{line.format(off)}").startswith("Every row is switched off")


NO_VALUES = [
    "$null",
    "NULL",
    "null",
    "n/a",
    "N/A",
    "#N/A",
    "None",
    "-",
    "—",
    "(null)",
    "FALSE",
    "{}",
]


@pytest.mark.parametrize("nothing", NO_VALUES)
@pytest.mark.parametrize(
    "text",
    [
        "PrimarySmtpAddress,ForwardingSmtpAddress\ncarl@client.com,{0}\ndan@client.com,{0}\n"
        "eve@client.com,{0}\nann@client.com,smtp:ann@outside.net",
        "PrimarySmtpAddress,ForwardingAddress,ForwardingSmtpAddress\ncarl@client.com,{0},{0}\n"
        "ann@client.com,{0},smtp:ann@outside.net",
        "MailboxOwnerId,ForwardTo,RedirectTo\ncarl@client.com,{0},{0}\n"
        "ann@client.com,ann@outside.net,{0}",
        "User,forwardingEmail\ncarl@client.com,{0}\nann@client.com,ann@outside.net",
        "Mailbox,Forwarding Email,ForwardingAddress\ncarl@client.com,,{0}\n"
        "ann@client.com,ann@outside.net,{0}",
    ],
)
def test_text_for_no_value_is_an_empty_cell(text: str, nothing: str) -> None:
    assert rows(FORWARDING, text.format(nothing)) == BOTH[:1]


def test_typed_text_for_no_value_remains_a_problem() -> None:
    layout = layout_of(FORWARDING, "Forwarding address,Mailbox\nn/a,ann@client.com\na@x.example,m")
    read = read_lines(DEFINITIONS[FORWARDING], layout, ValidationContext())

    assert [problem.row for problem in read.problems] == [2]
