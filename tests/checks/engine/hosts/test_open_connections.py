"""Errors after a port has accepted the connection: each names its cause, and none the firewall."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.batch import CheckRequest, run_all
from checks.engine.hosts.smtp import SmtpReply, _read_reply
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.hostile_hosts import speak_tls
from tests.checks.engine.hosts.mail_hosts import make_certificate, server_context
from tests.checks.engine.outcomes import codes, params

HOST = "host.example.test"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(serve: Peer) -> AsyncIterator[int]:
    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def run_check(kind: CheckKind, serve: Peer, *, allowed: bool = True) -> Outcome:
    async def run() -> Outcome:
        async with nameserver(f"{HOST} A 127.0.0.1") as dns, listener(serve) as port:
            (outcome,) = await run_all(
                [CheckRequest(kind, host=HOST, port=port, vantage_allowed=allowed)],
                network=replace(network_of(dns), connect_timeout_seconds=0.2),
                budget_seconds=5,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


def speaks(*lines: bytes, wait: bool = False) -> Peer:
    """Send one of the lines for the connection, and one after each command."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, line in enumerate(lines):
            if number:
                await reader.readline()
            writer.write(line)
        if wait:
            await asyncio.sleep(3)
        await reader.readline()

    return serve


async def close_now(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def reset_now(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A linger time of zero makes the close a reset (RST).
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def close_after_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def reset_after_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await reset_now(reader, writer)


def alert(number: int) -> Peer:
    """Answer the ClientHello with a fatal TLS alert (RFC 8446 section 6)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes((21, 3, 1, 0, 2, 2, number)))

    return serve


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for character in b"220 mail.example.test ESMTP\r\n":
        writer.write(bytes((character,)))
        await asyncio.sleep(0.05)


SILENT = speaks(wait=True)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (close_now, "ldaps.closed-at-handshake"),
        (reset_now, "ldaps.closed-at-handshake"),
        (close_after_hello, "ldaps.closed-at-handshake"),
        (reset_after_hello, "ldaps.closed-at-handshake"),
        (alert(70), "ldaps.protocol-too-old"),
        (alert(40), "ldaps.no-certificate"),
        (alert(71), "ldaps.no-certificate"),
        (alert(116), "ldaps.client-certificate"),
        # An alert proves TLS: internal_error, unknown_ca, unrecognized_name, and two without a name
        # in Python, unknown_psk_identity and no_application_protocol.
        *((alert(each), "ldaps.tls-alert") for each in (80, 48, 112, 115, 120)),
    ],
)
def test_ldaps_handshake_names_cause(serve: Peer, expected: str, allowed: bool) -> None:
    outcome = run_check(CheckKind.LDAPS, serve, allowed=allowed)

    assert outcome.verdict is (Verdict.FAIL if allowed else Verdict.UNKNOWN)
    assert codes(outcome) == [expected]


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ldaps_that_requires_a_client_certificate(
    version: ssl.TLSVersion, allowed: bool, tmp_path: Path
) -> None:
    context = server_context(tmp_path, HOST, make_certificate(HOST))
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version

    outcome = run_check(CheckKind.LDAPS, speak_tls(context), allowed=allowed)

    assert outcome.verdict is (Verdict.FAIL if allowed else Verdict.UNKNOWN)
    assert codes(outcome) == ["ldaps.client-certificate"]


def test_ldaps_with_old_tls_only(tmp_path: Path) -> None:
    context = server_context(tmp_path, HOST, make_certificate(HOST))
    # OpenSSL offers the old versions only at this level.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    outcome = run_check(CheckKind.LDAPS, speak_tls(context))

    assert codes(outcome) == ["ldaps.protocol-too-old"]


TEASER = speaks(b"220-please wait\r\n", wait=True)
NO_EHLO_REPLY = speaks(b"220 hello\r\n", b"", wait=True)
NO_STARTTLS_REPLY = speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n", b"", wait=True)
NO_HELO_REPLY = speaks(b"220 hello\r\n", b"500 no\r\n", b"", wait=True)
SILENT_TLS = speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n", b"220 go\r\n", wait=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("serve", "verdict", "expected"),
    [
        (SILENT, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (TEASER, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (drip, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (NO_EHLO_REPLY, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (NO_STARTTLS_REPLY, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (SILENT_TLS, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
        (close_now, Verdict.FAIL, ["smtp.no-greeting"]),
        (reset_now, Verdict.FAIL, ["smtp.no-greeting"]),
        (speaks(b"SSH-2.0-OpenSSH_9.2\r\n"), Verdict.FAIL, ["smtp.no-greeting"]),
        (speaks(b"220 hello\r\n"), Verdict.UNKNOWN, ["smtp.ehlo-refused"]),
        (speaks(b"220 hello\r\n", b"502 no\r\n"), Verdict.UNKNOWN, ["smtp.helo-deferred"]),
        (NO_HELO_REPLY, Verdict.UNKNOWN, ["smtp.no-reply-in-time"]),
    ],
)
def test_smtp_error_on_open_connection(serve: Peer, verdict: Verdict, expected: list[str]) -> None:
    outcome = run_check(CheckKind.SMTP, serve)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


RECIPIENT = "ann@example.test"
EHLO_ONLY = (b"220 hello\r\n", b"250 me\r\n")


def run_with_recipient(kind: CheckKind, serve: Peer) -> Outcome:
    async def run() -> Outcome:
        async with (
            nameserver(f"{HOST} A 127.0.0.1") as dns,
            listener(serve) as port,
            listener(speaks(b"220 hello\r\n")) as control,
        ):
            request = CheckRequest(
                kind,
                host=HOST,
                port=port,
                recipient=RECIPIENT,
                vantage_allowed=kind is CheckKind.SMTP,
                control=("127.0.0.1", control),
            )
            network = replace(network_of(dns), connect_timeout_seconds=0.5)
            (outcome,) = await run_all([request], network=network, budget_seconds=5, concurrency=1)
            return outcome

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize(
    "serve",
    [
        speaks(*EHLO_ONLY, b"", wait=True),
        speaks(*EHLO_ONLY, b"250 ok\r\n", b"", wait=True),
        speaks(*EHLO_ONLY, b"250 ok\r\n", b"250-one\r\n", wait=True),
    ],
)
def test_slow_reply_about_a_recipient_is_unknown(serve: Peer) -> None:
    """RFC 5321 section 4.5.3.2: a sender waits five minutes for these replies."""
    sent = run_with_recipient(CheckKind.SMTP, serve)
    locked = run_with_recipient(CheckKind.LOCKDOWN, serve)

    assert (sent.verdict, codes(sent)) == (Verdict.UNKNOWN, ["smtp.no-reply-in-time"])
    assert params(sent, "smtp.no-reply-in-time")["seconds"] == 0.5
    assert (locked.verdict, codes(locked)) == (Verdict.UNKNOWN, ["lockdown.unclear"])
    assert params(locked, "lockdown.unclear")["reason"] == "no reply within 0.5 s"


def test_slow_reply_to_quit_changes_no_verdict() -> None:
    serve = speaks(*EHLO_ONLY, b"250 ok\r\n", b"250 ok\r\n", b"", wait=True)

    assert codes(run_with_recipient(CheckKind.SMTP, serve)) == ["smtp.no-starttls"]


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n"), "closed"),
        (speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n", b"what\r\n"), "closed"),
        (speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n", b"221 bye\r\n"), "221 bye"),
        (
            speaks(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n", b"220-a\r\n" * 60),
            "reply-too-long",
        ),
    ],
)
def test_end_at_starttls_states_its_reason(serve: Peer, reason: str) -> None:
    sent = run_check(CheckKind.SMTP, serve)
    locked = run_with_recipient(CheckKind.LOCKDOWN, serve)

    assert params(sent, "smtp.tls-failed")["reason"] == reason
    assert (locked.verdict, codes(locked)) == (Verdict.UNKNOWN, ["lockdown.unclear"])
    assert params(locked, "lockdown.unclear")["reason"] == f"STARTTLS: {reason}"


@given(st.binary(max_size=300))
def test_read_reply_never_raises(content: bytes) -> None:
    async def read() -> SmtpReply:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await _read_reply(reader)

    reply = asyncio.run(read())

    assert reply.code == 0 or content.startswith(b"%d" % reply.code)
    assert reply.code == 0 or 200 <= reply.code < 600
