"""TLS errors of the host of an MTA-STS policy: each has its own finding, for the right team."""

from __future__ import annotations

import asyncio
import json
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.handshakes import HandshakeFault, fault_of
from checks.engine.mail import mta_sts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.engine.recording import replay_clients
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.hostile_hosts import hostile_host, speak_tls
from tests.checks.engine.hosts.https_hosts import https_host
from tests.checks.engine.hosts.mail_hosts import (
    make_certificate,
    server_context,
    tls_host,
    write_authority,
)
from tests.checks.engine.mail.test_mta_sts import (
    HOST,
    RECORD,
    REGION,
    ZONE,
    policy,
    response,
)
from tests.checks.engine.outcomes import codes, params
from tests.factories import START


def run_check(
    folder: Path,
    server: AbstractAsyncContextManager[int],
    *,
    zone: str = ZONE,
    region: RegionFacts = REGION,
    timeout_seconds: float = 5.0,
) -> Outcome:
    async def run() -> Outcome:
        async with nameserver(zone + RECORD) as dns, server as port:
            network = replace(
                network_of(dns, authoritative_port=dns.port),
                ca_file=str(write_authority(folder)),
                https_port=port,
                connect_timeout_seconds=timeout_seconds,
            )
            (outcome,) = await run_all(
                [CheckRequest(CheckKind.MTA_STS, "example.test", region=region)],
                network=network,
                budget_seconds=5,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


def alert(number: int) -> bytes:
    """A fatal alert in place of ServerHello (RFC 8446 section 6)."""
    return bytes([0x15, 3, 3, 0, 2, 2, number])


@pytest.mark.parametrize(
    ("reply", "verdict", "expected"),
    [
        (b"", Verdict.UNKNOWN, "mta-sts.policy-closed-at-handshake"),
        (alert(80), Verdict.UNKNOWN, "mta-sts.policy-tls-alert"),
        (alert(90), Verdict.UNKNOWN, "mta-sts.policy-tls-alert"),
        (alert(70), Verdict.FAIL, "mta-sts.policy-protocol-too-old"),
        (alert(40), Verdict.FAIL, "mta-sts.policy-no-certificate"),
        (alert(71), Verdict.FAIL, "mta-sts.policy-no-certificate"),
        (alert(112), Verdict.FAIL, "mta-sts.policy-unknown-name"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Verdict.FAIL, "mta-sts.policy-not-tls"),
        (b"220 mail.example.test ESMTP\r\n", Verdict.FAIL, "mta-sts.policy-not-tls"),
        # A record of TLS with an unknown handshake message.
        (b"\x16\x03\x03\x00\x04\x63\x00\x00\x00", Verdict.FAIL, "mta-sts.policy-tls-failed"),
    ],
)
def test_handshake_that_fails(
    tmp_path: Path, reply: bytes, verdict: Verdict, expected: str
) -> None:
    outcome = run_check(tmp_path, tls_host(None, reply))

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])
    assert params(outcome, expected)["host"] == HOST
    assert replayed(outcome).findings == outcome.findings


def replayed(outcome: Outcome) -> Outcome:
    """The outcome of the raw answers, which are stored as JSON."""
    assert outcome.raw is not None
    raw = json.loads(json.dumps(dict(outcome.raw)))
    clients = replay_clients(raw, at=START)
    return asyncio.run(mta_sts.inspect("example.test", REGION, clients.lookup, clients.prober))


def test_silent_handshake_is_unknown(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, tls_host(None, silent=True), timeout_seconds=0.3)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["mta-sts.policy-tls-slow"])
    assert params(outcome, "mta-sts.policy-tls-slow") == {"host": HOST, "seconds": "0.3"}


@pytest.mark.parametrize(
    ("first", "verdict", "expected"),
    [
        # Nothing is known about the policy, so the next address is tried.
        (b"", Verdict.PASS, "mta-sts.permits"),
        (alert(80), Verdict.PASS, "mta-sts.permits"),
        # A sender that begins with this address does not read the policy.
        (alert(112), Verdict.FAIL, "mta-sts.policy-unknown-name"),
    ],
)
def test_second_address_of_policy_host(
    tmp_path: Path, first: bytes, verdict: Verdict, expected: str
) -> None:
    context = server_context(tmp_path, HOST, make_certificate(HOST))

    @asynccontextmanager
    async def servers() -> AsyncIterator[int]:
        async with tls_host(None, first) as port:
            good = https_host(context, response(policy()), address="127.0.0.2", port=port)
            async with good:
                yield port

    outcome = run_check(tmp_path, servers(), zone=f"{ZONE}{HOST} A 127.0.0.2\n")

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])


def refuse_name(context: ssl.SSLContext) -> None:
    def refuse(connection: object, name: object, used: object) -> int:
        return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    context.sni_callback = refuse


def require_client(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED

    return change


def limit_versions(context: ssl.SSLContext) -> None:
    # OpenSSL offers the old versions only at this level.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def limit_ciphers(context: ssl.SSLContext) -> None:
    # Gangway's client does not offer CCM, and the server has no other.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-CCM")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (refuse_name, "mta-sts.policy-unknown-name"),
        (require_client(ssl.TLSVersion.TLSv1_2), "mta-sts.policy-client-certificate"),
        (require_client(ssl.TLSVersion.TLSv1_3), "mta-sts.policy-client-certificate"),
        (limit_ciphers, "mta-sts.policy-no-certificate"),
        (limit_versions, "mta-sts.policy-protocol-too-old"),
    ],
)
def test_server_that_refuses_handshake(
    tmp_path: Path, change: Callable[[ssl.SSLContext], None], expected: str
) -> None:
    context = server_context(tmp_path, HOST, make_certificate(HOST))
    change(context)

    outcome = run_check(tmp_path, hostile_host(speak_tls(context)))

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, [expected])


@pytest.mark.parametrize(
    ("reason", "is_after", "expected"),
    [
        ("closed", False, HandshakeFault.CLOSED),
        ("timeout", False, HandshakeFault.TIMEOUT),
        ("NO_PROTOCOLS_AVAILABLE", False, HandshakeFault.TOO_OLD),
        ("NO_SHARED_CIPHER", False, HandshakeFault.NO_CERTIFICATE),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", True, HandshakeFault.CLIENT_CERTIFICATE),
        ("SSLV3_ALERT_BAD_CERTIFICATE", True, HandshakeFault.CLIENT_CERTIFICATE),
        ("SSLV3_ALERT_BAD_CERTIFICATE", False, HandshakeFault.ALERT),
        ("TLSV1_UNRECOGNIZED_NAME", False, HandshakeFault.UNKNOWN_NAME),
        ("TLSV1_ALERT_INTERNAL_ERROR", False, HandshakeFault.ALERT),
        ("HTTP_REQUEST", False, HandshakeFault.NOT_TLS),
        ("DH_KEY_TOO_SMALL", False, HandshakeFault.OTHER),
    ],
)
def test_fault_of_reason(reason: str, is_after: bool, expected: HandshakeFault) -> None:
    assert fault_of(reason, is_after=is_after) is expected
