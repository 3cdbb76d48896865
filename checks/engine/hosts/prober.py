"""Connect to a host that a client named: resolve, check the address, connect to that address.

The name is resolved once. A second resolution at connection time could return another address (DNS
rebinding), which the guard has not checked.
"""

from __future__ import annotations

import asyncio
import datetime
import errno
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from checks.engine.addresses import PROBE_PORTS, may_probe, parse_address
from checks.engine.dns import dnssec
from checks.engine.dns.lookup import (
    Answer,
    Lookup,
    LookupFailure,
    NoName,
    NoRecord,
    Records,
    sorted_values,
)
from checks.engine.dns.network import Network
from checks.engine.dns.network_lookup import has_route
from checks.engine.dns.validated import resolve_validated
from checks.engine.hosts.certificates import TlsFacts, client_context, parse
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

# A host with more addresses is never tried completely, so that its lockdown stays UNKNOWN.
MAX_ADDRESSES = 16
# `connect_first` needs one address that answers.
_MAX_TRIED = 3
_MAX_AT_ONCE = 4
DEFAULT_PORTS = {CheckKind.SMTP: 25, CheckKind.LDAPS: 636, CheckKind.LOCKDOWN: 25}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_T = TypeVar("_T")

_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    # A blackhole route on this machine causes EINVAL; it is not the host's fault.
    errno.EINVAL: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
}


@dataclass(frozen=True)
class ConnectionFailure:
    """No connection. `reason` is a stable code: refused, timeout, unreachable, reset."""

    reason: str


class HandshakeFailure(Exception):
    """The port is open, but the TLS handshake does not end.

    `reason` is "closed" (the host closes the connection at ClientHello) or "timeout".
    """

    def __init__(self, reason: str, seconds: float = 0) -> None:
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


@dataclass(frozen=True)
class NotProbed:
    """The host is not probed; the finding has the reason."""

    verdict: Verdict
    finding: Finding


@dataclass
class Prober:
    """Connects to the hosts of one batch, never twice to an address at the same time."""

    network: Network
    lookup: Lookup
    # Hosts that `locate` has already resolved and checked in an earlier call.
    pinned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def lock_for(self, address: str) -> asyncio.Lock:
        return self.locks.setdefault(address, asyncio.Lock())

    def now(self) -> datetime.datetime:
        """Return the time at which certificates must be valid. A replay returns the stored time."""
        return datetime.datetime.now(datetime.UTC)

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | NotProbed:
        """Resolve a host and return its addresses that may be probed, or the refusal.

        At most MAX_ADDRESSES; `untried` has the others.
        """
        host = host.removesuffix(".").lower()
        if host in self.pinned:
            return list(self.pinned[host])
        found = [host] if parse_address(host) is not None else await self._resolve(host)
        if isinstance(found, NotProbed):
            return found
        allowed = [text for text in found if self._has_consent(text, port, ports)]
        if allowed:
            return allowed[:MAX_ADDRESSES]
        params = {"host": host, "port": port, "addresses": found}
        if any(self._is_permitted(text, port, ports) for text in found):
            # All of the permitted addresses are IPv6, and this machine has no route to them.
            return NotProbed(
                Verdict.UNKNOWN,
                Finding("host.no-ipv6-here", {"host": host, "addresses": found}),
            )
        return NotProbed(Verdict.UNKNOWN, Finding("host.not-allowed", params))

    async def untried(self, host: str, located: Sequence[str]) -> list[str]:
        """Return the host's addresses outside `located`: refused, unroutable, or too many.

        The name of a record type whose lookup failed represents its unknown addresses.
        """
        host = host.removesuffix(".").lower()
        if parse_address(host) is not None:
            return []
        answers = {rtype: await self.lookup.resolve(host, rtype) for rtype in ("A", "AAAA")}
        found = [
            v for a in answers.values() if isinstance(a, Records) for v in sorted_values(a.values)
        ]
        failed = [rtype for rtype, a in answers.items() if isinstance(a, LookupFailure)]
        return [each for each in found if each not in located] + failed

    def _is_permitted(self, text: str, port: int, ports: frozenset[int]) -> bool:
        address = parse_address(text)
        return address is not None and may_probe(
            address, port, self.network.allowed_networks, ports
        )

    def _has_consent(self, text: str, port: int, ports: frozenset[int]) -> bool:
        return self._is_permitted(text, port, ports) and (":" not in text or has_route(text))

    async def _resolve(self, host: str) -> list[str] | NotProbed:
        answers = [await resolve_validated(self.lookup, host, rtype) for rtype in ("A", "AAAA")]
        found = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if found and not await self._has_rejected_address(host, answers):
            return found
        for answer in answers:
            # One failed lookup leaves the addresses unknown; only two denials prove their absence.
            if isinstance(answer, LookupFailure):
                params = {"host": host, "reason": answer.reason}
                return NotProbed(Verdict.UNKNOWN, Finding("host.could-not-resolve", params))
        return NotProbed(Verdict.FAIL, Finding("host.no-address", {"host": host}))

    async def _has_rejected_address(self, host: str, answers: Sequence[Answer]) -> bool:
        """Return whether a mail server with a validating resolver misses some of the addresses.

        A rejected denial, usually that of IPv6 addresses, hides none.
        """
        for rtype, answer in zip(("A", "AAAA"), answers, strict=True):
            if isinstance(answer, LookupFailure) and answer.reason in dnssec.FAULTS:
                unchecked = await self.lookup.resolve(host, rtype)
                if not isinstance(unchecked, NoRecord | NoName):
                    return True
        return False

    async def connect_first(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | ConnectionFailure]:
        """Run `attempt` for one address after another until one accepts the connection."""
        last: tuple[str, _T | ConnectionFailure] = ("", ConnectionFailure("unreachable"))
        for address in addresses[:_MAX_TRIED]:
            # Mail servers limit concurrent connections of one client and would reject the second.
            async with self.lock_for(address):
                last = (address, await attempt(address))
            if not isinstance(last[1], ConnectionFailure):
                break
        return last

    async def connect_each(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> list[tuple[str, _T]]:
        """Run `attempt` for every address, some at once. Return the results in the same order."""
        slots = asyncio.Semaphore(_MAX_AT_ONCE)

        async def one(address: str) -> tuple[str, _T]:
            async with slots, self.lock_for(address):
                return address, await attempt(address)

        return list(await asyncio.gather(*map(one, addresses)))

    async def connect(
        self, address: str, port: int, *, tls: ssl.SSLContext | None = None, host: str = ""
    ) -> Streams | ConnectionFailure:
        """Connect to one address, with TLS if a context is given.

        Raises ssl.SSLError and HandshakeFailure for TLS on an open port, which the caller judges.
        """
        try:
            async with asyncio.timeout(self.network.connect_timeout_seconds):
                streams = await asyncio.open_connection(address, port)
        except TimeoutError:
            return ConnectionFailure("timeout")
        except OSError as error:
            return ConnectionFailure(reason_of(error))
        if tls is not None:
            await _start_tls(streams, tls, host, self.network.connect_timeout_seconds)
        return streams


async def _start_tls(
    streams: Streams, tls: ssl.SSLContext, host: str, timeout_seconds: float
) -> None:
    """Complete the handshake. The connection is closed after any error."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await streams[1].start_tls(tls, server_hostname=server_name(host))
    except BaseException as error:
        abort(streams[1])
        match error:
            case TimeoutError():
                raise HandshakeFailure("timeout", timeout_seconds) from error
            # An end of the connection is no fault of the certificate or the protocol.
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
                raise HandshakeFailure("closed") from error
            case OSError() if not isinstance(error, ssl.SSLError):
                raise HandshakeFailure("closed") from error
        raise


def server_name(host: str) -> str | None:
    """Return the SNI value: only names are allowed (RFC 6066 section 3), so "" for addresses."""
    return "" if parse_address(host) is not None else host


def reason_of(error: OSError) -> str:
    """Return the reason code of a failed connection, "unreachable" for an unknown error."""
    return _REASONS.get(error.errno or 0, "unreachable")


def read_tls_facts(writer: asyncio.StreamWriter, distrust: str) -> TlsFacts:
    """Return the facts of a completed handshake."""
    ssl_object = writer.get_extra_info("ssl_object")
    # The binary form: without verification, the parsed form is empty.
    der = ssl_object.getpeercert(binary_form=True)
    return TlsFacts(ssl_object.version() or "", parse(der) if der else None, distrust)


async def handshake_with_fallback(
    network: Network, handshake: Callable[[ssl.SSLContext, str], Awaitable[_T]]
) -> _T:
    """Run the handshake with verification; if that fails, repeat it without, for the facts."""
    try:
        return await handshake(client_context(verified=True, ca_file=network.ca_file), "")
    except ssl.SSLCertVerificationError as error:
        return await handshake(client_context(verified=False), error.verify_message)


def abort(writer: asyncio.StreamWriter) -> None:
    """Close without waiting for the other side, which may never answer."""
    if writer.transport is not None:
        writer.transport.abort()


def not_probed_outcome(kind: CheckKind, subject: str, not_probed: NotProbed) -> Outcome:
    """Return the outcome for a host that is not probed.

    It is not unanimous, because only the resolvers were queried: no task may change.
    """
    return Outcome(kind, subject, not_probed.verdict, (not_probed.finding,), unanimous=False)


def no_consent_outcome(kind: CheckKind, subject: str, host: str) -> Outcome:
    """Return the outcome for a host that may not be probed without the client's consent."""
    finding = Finding("host.no-consent", {"host": host})
    return not_probed_outcome(kind, subject, NotProbed(Verdict.UNKNOWN, finding))
