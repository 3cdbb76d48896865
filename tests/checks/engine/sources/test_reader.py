"""The shapes of exports: both editions of PowerShell, encodings, Clixml, and damaged files."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest

from checks.engine.sources.exchange_online.tables import LISTED
from checks.engine.sources.exports.reader import Export, UnreadableExport, read_export
from checks.engine.sources.exports.texts import MAX_BYTES
from checks.engine.sources.facts import Row
from tests.checks.engine.sources.exports import FILTER, RANGES, export_of, read

TABLE = "Get-HostedConnectionFilterPolicy"


def rows_of(value: Any) -> tuple[Row, ...] | UnreadableExport | None:
    found = read_export(json.dumps({TABLE: value, "Get-JournalRule": []}).encode(), LISTED)
    return found if isinstance(found, UnreadableExport) else found.tables.get(TABLE)


def problem_of(content: bytes) -> str:
    found = read_export(content, LISTED)
    return found.problem if isinstance(found, UnreadableExport) else ""


def test_only_listed_properties_remain() -> None:
    export = export_of(
        HostedConnectionFilterPolicy=[{**FILTER, "Guid": "7f", "CreatedBy": "ann@contoso.test"}]
    )
    export["Get-Mailbox"] = [{"ForwardingSmtpAddress": "ann@elsewhere.test"}]

    tables = read(export).tables

    assert set(tables) == {name for name in export if name not in ("GeneratedAt", "Get-Mailbox")}
    assert tables[TABLE] == (FILTER,)


def test_personal_values_are_reduced() -> None:
    connector = {"EFUsers": ["ann@contoso.test", "bob@contoso.test"]}
    rule = {"JournalEmailAddress": "SMTP:J@Journal.test", "Recipient": "ann@contoso.test"}
    export = export_of(InboundConnector=[connector], JournalRule=[rule])

    tables = read(export).tables

    assert tables["Get-InboundConnector"] == ({"EFUsers": 2},)
    assert tables["Get-JournalRule"] == (
        {"JournalEmailAddress": "journal.test", "Recipient": True},
    )
    assert "ann@" not in json.dumps({name: list(rows) for name, rows in tables.items()})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([FILTER], (FILTER,)),
        (FILTER, (FILTER,)),
        ([], ()),
        ([None], ()),
        (None, None),
        ({"value": [FILTER], "Count": 1}, (FILTER,)),
        ({"value": [], "Count": 0}, ()),
        ([FILTER, FILTER], (FILTER,)),
        ([[FILTER]], None),
        (7, None),
        ("@{Name=Default}", UnreadableExport("depth", f"{TABLE}: the table is text")),
        (["System.Object"], UnreadableExport("depth", f"{TABLE}: a row is text")),
    ],
)
def test_shapes_of_a_table(value: Any, expected: Any) -> None:
    assert rows_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (RANGES, RANGES),
        ("192.0.2.1", ["192.0.2.1"]),
        ([], []),
        ([None], []),
        ({"value": RANGES, "Count": 2}, RANGES),
        (None, None),
        ("", None),
        ([["192.0.2.1"]], None),
        (["a" * 1001], None),
        ([" 192.0.2.1\u200b"], ["192.0.2.1"]),
    ],
)
def test_values_of_a_list(value: Any, expected: list[str] | None) -> None:
    rows = rows_of([{"IPAllowList": value}])

    assert isinstance(rows, tuple)
    assert rows[0].get("IPAllowList") == expected


@pytest.mark.parametrize(
    "value",
    [
        "192.0.2.1 192.0.2.2",
        "System.Object[]",
        ["System.Object[]"],
        "System.Collections.Generic.List`1[System.String]",
        "@{value=System.Object[]; Count=2}",
        ["@{Address=192.0.2.1}"],
    ],
)
def test_too_small_depth_is_refused(value: Any) -> None:
    assert rows_of([{"IPAllowList": value}]) == UnreadableExport("depth", f"{TABLE}: IPAllowList")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("false", False),
        (1, None),
        ("yes", None),
        (None, None),
        ([True], None),
    ],
)
def test_values_of_a_flag(value: Any, expected: bool | None) -> None:
    rows = rows_of([{"IsDefault": value}])

    assert isinstance(rows, tuple)
    assert rows[0].get("IsDefault") is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Default", "Default"),
        (None, ""),
        (2, "2"),
        ({"value": 1, "Value": "Partner"}, "Partner"),
        ({"value": 1}, None),
        (["Default"], None),
        ("a\nb", "a b"),
    ],
)
def test_values_of_a_text(value: Any, expected: str | None) -> None:
    rows = rows_of([{"Name": value}])

    assert isinstance(rows, tuple)
    assert rows[0].get("Name") == expected


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: f"\r\n [{text}]\r\n".encode(),
    ],
)
def test_encodings(encode: Any) -> None:
    found = read_export(encode(json.dumps(export_of())), LISTED)

    assert found == read(export_of())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"{", "not-json"),
        (json.dumps(export_of()).encode()[:-2], "not-json"),
        (b"Name          : Default\r\nIPAllowList : {192.0.2.0/24...}", "format-list"),
        (b"[1,2]", "no-tables"),
        (b"[]", "no-tables"),
        (b'"text"', "no-tables"),
        (b'{"Get-Mailbox": []}', "no-tables"),
        (b"\xff\xfe\x00", "encoding"),
        (b"\xe9t\xe9", "encoding"),
        (b"<html><body>sign in</body></html>", "html"),
        (b"[" * 200_000, "not-json"),
        (b"1" * 5_000, "not-json"),
        (b"x" * (MAX_BYTES + 1), "too-large"),
        (json.dumps({TABLE: [{}] * 2_001}).encode(), "too-many"),
        (json.dumps({TABLE: [{"IPAllowList": ["1"] * 5_001}]}).encode(), "too-many"),
    ],
)
def test_unreadable_files(content: bytes, problem: str) -> None:
    assert problem_of(content) == problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T09:00:00Z", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28T09:00:00.1234567Z", datetime(2026, 11, 28, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2000-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),
        # In UTC, both are outside the years of a datetime.
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-11-28T09:00:00", None),
        ("yesterday", None),
        (None, None),
        (7, None),
    ],
)
def test_time_of_the_script(text: Any, expected: datetime | None) -> None:
    assert read(export_of() | {"GeneratedAt": text}).generated_at == expected


# --- Clixml


def clixml_of(value: Any, name: str = "") -> str:
    """The value as Export-Clixml writes it, for the types of an export."""
    named = f' N="{escape(name)}"' if name else ""
    match value:
        case None:
            return f"<Nil{named} />"
        case bool():
            return f"<B{named}>{str(value).lower()}</B>"
        case str():
            return f"<S{named}>{escape(value)}</S>"
        case list():
            return f"<Obj{named}><LST>{''.join(map(clixml_of, value))}</LST></Obj>"
    parts = "".join(clixml_of(each, key) for key, each in value.items())
    return f"<Obj{named}><ToString>an object</ToString><MS>{parts}</MS></Obj>"


def file_of(export: dict[str, Any]) -> bytes:
    entries = "".join(
        f"<En>{clixml_of(key, 'Key')}{clixml_of(value, 'Value')}</En>"
        for key, value in export.items()
    )
    text = (
        '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
        f'<Obj RefId="0"><TN RefId="0"><T>System.Collections.Hashtable</T></TN><DCT>{entries}'
        "</DCT></Obj></Objs>"
    )
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le")


def test_clixml_has_the_same_tables() -> None:
    assert read_export(file_of(export_of()), LISTED) == read(export_of())


def test_clixml_escapes_and_references() -> None:
    row = '<Obj RefId="7"><MS><S N="Name">a_x000A_b</S><B N="IsDefault">true</B></MS></Obj>'
    entry = f'<En><S N="Key">{TABLE}</S><Obj N="Value"><LST>{row}<Ref RefId="7" /></LST></Obj></En>'

    found = read_export(f"<Objs><Obj><DCT>{entry}</DCT></Obj></Objs>".encode(), LISTED)

    assert isinstance(found, Export)
    assert found.tables == {TABLE: ({"Name": "a b", "IsDefault": True},)}


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Objs><S>&a;</S></Objs>',
        "<Objs><Obj></Objs>",
        "<Objs>" + "<Obj>" * 60 + "</Obj>" * 60 + "</Objs>",
        "<Objs>" + "<S/>" * 60_000 + "</Objs>",
    ],
)
def test_damaged_clixml_is_refused(text: str) -> None:
    assert problem_of(text.encode()) in ("clixml", "html")


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"[]," * 99_000 + b"[]]",
        b'{"Get-JournalRule": [' + b"{}," * 99_000 + b"{}]}",
        b"<Objs>" + b"<S/>" * 75_000 + b"</Objs>",
        b"<Objs>" + b"&#65;" * 60_000 + b"</Objs>",
    ],
)
def test_bombs_use_little_memory(content: bytes) -> None:
    assert len(content) <= 310_000
    tracemalloc.start()
    try:
        read_export(content, LISTED)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 50_000_000


CONNECTORS = "Get-InboundConnector"
_REPEATED = {
    "a list of texts": "<LST>" + f"<S>{'a' * 990}</S>" * 300 + "</LST>",
    "a list that is counted": f"<LST>{'<S/>' * 40_000}</LST>",
    "a list of objects": f"<LST>{'<Obj/>' * 4_000}</LST>",
    "a dictionary": "<MS>" + "".join(f'<S N="p{n}"/>' for n in range(9_000)) + "</MS>",
}


@pytest.mark.parametrize("name", ["SenderIPAddresses", "EFUsers", "RequireTls", "Name"])
@pytest.mark.parametrize("value", _REPEATED.values(), ids=_REPEATED)
def test_references_count_as_what_they_repeat(name: str, value: str) -> None:
    first = f'<Obj><MS><Obj RefId="1" N="{name}">{value}</Obj></MS></Obj>'
    others = "".join(
        f'<Obj><MS><Ref RefId="1" N="{name}"/><S N="Comment">{n}</S></MS></Obj>'
        for n in range(1_900)
    )
    entry = f'<En><S N="Key">{CONNECTORS}</S><Obj N="Value"><LST>{first}{others}</LST></Obj></En>'
    content = f"<Objs><Obj><DCT>{entry}</DCT></Obj></Objs>".encode()
    assert len(content) < MAX_BYTES

    assert problem_of(content) == "too-many"


def test_repeated_rows_count_each_time() -> None:
    row = "".join(f'<S N="p{n}"/>' for n in range(9_000))
    rows = f'<Obj RefId="1"><MS>{row}</MS></Obj>' + '<Ref RefId="1"/>' * 1_900
    entry = f'<En><S N="Key">{CONNECTORS}</S><Obj N="Value"><LST>{rows}</LST></Obj></En>'

    assert problem_of(f"<Objs><Obj><DCT>{entry}</DCT></Obj></Objs>".encode()) == "too-many"


def test_key_of_references_is_no_text() -> None:
    """Each list has the one before it ten times, so that its text would have 10**20 items."""
    lists = ['<Obj RefId="0" N="p0"><LST><S>a</S></LST></Obj>']
    for number in range(1, 21):
        references = f'<Ref RefId="{number - 1}"/>' * 10
        lists.append(f'<Obj RefId="{number}" N="p{number}"><LST>{references}</LST></Obj>')
    entry = '<En><Ref N="Key" RefId="20"/><S N="Value">a</S></En>'
    content = f"<Objs><Obj><MS>{''.join(lists)}</MS><DCT>{entry}</DCT></Obj></Objs>"

    assert problem_of(content.encode()) == "no-tables"
