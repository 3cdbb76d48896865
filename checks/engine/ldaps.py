"""LDAPS: does the directory host answer TLS, to whom, with what certificate?

Specified in docs/checks/ldaps.md.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import dataclass
from typing import Any

from checks.engine.certificates import TlsFacts, cautions
from checks.engine.hosts import (
    DEFAULT_PORTS,
    Prober,
    Refused,
    Streams,
    Unreached,
    close,
    handshake_twice,
    not_probed,
    reason_of,
    tls_facts,
)
from checks.engine.ldap_root import Entry, read_root
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict


@dataclass(frozen=True)
class NoTls:
    """The port is open and TLS does not work there."""

    reason: str


@dataclass(frozen=True)
class Answered:
    """The handshake, and the root entry where the directory shows it to anybody."""

    tls: TlsFacts
    root: Entry | None = None

    def as_evidence(self) -> dict[str, Any]:
        root = dict(self.root) if self.root is not None else None
        return {"tls": self.tls.as_evidence(), "root_entry": root}


_Seen = Answered | NoTls | Unreached


async def inspect(host: str, port: int, vantage_allowed: bool, prober: Prober) -> Outcome:
    """Connect, shake hands, and read the root entry without binding (RFC 4512 section 5.1)."""
    port = port or DEFAULT_PORTS[Kind.LDAPS]
    subject = f"{host}:{port}"
    addresses = await prober.locate(host, port)
    if isinstance(addresses, Refused):
        return not_probed(Kind.LDAPS, subject, addresses)
    address, seen = await prober.first_reached(
        addresses, lambda each: _shake_hands(prober, each, host, port)
    )
    now = prober.now()
    verdict, findings = judge(host, port, seen, vantage_allowed=vantage_allowed, now=now)
    evidence = {"host": host, "port": port, "address": address, "addresses": addresses}
    reached = seen.as_evidence() if isinstance(seen, Answered) else {"reason": seen.reason}
    known = verdict is not Verdict.UNKNOWN
    return Outcome(
        Kind.LDAPS, subject, verdict, tuple(findings), {**evidence, **reached}, unanimous=known
    )


def judge(
    host: str, port: int, seen: _Seen, *, vantage_allowed: bool, now: datetime.datetime
) -> tuple[Verdict, list[Finding]]:
    """From outside Mimecast's ranges silence proves nothing and an answer is an exposure. Pure."""
    refusal = Verdict.FAIL if vantage_allowed else Verdict.UNKNOWN
    if isinstance(seen, Unreached):
        params = {"host": host, "port": port, "reason": seen.reason}
        if vantage_allowed:
            return refusal, [Finding("ldaps.unreachable", params)]
        return refusal, [Finding("ldaps.unreachable-from-here", params)]
    if isinstance(seen, NoTls):
        params = {"host": host, "port": port, "reason": seen.reason}
        return refusal, [Finding("ldaps.tls-failed", params)]
    found = [*cautions(seen.tls, host, now)]
    if not vantage_allowed:
        found.insert(0, Finding("ldaps.open-to-internet", {"host": host, "port": port}))
    return (Verdict.WARN if found else Verdict.PASS), found


async def _shake_hands(prober: Prober, address: str, host: str, port: int) -> _Seen:
    async def shake_hands(context: ssl.SSLContext, distrust: str) -> Answered | Unreached:
        streams = await prober.connect(address, port, tls=context, host=host)
        if isinstance(streams, Unreached):
            return streams
        try:
            facts = tls_facts(streams[1], distrust)
            return Answered(facts, await _root(streams, prober.network.connect_timeout_seconds))
        finally:
            close(streams[1])

    try:
        return await handshake_twice(prober.network, shake_hands)
    except ssl.SSLError as error:
        return NoTls(error.reason or type(error).__name__)
    except OSError as error:
        return Unreached(reason_of(error))


async def _root(streams: Streams, patience: float) -> Entry | None:
    """A directory that keeps its root entry to itself still speaks TLS, which was the question."""
    try:
        async with asyncio.timeout(patience):
            return await read_root(*streams)
    except OSError:
        return None
