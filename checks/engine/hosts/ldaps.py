"""LDAPS: the directory host answers with TLS and a valid certificate, and only to Mimecast.

Specified in docs/reference/checks/ldaps.md.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import dataclass
from typing import Any

from checks.engine.hosts.certificates import (
    CERTIFICATE_REQUIRED,
    TlsFacts,
    cautions,
    reason_of_tls,
)
from checks.engine.hosts.handshakes import HandshakeFault, fault_of, is_alert
from checks.engine.hosts.ldap_root import RootEntry, read_root_entry
from checks.engine.hosts.prober import (
    DEFAULT_PORTS,
    ConnectionFailure,
    HandshakeFailure,
    NotProbed,
    Prober,
    Streams,
    abort,
    handshake_with_fallback,
    not_probed_outcome,
    read_tls_facts,
    reason_of,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict


@dataclass(frozen=True)
class NoTls:
    """The port is open, but TLS fails.

    `reason` is that of HandshakeFailure, with the seconds waited, or OpenSSL's.
    """

    reason: str
    seconds: float = 0


@dataclass(frozen=True)
class LdapsAnswer:
    """The handshake, and the root entry if the directory shows it to anonymous clients."""

    tls: TlsFacts
    root: RootEntry | None = None

    def as_evidence(self) -> dict[str, Any]:
        root = dict(self.root) if self.root is not None else None
        return {"tls": self.tls.as_evidence(), "root_entry": root}


_LdapsResult = LdapsAnswer | NoTls | ConnectionFailure


async def inspect(host: str, port: int, vantage_allowed: bool, prober: Prober) -> Outcome:
    """Connect, complete the TLS handshake, read the root entry anonymously, and judge.

    Connects only to addresses that the guard permits (RFC 4512 section 5.1 for the root entry).
    """
    port = port or DEFAULT_PORTS[CheckKind.LDAPS]
    subject = f"{host}:{port}"
    addresses = await prober.locate(host, port)
    if isinstance(addresses, NotProbed):
        return not_probed_outcome(CheckKind.LDAPS, subject, addresses)
    address, result = await prober.connect_first(
        addresses, lambda each: _handshake(prober, each, host, port)
    )
    now = prober.now()
    verdict, findings = judge(host, port, result, vantage_allowed=vantage_allowed, now=now)
    evidence = {"host": host, "port": port, "address": address, "addresses": addresses}
    reached = result.as_evidence() if isinstance(result, LdapsAnswer) else {"reason": result.reason}
    is_known = verdict is not Verdict.UNKNOWN
    return Outcome(
        CheckKind.LDAPS,
        subject,
        verdict,
        tuple(findings),
        {**evidence, **reached},
        unanimous=is_known,
    )


def judge(
    host: str, port: int, result: _LdapsResult, *, vantage_allowed: bool, now: datetime.datetime
) -> tuple[Verdict, list[Finding]]:
    """Judge the result. `vantage_allowed`: the firewall admits this vantage as it admits Mimecast.

    From any other vantage, silence is UNKNOWN and an answer is a caution. Pure.
    """
    refusal = Verdict.FAIL if vantage_allowed else Verdict.UNKNOWN
    if isinstance(result, ConnectionFailure):
        params = {"host": host, "port": port, "reason": result.reason}
        # From here, a firewall that admits only Mimecast resembles a host that is down.
        if vantage_allowed:
            return refusal, [Finding("ldaps.unreachable", params)]
        return refusal, [Finding("ldaps.unreachable-from-here", params)]
    if isinstance(result, NoTls):
        # A time-out proves nothing about the host: a slow network has the same symptom.
        verdict = Verdict.UNKNOWN if result.reason == "timeout" else refusal
        return verdict, [_no_tls(host, port, result)]
    found = [*cautions(result.tls, host, now)]
    # First, because an open directory is more urgent than a certificate.
    if not vantage_allowed:
        found.insert(0, Finding("ldaps.open-to-internet", {"host": host, "port": port}))
    return (Verdict.WARN if found else Verdict.PASS), found


_FAULTS = {
    HandshakeFault.CLOSED: "ldaps.closed-at-handshake",
    HandshakeFault.TOO_OLD: "ldaps.protocol-too-old",
    HandshakeFault.CLIENT_CERTIFICATE: "ldaps.client-certificate",
    HandshakeFault.NO_CERTIFICATE: "ldaps.no-certificate",
}
_ALERTS = (HandshakeFault.ALERT, HandshakeFault.UNKNOWN_NAME)


def _no_tls(host: str, port: int, result: NoTls) -> Finding:
    """Return the finding that names the team: certificate, TLS version, or network."""
    params: dict[str, Any] = {"host": host, "port": port}
    fault = fault_of(result.reason)
    if fault in _FAULTS:
        return Finding(_FAULTS[fault], params)
    if fault is HandshakeFault.TIMEOUT:
        return Finding("ldaps.tls-slow", params | {"seconds": result.seconds})
    if fault in _ALERTS:
        return Finding("ldaps.tls-alert", params | {"reason": result.reason})
    return Finding("ldaps.tls-failed", params | {"reason": result.reason})


async def _handshake(prober: Prober, address: str, host: str, port: int) -> _LdapsResult:
    async def handshake(context: ssl.SSLContext, distrust: str) -> _LdapsResult:
        streams = await prober.connect(address, port, tls=context, host=host)
        if isinstance(streams, ConnectionFailure):
            return streams
        try:
            facts = read_tls_facts(streams[1], distrust)
            root = await _root(streams, prober.network.connect_timeout_seconds)
            return root if isinstance(root, NoTls) else LdapsAnswer(facts, root)
        finally:
            abort(streams[1])

    try:
        return await handshake_with_fallback(prober.network, handshake)
    except HandshakeFailure as failure:
        return NoTls(failure.reason, failure.seconds)
    # Before OSError, its base class: the port answered, so the host is reachable.
    except ssl.SSLError as error:
        return NoTls(reason_of_tls(error))
    except OSError as error:
        return ConnectionFailure(reason_of(error))


async def _root(streams: Streams, timeout_seconds: float) -> RootEntry | NoTls | None:
    """Read the root entry; None without one. The check is about TLS, so a failure is no fault.

    In TLS 1.3 the client completes the handshake first, so that the server's rejection arrives as
    an alert in place of the first reply (RFC 8446 section 4.4.2.4).
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await read_root_entry(*streams)
    except ssl.SSLError as error:
        reason = reason_of_tls(error)
        if not is_alert(reason):
            return None
        fault = fault_of(reason, is_after=True)
        is_client = fault is HandshakeFault.CLIENT_CERTIFICATE
        return NoTls(CERTIFICATE_REQUIRED if is_client else reason)
    except OSError:
        return None
