"""Every parser of outside data accepts any bytes: its documented error, or a result, in time.

The table is the list of the parsers. CI tries a few examples of each, `make nightly` many.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.engine.dns.reply_validation import read_reply
from checks.engine.dns.wire import encode_query, make_question
from checks.engine.hosts import certificates, ldap_root
from checks.engine.hosts.smtp import _read_reply
from checks.engine.mail import dkim_keys, dmarc_records, message_parser, mta_sts_policy
from checks.engine.spf import terms
from checks.engine.zone_text import ZoneTextError, read_zone_text
from onboarding.collaboration import markdown
from onboarding.plan_templates.yaml_file import TemplateError, read_template_file
from onboarding.requirements.parsers import read_table
from onboarding.requirements.tables import UnreadableFile
from tests.checks.engine.hosts.https_hosts import read_bytes

# CPU seconds for one text of some kilobytes.
SECONDS = 1.0
QUESTION = make_question("example.test", "MX")
assert QUESTION is not None
QUERY = encode_query(QUESTION, 7, recursion=False, edns=True)
REPLY = QUERY[:2] + b"\x84\x00" + QUERY[4:]


def read_dns(content: bytes) -> object:
    assert QUESTION is not None
    return read_reply(QUESTION, 7, content)


def read_smtp(content: bytes) -> object:
    async def read() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await _read_reply(reader)

    return asyncio.run(read())


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


# Each parser, pieces that it accepts, and its documented errors.
PARSERS: dict[str, tuple[Callable[[bytes], Any], list[bytes], tuple[type[Exception], ...]]] = {
    "DNS": (read_dns, [REPLY, REPLY[:12], b"\xc0\x0c", b"\x00\x0f\x00\x01"], ()),
    "SPF": (text(terms.parse), [b"v=spf1 ", b"include:a.b ", b"ip4:1.2.3.4/9 ", b"%{i1r-}"], ()),
    "DMARC": (text(dmarc_records.parse), [b"v=DMARC1;", b"p=none;", b"rua=mailto:a@b!1k,"], ()),
    "DKIM": (text(dkim_keys.parse), [b"v=DKIM1;", b"k=rsa;", b"p=MIGfMA0=", b"t=y:s;"], ()),
    "MTA-STS policy": (mta_sts_policy.parse, [b"version: STSv1\r\n", b"mx: *.a.b\n"], ()),
    "MTA-STS record": (text(mta_sts_policy.parse_id), [b"v=STSv1;", b"id=1;", b" "], ()),
    "HTTPS": (
        read_bytes,
        [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 9\r\n", b"\r\n", b"-5\r\n"],
        (),
    ),
    "SMTP": (read_smtp, [b"220 a\r\n", b"250-", b"250 STARTTLS\r\n", b"\0"], ()),
    "LDAP": (
        ldap_root.parse_entry,
        [b"\x30\x84\x00\x00\x00\x09", b"\x04\x00", b"\x30\x80", b"\x04\x03abc"],
        (ldap_root.InvalidLdapMessage,),
    ),
    "certificate": (certificates.parse, [b"\x30\x82\x01\x00", b"\x06\x03\x55\x04\x03"], ()),
    "message": (
        message_parser.parse,
        [b"From: a@b\r\n", b"Received: from ", b" \t", b"\r\n\r\n"],
        (),
    ),
    "zone text": (
        text(lambda typed: read_zone_text(typed, "example.test")),
        [b"@ 3600 IN MX 10 ", b"$TTL ", b"0000", b'"', b"(", b";", b"\\000"],
        (ZoneTextError,),
    ),
    "CSV": (
        read_table,
        [b"a,b\r\n", b'"', b"sep=;\n", b"\xff\xfe"],
        (UnreadableFile,),
    ),
    "XLSX": (
        read_table,
        [b"PK\x03\x04", b"PK\x05\x06", b"\0" * 18],
        (UnreadableFile,),
    ),
    "plan template": (
        read_template,
        [b"phases:\n", b"- key: a\n", b"  ", b"&a [*a]", b"!!python/name:os"],
        (TemplateError,),
    ),
    "Markdown": (
        read_markdown,
        [
            b"<script>",
            b"[a](javascript:x)",
            b"![",
            b"](data:",
            b"<a onclick=x>",
            b"@Jo <b>",
            b"`",
            b"*_",
        ],
        (),
    ),
}


def check(name: str, examples: int) -> None:
    parse, pieces, errors = PARSERS[name]
    part = st.sampled_from(pieces) | st.binary(max_size=12)

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(part, max_size=24), st.integers(1, 40))
    def run(parts: list[bytes], times: int) -> None:
        content = b"".join(parts) * times
        began = time.process_time()
        with contextlib.suppress(*errors):
            parse(content)
        assert time.process_time() - began < SECONDS, content[:200]

    run()


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_parser_accepts_any_bytes(name: str) -> None:
    check(name, 150)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PARSERS)
def test_parser_accepts_any_bytes_at_length(name: str) -> None:
    check(name, 20_000)
