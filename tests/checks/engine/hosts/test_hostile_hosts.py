"""Slow, endless and lying servers: each check ends in time, UNKNOWN, with little memory."""

from __future__ import annotations

import asyncio
import ssl
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.hostile_hosts import (
    Peer,
    answers_request,
    converses,
    dribbles,
    dribbles_handshake,
    floods,
    hostile_host,
)
from tests.checks.engine.hosts.mail_hosts import (
    make_certificate,
    server_context,
    write_authority,
)
from tests.checks.engine.outcomes import codes

HOST = "mta-sts.example.test"
ZONE = f"""
test                  NS   ns1.dns.test
example.test          NS   ns1.dns.test
ns1.dns.test          A    127.0.0.1
{HOST}                A    127.0.0.1
_mta-sts.example.test TXT  "v=STSv1; id=20261101;"
"""
REGION = RegionFacts(id="eu", name="Europe", mx=("eu-smtp-inbound-1.mimecast.com",))
TIMEOUT_SECONDS, BUDGET_SECONDS = 0.15, 3.0
# Buffers of asyncio and OpenSSL need less than one MiB; an unlimited read would need gigabytes.
MEMORY_BYTES = 6 * 2**20

SMTP, LDAPS, STS = CheckKind.SMTP, CheckKind.LDAPS, CheckKind.MTA_STS
EHLO = b"250-mail.example.test\r\n250 STARTTLS\r\n"
GREETING = b"220 mail.example.test ESMTP\r\n"
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ENDLESS = "smtp.endless-reply"
SLOW = "smtp.no-reply-in-time"
UNREACHED = "mta-sts.policy-unreached"


def after_head(head: bytes, then: Peer) -> Peer:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await then(reader, writer)

    return answers_request(then=serve)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await writer.drain()


# Each row: the check, whether the listener itself speaks TLS, the server, the finding.
ROWS: dict[str, tuple[CheckKind, bool, Callable[[ssl.SSLContext], Peer], str]] = {
    # Field case 10.
    "smtp greeting one byte at a time": (SMTP, False, lambda _: dribbles(GREETING * 9), SLOW),
    "smtp greeting without end": (SMTP, False, lambda _: floods(b"220-wait\r\n"), ENDLESS),
    "smtp greeting in one line": (SMTP, False, lambda _: floods(b"220-wait"), ENDLESS),
    "smtp greeting line by line": (SMTP, False, lambda _: dribbles(b"220-a\r\n" * 9), SLOW),
    "smtp EHLO without end": (
        SMTP,
        False,
        lambda _: converses(GREETING, b"", end=floods(b"250-more\r\n")),
        ENDLESS,
    ),
    "smtp EHLO in one line": (
        SMTP,
        False,
        lambda _: converses(GREETING, b"", end=floods(b"250-X")),
        ENDLESS,
    ),
    "smtp EHLO one byte at a time": (
        SMTP,
        False,
        lambda _: converses(GREETING, b"", end=dribbles(EHLO * 9)),
        SLOW,
    ),
    "smtp plain text after STARTTLS": (
        SMTP,
        False,
        lambda tls: converses(GREETING, EHLO, b"220 go\r\n250 injected\r\n", end=silence),
        "smtp.injected-reply",
    ),
    "smtp STARTTLS one byte at a time": (
        SMTP,
        False,
        lambda tls: converses(GREETING, EHLO, b"220 go\r\n", end=dribbles_handshake(tls)),
        SLOW,
    ),
    "ldaps handshake one byte at a time": (LDAPS, False, dribbles_handshake, "ldaps.tls-slow"),
    "ldaps record of full length": (
        LDAPS,
        False,
        lambda _: dribbles(b"\x16\x03\x03\x40\x00\x02" + b"\0" * 99),
        "ldaps.tls-slow",
    ),
    "https handshake one byte at a time": (
        STS,
        False,
        dribbles_handshake,
        "mta-sts.policy-tls-slow",
    ),
    "https head one byte at a time": (
        STS,
        True,
        lambda _: answers_request(then=dribbles(OK_HEAD * 9)),
        UNREACHED,
    ),
    "https one header without end": (
        STS,
        True,
        lambda _: after_head(OK_HEAD, floods(b"X-A: aaaaaaaa")),
        UNREACHED,
    ),
    "https headers without end": (
        STS,
        True,
        lambda _: after_head(OK_HEAD, floods(b"X-A: a\r\n")),
        UNREACHED,
    ),
    "https body one byte at a time": (
        STS,
        True,
        lambda _: after_head(OK_HEAD + b"\r\n", dribbles(b"version: STSv1\r\n" * 99)),
        UNREACHED,
    ),
    "https chunks one byte at a time": (
        STS,
        True,
        lambda _: after_head(
            OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", dribbles(b"1\r\nv\r\n" * 99)
        ),
        UNREACHED,
    ),
    "https body shorter than its length": (
        STS,
        True,
        lambda _: after_head(OK_HEAD + b"Content-Length: 900\r\n\r\nversion", silence),
        UNREACHED,
    ),
    "https body cut off": (
        STS,
        True,
        lambda _: after_head(OK_HEAD + b"Content-Length: 900\r\n\r\nversion", close),
        UNREACHED,
    ),
    "https compressed body": (
        STS,
        True,
        lambda _: after_head(OK_HEAD + b"Content-Encoding: gzip\r\n\r\n", floods(b"\x1f\x8b\x08")),
        UNREACHED,
    ),
}


def request_for(kind: CheckKind, port: int) -> CheckRequest:
    if kind is STS:
        return CheckRequest(kind, domain="example.test", region=REGION)
    return CheckRequest(kind, host=HOST, port=port, vantage_allowed=True)


def run_check(folder: Path, kind: CheckKind, serve: Peer, tls: ssl.SSLContext | None) -> Outcome:
    async def run() -> Outcome:
        async with nameserver(ZONE) as dns, hostile_host(serve, tls=tls) as port:
            network = replace(
                network_of(dns, authoritative_port=dns.port),
                connect_timeout_seconds=TIMEOUT_SECONDS,
                ca_file=str(write_authority(folder)),
                https_port=port,
            )
            (outcome,) = await run_all(
                [request_for(kind, port)],
                network=network,
                budget_seconds=BUDGET_SECONDS,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_hostile_host_is_unknown_in_time(tmp_path: Path, row: str) -> None:
    kind, is_tls, make_peer, expected = ROWS[row]
    tls = server_context(tmp_path, HOST, make_certificate(HOST))
    tracemalloc.start()
    began = time.monotonic()
    try:
        outcome = run_check(tmp_path, kind, make_peer(tls), tls if is_tls else None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, [expected])
    assert not outcome.unanimous
    assert time.monotonic() - began < BUDGET_SECONDS
    assert peak < MEMORY_BYTES


# A directory is judged by its handshake. Its root entry is evidence only, so that a hostile one
# changes no verdict and is not stored.
ROOT_ENTRIES: dict[str, Peer] = {
    "one byte at a time": dribbles(b"\x30\x84\x00\x00\xff\xff" + b"\x02" * 99),
    "length of 4 GiB": floods(b"\0", first=b"\x30\x84\xff\xff\xff\xff"),
    "length without end": floods(b"\xff", first=b"\x30\xff"),
    "references without end": floods(b"\x30\x05\x02\x01\x01\x73\x00"),
    "entry without end": floods(b"\x30\x84\x00\x00\xff\xff" + b"\x30\x80" * 32_767),
}


@pytest.mark.parametrize("row", ROOT_ENTRIES)
def test_hostile_root_entry_is_not_stored(tmp_path: Path, row: str) -> None:
    tls = server_context(tmp_path, HOST, make_certificate(HOST))

    async def after_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await ROOT_ENTRIES[row](reader, writer)

    began = time.monotonic()
    outcome = run_check(tmp_path, LDAPS, after_request, tls)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])
    assert not outcome.evidence["root_entry"]
    assert time.monotonic() - began < BUDGET_SECONDS
