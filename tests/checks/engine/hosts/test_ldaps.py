"""LDAPS against a real TLS listener on loopback."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.batch import CheckRequest, run_all
from checks.engine.hosts import ldaps
from checks.engine.hosts.ldap_root import ATTRIBUTES, InvalidLdapMessage, parse_entry
from checks.engine.hosts.ldaps import NoTls
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import (
    make_certificate,
    server_context,
    tls_host,
    write_authority,
)
from tests.checks.engine.outcomes import codes, params

HOST = "ldap.example.test"


def run_check(
    folder: Path,
    *,
    allowed: bool,
    certified: dict[str, Any] | None = None,
    response: bytes = b"",
    closed: bool = False,
    silent: bool = False,
) -> Outcome:
    async def run() -> Outcome:
        tls = None
        if certified is not None:
            certificate = make_certificate(**{"host": HOST} | certified)
            tls = server_context(folder, HOST, certificate)
        async with (
            nameserver(f"{HOST} A 127.0.0.1") as dns,
            tls_host(tls, response, silent=silent) as port,
        ):
            network = replace(
                network_of(dns),
                ca_file=str(write_authority(folder)),
                connect_timeout_seconds=0.2 if silent else 5.0,
            )
            (outcome,) = await run_all(
                [
                    CheckRequest(
                        CheckKind.LDAPS,
                        host=HOST,
                        port=9 if closed else port,
                        vantage_allowed=allowed,
                    )
                ],
                network=network,
                budget_seconds=5,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("allowed", "certified", "verdict", "expected"),
    [
        (True, {}, Verdict.PASS, []),
        (True, {"issuer": HOST}, Verdict.WARN, ["tls.self-signed"]),
        (False, {}, Verdict.WARN, ["ldaps.open-to-internet"]),
        (
            False,
            {"issuer": HOST},
            Verdict.WARN,
            ["ldaps.open-to-internet", "tls.self-signed"],
        ),
    ],
)
def test_ldaps_with_answer(
    tmp_path: Path, allowed: bool, certified: dict[str, Any], verdict: Verdict, expected: list[str]
) -> None:
    outcome = run_check(tmp_path, allowed=allowed, certified=certified)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)
    assert outcome.evidence["tls"]["protocol"] == "TLSv1.3"


@pytest.mark.parametrize(
    ("allowed", "response", "closed", "verdict", "expected"),
    [
        (True, b"220 not TLS at all\r\n", False, Verdict.FAIL, "ldaps.tls-failed"),
        (False, b"220 not TLS at all\r\n", False, Verdict.UNKNOWN, "ldaps.tls-failed"),
        (True, b"", True, Verdict.FAIL, "ldaps.unreachable"),
        (False, b"", True, Verdict.UNKNOWN, "ldaps.unreachable-from-here"),
        # The fatal alerts protocol_version and handshake_failure (RFC 5246 section 7.2).
        (True, b"\x15\x03\x01\x00\x02\x02\x46", False, Verdict.FAIL, "ldaps.protocol-too-old"),
        (True, b"\x15\x03\x03\x00\x02\x02\x28", False, Verdict.FAIL, "ldaps.no-certificate"),
        # Field case 09: the port is open, and the host closes the connection at ClientHello.
        (False, b"", False, Verdict.UNKNOWN, "ldaps.closed-at-handshake"),
        (True, b"", False, Verdict.FAIL, "ldaps.closed-at-handshake"),
    ],
)
def test_ldaps_without_tls_or_connection(
    tmp_path: Path, allowed: bool, response: bytes, closed: bool, verdict: Verdict, expected: str
) -> None:
    outcome = run_check(tmp_path, allowed=allowed, response=response, closed=closed)

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("UNSUPPORTED_PROTOCOL", "ldaps.protocol-too-old"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "ldaps.protocol-too-old"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "ldaps.no-certificate"),
        ("WRONG_VERSION_NUMBER", "ldaps.tls-failed"),
    ],
)
def test_ldaps_names_handshake_error(allowed: bool, reason: str, expected: str) -> None:
    verdict, found = ldaps.judge(
        HOST, 636, NoTls(reason), vantage_allowed=allowed, now=datetime.datetime.now(datetime.UTC)
    )

    assert verdict is (Verdict.FAIL if allowed else Verdict.UNKNOWN)
    assert [finding.code for finding in found] == [expected]


def test_ldaps_that_never_answers_is_unknown(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, allowed=True, silent=True)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["ldaps.tls-slow"])
    assert params(outcome, "ldaps.tls-slow")["seconds"] == 0.2


def ber(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


ENTRY = ber(0x04, b"") + ber(
    0x30,
    ber(0x30, ber(0x04, b"namingcontexts") + ber(0x31, ber(0x04, b"dc=b") + ber(0x04, b"dc=a")))
    + ber(0x30, ber(0x04, b"currentTime") + ber(0x31, ber(0x04, b"now"))),
)
MESSAGE = ber(0x30, ber(0x02, b"\x01") + ber(0x64, ENTRY))


def test_ldaps_evidence_has_root_entry(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, allowed=True, certified={}, response=MESSAGE)

    assert (outcome.verdict, outcome.evidence["root_entry"]) == (
        Verdict.PASS,
        {"namingContexts": ["dc=a", "dc=b"]},
    )


@pytest.mark.parametrize(
    "response", [b"", b"HTTP/1.1 400 Bad Request\r\n", MESSAGE[:-3], b"\x30\x84\xff\xff\xff\xff"]
)
def test_ldaps_without_root_entry_passes(tmp_path: Path, response: bytes) -> None:
    outcome = run_check(tmp_path, allowed=True, certified={}, response=response)

    assert (outcome.verdict, outcome.evidence["root_entry"]) == (Verdict.PASS, None)


@given(st.binary(max_size=200))
def test_parse_entry_raises_only_invalid_message(content: bytes) -> None:
    try:
        entry = parse_entry(content)
    except InvalidLdapMessage:
        entry = {}

    assert set(entry) <= set(ATTRIBUTES)
