"""Reaching a host a customer named: resolve, guard, then connect to exactly that address."""

from __future__ import annotations

import asyncio
import datetime
import errno
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from checks.engine.addresses import PROBE_PORTS, may_probe, parse_address
from checks.engine.certificates import TlsFacts, client_context, parse
from checks.engine.lookup import CouldNotTell, Lookup, Records, sorted_values
from checks.engine.network import Network
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.resolution import has_route

MAX_ADDRESSES = 3
DEFAULT_PORTS = {Kind.SMTP: 25, Kind.LDAPS: 636, Kind.LOCKDOWN: 25}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_T = TypeVar("_T")

_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    # A blackhole route on this machine answers so; it is no fault of the host's.
    errno.EINVAL: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
}


@dataclass(frozen=True)
class Unreached:
    """No connection. `reason` is a stable word: refused, timeout, unreachable, reset."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """The host is not probed at all, and why."""

    verdict: Verdict
    finding: Finding


@dataclass
class Prober:
    """One batch's way to hosts: never two connections to an address at the same time."""

    network: Network
    lookup: Lookup
    # Hosts that were located before, and held against the guard then.
    pinned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doors: dict[str, asyncio.Lock] = field(default_factory=dict)

    def door(self, address: str) -> asyncio.Lock:
        return self.doors.setdefault(address, asyncio.Lock())

    def now(self) -> datetime.datetime:
        """The moment that certificates are held against."""
        return datetime.datetime.now(datetime.UTC)

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | Refused:
        """The addresses of a host that may be probed, resolved once."""
        host = host.removesuffix(".").lower()
        if host in self.pinned:
            return list(self.pinned[host])
        found = [host] if parse_address(host) is not None else await self._resolve(host)
        if isinstance(found, Refused):
            return found
        allowed = [text for text in found if self._may_probe(text, port, ports)]
        if allowed:
            return allowed[:MAX_ADDRESSES]
        params = {"host": host, "port": port, "addresses": found}
        return Refused(Verdict.UNKNOWN, Finding("host.not-allowed", params))

    def _may_probe(self, text: str, port: int, ports: frozenset[int]) -> bool:
        address = parse_address(text)
        if address is None:
            return False
        if not may_probe(address, port, self.network.allowed_networks, ports):
            return False
        return address.version == 4 or has_route(text)

    async def _resolve(self, host: str) -> list[str] | Refused:
        answers = [await self.lookup.resolve(host, rtype) for rtype in ("A", "AAAA")]
        found = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if found:
            return found
        for answer in answers:
            if isinstance(answer, CouldNotTell):
                params = {"host": host, "reason": answer.reason}
                return Refused(Verdict.UNKNOWN, Finding("host.could-not-resolve", params))
        return Refused(Verdict.FAIL, Finding("host.no-address", {"host": host}))

    async def first_reached(
        self, addresses: list[str], talk: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | Unreached]:
        """Talk to the addresses in turn until one takes the connection."""
        last: tuple[str, _T | Unreached] = ("", Unreached("unreachable"))
        for address in addresses:
            async with self.door(address):
                last = (address, await talk(address))
            if not isinstance(last[1], Unreached):
                break
        return last

    async def connect(
        self, address: str, port: int, *, tls: ssl.SSLContext | None = None, host: str = ""
    ) -> Streams | Unreached:
        """Connect to one address. TLS errors are the caller's to judge."""
        name = server_name(host) if tls else None
        try:
            async with asyncio.timeout(self.network.connect_timeout_seconds):
                return await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
        except TimeoutError:
            return Unreached("timeout")
        except ssl.SSLError:
            raise
        except OSError as error:
            return Unreached(reason_of(error))


def server_name(host: str) -> str | None:
    """What to send as SNI: names only (RFC 6066 section 3)."""
    return "" if parse_address(host) is not None else host


def reason_of(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, "unreachable")


def tls_facts(writer: asyncio.StreamWriter, distrust: str) -> TlsFacts:
    """What the finished handshake on a connection shows."""
    channel = writer.get_extra_info("ssl_object")
    der = channel.getpeercert(binary_form=True)
    return TlsFacts(channel.version() or "", parse(der) if der else None, distrust)


async def handshake_twice(
    network: Network, handshake: Callable[[ssl.SSLContext, str], Awaitable[_T]]
) -> _T:
    """Shake hands as a strict client, and once more for the facts if that is refused."""
    try:
        return await handshake(client_context(verified=True, ca_file=network.ca_file), "")
    except ssl.SSLCertVerificationError as error:
        return await handshake(client_context(verified=False), error.verify_message)


def close(writer: asyncio.StreamWriter) -> None:
    """Let go without waiting for the other side's goodbye."""
    if writer.transport is not None:
        writer.transport.abort()


def not_probed(kind: Kind, subject: str, refused: Refused) -> Outcome:
    """Why nobody was asked: on the resolvers' word alone, so it may move nothing."""
    return Outcome(kind, subject, refused.verdict, (refused.finding,), unanimous=False)


def without_consent(kind: Kind, subject: str, host: str) -> Outcome:
    """Nobody was asked because nobody has agreed to it: our ignorance, with its reason."""
    finding = Finding("host.no-consent", {"host": host})
    return not_probed(kind, subject, Refused(Verdict.UNKNOWN, finding))
