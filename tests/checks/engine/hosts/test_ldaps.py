"""LDAPS against a real TLS listener on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.batch import CheckRequest, run_all
from checks.engine.hosts.ldap_root import ATTRIBUTES, InvalidLdapMessage, parse_entry
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import (
    make_certificate,
    server_context,
    tls_host,
    write_authority,
)
from tests.checks.engine.outcomes import codes

HOST = "ldap.example.test"


def run_check(
    folder: Path,
    *,
    allowed: bool,
    certified: dict[str, Any] | None = None,
    response: bytes = b"",
    closed: bool = False,
) -> Outcome:
    async def run() -> Outcome:
        tls = None
        if certified is not None:
            certificate = make_certificate(**{"host": HOST} | certified)
            tls = server_context(folder, HOST, certificate)
        async with nameserver(f"{HOST} A 127.0.0.1") as dns, tls_host(tls, response) as port:
            network = replace(network_of(dns), ca_file=str(write_authority(folder)))
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
        (False, b"", False, Verdict.UNKNOWN, "ldaps.unreachable-from-here"),
    ],
)
def test_ldaps_without_tls_or_connection(
    tmp_path: Path, allowed: bool, response: bytes, closed: bool, verdict: Verdict, expected: str
) -> None:
    outcome = run_check(tmp_path, allowed=allowed, response=response, closed=closed)

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])


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
