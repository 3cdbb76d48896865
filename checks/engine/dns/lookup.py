"""How checks ask DNS: a small protocol with typed answers. DNS conditions are values here.

Checks depend on this file alone, so transport and decoding can be replaced without touching one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Server:
    """One name server: the name it is delegated under and the address it is asked at."""

    name: str
    address: str
    port: int = 53

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True)
class Record:
    """One resource record: owner and targets as lower-case A-labels without the final dot.

    `value` is the target for NS, CNAME and PTR, the joined text for TXT, the address for A and
    AAAA, and `<preference> <exchange>` for MX (exchange "." for a null MX, RFC 7505).
    """

    owner: str
    rtype: str
    ttl: int
    value: str

    @property
    def preference(self) -> int:
        return int(self.value.split(" ", 1)[0])

    @property
    def exchange(self) -> str:
        return self.value.split(" ", 1)[1]


@dataclass(frozen=True)
class Records:
    """The name has records of the type asked for. `chain` is the CNAMEs followed to reach them.

    `zone`, here and below, is the zone that an authoritative server says its answer lies in, where
    it says so and no alias was followed.
    """

    records: tuple[Record, ...]
    chain: tuple[Record, ...] = ()
    zone: str = field(default="", compare=False)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(record.value for record in self.records)

    @property
    def ttl(self) -> int:
        return max(record.ttl for record in self.records)


@dataclass(frozen=True)
class NoRecord:
    """The name exists and has no record of this type (NODATA, RFC 2308 section 2.2)."""

    chain: tuple[Record, ...] = ()
    zone: str = field(default="", compare=False)


@dataclass(frozen=True)
class NoName:
    """The name does not exist (NXDOMAIN, RFC 2308 section 2.1)."""

    chain: tuple[Record, ...] = ()
    zone: str = field(default="", compare=False)


@dataclass(frozen=True)
class LookupFailure:
    """No usable answer. `reason` is a stable word: timeout, servfail, refused, lame, malformed,
    oversized, truncated, cname-loop, unreachable, not-allowed, unconfirmed,
    no-budget."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Referral(LookupFailure):
    """A server that knows only who else to ask: lame for the zone, or its parent's. `hosts` are
    the servers it names (RFC 1034 section 4.3.1)."""

    hosts: tuple[str, ...] = ()


Answer = Records | NoRecord | NoName | LookupFailure


@dataclass(frozen=True)
class Delegation:
    """The zone a name lies in and every server that is authoritative for it.

    `unresolved` names the servers whose addresses could not be found or may not be asked;
    `addressless` those that certainly have none, so that nobody can be told anything by them.
    `ipv6_only` are the unresolved ones that need IPv6, which this machine does not have.
    """

    zone: str
    servers: tuple[Server, ...]
    unresolved: tuple[str, ...] = ()
    addressless: tuple[str, ...] = ()
    ipv6_only: tuple[str, ...] = ()
    # False where the parent zone's servers should have said who serves the zone, and did not.
    is_confirmed: bool = True


class Lookup(Protocol):
    """What a check may ask. No method raises for a DNS condition."""

    async def resolve(self, name: str, rtype: str) -> Answer:
        """Ask the resolvers, as the world would."""

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        """The same of several names at once, in their order."""

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Ask one authoritative server, without recursion."""

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        """The same of several servers at once, in their order."""

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        """Find the servers that are authoritative for the zone `name` lies in.

        NoName when the name is not registered at all: nothing below a top-level domain holds it,
        and that domain's own servers say so too; "unconfirmed" when only the resolvers do.
        """


def sorted_values(values: Sequence[str]) -> list[str]:
    """A record set has no order (RFC 2181 section 5): compare and show it sorted."""
    return sorted(values)
