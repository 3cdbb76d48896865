"""The parsers of outside data, with the errors that each documents.

Hypothesis (tests/test_fuzzed_parsers.py) and atheris (tests/coverage_fuzzing.py) send generated
bytes to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from checks.engine.dns.answers import read_authoritative, read_recursive
from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import Answer, Record, Records
from checks.engine.dns.reply_validation import read_reply, read_with_dnspython
from checks.engine.dns.wire import encode_query, make_question
from checks.engine.hosts import certificates, ldap_root
from checks.engine.hosts.smtp import _read_reply
from checks.engine.mail import dkim_keys, dmarc_records, message_parser, mta_sts_policy
from checks.engine.mail.message_signatures import verify_signatures
from checks.engine.sources.exchange_online.tables import LISTED
from checks.engine.sources.exports.reader import read_export
from checks.engine.spf import terms
from checks.engine.spf.check_host import check_host
from checks.engine.zone_lines import ZoneTextError
from checks.engine.zone_text import read_zone_text
from onboarding.collaboration import markdown
from onboarding.plan_templates import forms
from onboarding.plan_templates.yaml_file import TemplateError, read_template_file
from onboarding.requirements.parsers import read_table
from onboarding.requirements.tables import UnreadableFile
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.hosts import test_ldaps
from tests.checks.engine.hosts.https_hosts import read_bytes
from tests.checks.engine.mail import signed_messages
from tests.checks.engine.sources.exports import export_of
from tests.onboarding.plan_templates import test_yaml_file

# CPU seconds for one text of some kilobytes.
SECONDS = 1.0
QUESTION = make_question("example.test", "MX")
assert QUESTION is not None
QUERY = encode_query(QUESTION, 7, recursion=False, edns=True)
REPLY = QUERY[:2] + b"\x84\x00" + QUERY[4:]
MX_REPLY = (
    REPLY[:6]
    + b"\0\1\0\0\0\0"
    + QUERY[12:-11]
    + b"\xc0\x0c\x00\x0f\x00\x01\0\0\0\x3c\0\x09\0\x0a\4mail\xc0\x0c"
)
SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
ROWS = (
    SHEET
    + '<row r="1"><c r="A1" t="inlineStr"><is><r><t>a</t></r></is></c><c r="C1"><v>1.5</v></c>'
    '</row><row r="7"><c r="A7" t="b"><f>B2</f><v>1</v></c></row></sheetData></worksheet>'
).encode()
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"
ODS_CONTENT = (
    f'<a xmlns:table="{OFFICE}table:1.0" xmlns:text="{OFFICE}text:1.0"><table:table>'
    '<table:table-row><table:table-cell table:number-columns-repeated="2">'
    "<text:p>a<text:s/>b</text:p></table:table-cell></table:table-row></table:table></a>"
)


@dataclass(frozen=True)
class Parser:
    """`pieces` are parts of texts that it accepts. `errors` are its documented exceptions.

    `seeds` are accepted as a whole. Without them, a parser may refuse all generated texts early.
    """

    parse: Callable[[bytes], Any]
    pieces: list[bytes]
    errors: tuple[type[Exception], ...] = ()
    seeds: list[bytes] = field(default_factory=list)


def attempt(parser: Parser, content: bytes) -> None:
    """Parse the content. Raises AssertionError if it takes more than SECONDS, and other errors."""
    began = time.process_time()
    with contextlib.suppress(*parser.errors):
        parser.parse(content)
    assert time.process_time() - began < SECONDS, content[:200]


def read_dns(content: bytes) -> None:
    """Both decoders, and the answer that each leads to, for a resolver and a server."""
    assert QUESTION is not None
    for message in (read_reply(QUESTION, 7, content), read_with_dnspython(QUESTION, content)):
        if isinstance(message, DnsMessage):
            read_authoritative(message, "example.test", "MX")
            read_recursive(message, "example.test", "MX")


class PublishedRecord(ZoneLookup):
    """Every TXT record is this text, so that the record can include itself."""

    def __init__(self, text: str) -> None:
        super().__init__("a.test A 192.0.2.1")
        self._text = text

    async def resolve(self, name: str, rtype: str) -> Answer:
        if rtype == "TXT":
            return Records((Record(name, "TXT", 300, f"v=spf1 {self._text}"),))
        return await super().resolve(name, rtype)


def check_spf(record: str) -> object:
    lookup = PublishedRecord(record)
    return asyncio.run(check_host("192.0.2.9", "example.test", "a@b.test", "c.test", lookup=lookup))


def read_smtp(content: bytes) -> object:
    async def read() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await _read_reply(reader)

    return asyncio.run(read())


def read_message(content: bytes) -> None:
    """A message with its hops, dates, recipients and signatures."""
    message = message_parser.parse(content)
    if isinstance(message, message_parser.UnreadableMessage):
        return
    message_parser.parse_hops(message)
    for each in message.fields:
        message_parser.parse_mailbox(each.text)
        message_parser.parse_mailboxes(each.text)
        message_parser.parse_date(each.text)
    lookup = ZoneLookup(signed_messages.zone())
    asyncio.run(verify_signatures(message, "example.test", lookup, now=signed_messages.AT))


def workbook(name: str, mimetype: str = "") -> Callable[[bytes], bytes]:
    """A valid archive whose part `name` has the generated content."""

    def packed(content: bytes) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            if mimetype:
                archive.writestr("mimetype", mimetype)
            else:
                for part, text in _XLSX_PARTS.items():
                    archive.writestr(part, text) if part != name else None
            archive.writestr(name, content)
        return target.getvalue()

    return packed


_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
_XLSX_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}content-types">'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}relationships"><Relationship Id="rId1"'
    f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    f' xmlns:r="{_RELATIONS}"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets>'
    "</workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}relationships">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
    "xl/worksheets/sheet1.xml": ROWS.decode(),
}


def read_template(content: bytes) -> object:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(content)
        file.flush()
        return read_template_file(Path(file.name))


def read_markdown(content: bytes) -> object:
    html = str(markdown.render(content.decode("utf-8", "replace"), mentioned=["Jo <b>"]))
    # Only the parser's own tags, and no attribute that runs a script.
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!?]+)", html))
    allowed = {"p", "strong", "em", "a", "ul", "ol", "li", "code", "pre", "blockquote", "br", "hr"}
    assert tags <= allowed, html
    for tag in re.findall(r"<[^>]+>", html):
        assert not re.search(r"\son\w+\s*=", tag), tag
        assert not re.search(r"href=\"\s*(javascript|data|vbscript):", tag, re.IGNORECASE), tag
    return html


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda content: parse(content.decode("utf-8", "replace"))


def packed(
    pack: Callable[[bytes], bytes], parse: Callable[[bytes], object]
) -> Callable[[bytes], object]:
    return lambda content: parse(pack(content))


PARSERS: dict[str, Parser] = {
    "DNS": Parser(
        read_dns,
        [REPLY, REPLY[:12], b"\xc0\x0c", b"\x00\x0f\x00\x01"],
        seeds=[REPLY, MX_REPLY],
    ),
    "SPF": Parser(text(terms.parse), [b"v=spf1 ", b"include:a.b ", b"ip4:1.2.3.4/9 ", b"%{i1r-}"]),
    "SPF evaluation": Parser(
        text(check_spf),
        [b"include:example.test ", b"redirect=example.test", b"exists:%{i1r-}.a.test ", b"ptr "],
    ),
    "DMARC": Parser(text(dmarc_records.parse), [b"v=DMARC1;", b"p=none;", b"rua=mailto:a@b!1k,"]),
    "DKIM": Parser(text(dkim_keys.parse), [b"v=DKIM1;", b"k=rsa;", b"p=MIGfMA0=", b"t=y:s;"]),
    "MTA-STS policy": Parser(mta_sts_policy.parse, [b"version: STSv1\r\n", b"mx: *.a.b\n"]),
    "MTA-STS record": Parser(text(mta_sts_policy.parse_id), [b"v=STSv1;", b"id=1;", b" "]),
    "HTTPS": Parser(
        read_bytes, [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 9\r\n", b"\r\n", b"-5\r\n"]
    ),
    "SMTP": Parser(read_smtp, [b"220 a\r\n", b"250-", b"250 STARTTLS\r\n", b"\0"]),
    "LDAP": Parser(
        ldap_root.parse_entry,
        [b"\x30\x84\x00\x00\x00\x09", b"\x04\x00", b"\x30\x80", b"\x04\x03abc"],
        (ldap_root.InvalidLdapMessage,),
        seeds=[test_ldaps.ENTRY],
    ),
    "certificate": Parser(certificates.parse, [b"\x30\x82\x01\x00", b"\x06\x03\x55\x04\x03"]),
    "message": Parser(
        read_message,
        [b"From: a@b\r\n", b"Received: from ", b" \t", b"\r\n\r\n", b"DKIM-Signature: v=1; "],
        seeds=[signed_messages.signed()],
    ),
    "zone text": Parser(
        text(lambda typed: read_zone_text(typed, "example.test")),
        [b"@ 3600 IN MX 10 ", b"$TTL ", b"0000", b'"', b"(", b";", b"\\000"],
        (ZoneTextError,),
        seeds=[b'$TTL 60\n@ 3600 IN MX 10 (\n mail )\nmail A 192.0.2.1\na TXT "b\\059" ; d\n'],
    ),
    "CSV": Parser(
        read_table,
        [b"a,b\r\n", b'"', b"sep=;\n", b"\xff\xfe"],
        (UnreadableFile,),
        seeds=[b'sep=;\r\na;"b\r\nc"\r\nd;e\r\n'],
    ),
    "HTML table": Parser(
        packed(lambda content: b"<html><table>" + content, read_table),
        [b"<tr><td>", b"</td>", b"colspan=9", b"<meta charset=", b"<!--", b"<table>"],
        (UnreadableFile,),
        seeds=[b"<tr><th colspan=2>a</th></tr><tr><td rowspan=2>b<td>c</tr></table>"],
    ),
    "export": Parser(
        lambda content: read_export(content, LISTED),
        [b'{"Get-JournalRule": [', b'{"value": [', b'"Count": 1}', b"null", b"System.Object[]"],
        seeds=[json.dumps(export_of()).encode(), json.dumps(export_of()).encode("utf-16")],
    ),
    "Clixml": Parser(
        lambda content: read_export(b"<Objs><Obj><DCT>" + content, LISTED),
        [
            b'<En><S N="Key">Get-JournalRule</S>',
            b'<Obj N="Value"><LST>',
            b'<Ref RefId="0" />',
            b"</LST></Obj></En>",
            b"</DCT></Obj></Objs>",
            b"<MS>",
            b"<!DOCTYPE a>",
            b"&#65;",
        ],
        seeds=[b'<En><S N="Key">Get-JournalRule</S><Nil N="Value" /></En></DCT></Obj></Objs>'],
    ),
    "XLSX": Parser(
        read_table,
        [b"PK\x03\x04", b"PK\x05\x06", b"\0" * 18],
        (UnreadableFile,),
        seeds=[workbook("xl/worksheets/sheet1.xml")(ROWS)],
    ),
    "XLSX worksheet": Parser(
        packed(workbook("xl/worksheets/sheet1.xml"), read_table),
        [SHEET.encode(), b'<row r="7">', b'<c t="inlineStr"><is><t>a', b"</t></is></c>", b"<f>"],
        (UnreadableFile,),
        seeds=[ROWS],
    ),
    "XLSX workbook": Parser(
        packed(workbook("xl/workbook.xml"), read_table),
        [_XLSX_PARTS["xl/workbook.xml"].encode(), b"<sheets>", b"<definedNames>", b"<sheet "],
        (UnreadableFile,),
        seeds=[_XLSX_PARTS["xl/workbook.xml"].encode()],
    ),
    "ODS content": Parser(
        packed(
            workbook("content.xml", "application/vnd.oasis.opendocument.spreadsheet"), read_table
        ),
        [
            f'<a xmlns:table="{OFFICE}table:1.0" xmlns:text="{OFFICE}text:1.0">'.encode(),
            b"<table:table><table:table-row>",
            b'<table:table-cell table:number-columns-repeated="99"><text:p>a',
            b"</text:p></table:table-cell>",
            b"</table:table-row>",
        ],
        (UnreadableFile,),
        seeds=[ODS_CONTENT.encode()],
    ),
    "plan template": Parser(
        read_template,
        [
            b"version: 1\n",
            b"phases:\n",
            b"- key: a\n",
            b"  ",
            b"&a [*a]",
            b"!!python/name:os",
            b"[",
        ],
        (TemplateError,),
        seeds=[test_yaml_file.SMALL.encode()],
    ),
    "template fields": Parser(
        text(forms._list_of),
        [
            b"- key: a\n",
            b"  label: b\n",
            b"[",
            b"{a: ",
            b"2026-09-31",
            b"&a [*a]",
            b"!!int ",
            b"0x_",
        ],
        (ValidationError,),
        seeds=[b"- key: a\n  label: b\n  choices: [c, 1, true]\n"],
    ),
    "Markdown": Parser(
        read_markdown,
        [
            *(b"<script>", b"[a](javascript:x)", b"![", b"](data:", b"<a onclick=x>", b"@Jo <b>"),
            *(b"`", b"*_", b"> ", b"- "),
        ],
    ),
}
