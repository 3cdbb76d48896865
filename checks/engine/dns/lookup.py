"""The protocol by which checks query DNS, with typed answers. DNS conditions are values.

Checks depend only on this module, so transport and decoding can change without a change of a check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Server:
    """One name server: its name in the delegation, and the address and port for queries."""

    name: str
    address: str
    port: int = 53

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True)
class Record:
    """One resource record: owner and targets are lower-case A-labels without the final dot.

    `value` by type:

    - NS, CNAME, PTR: the target.
    - TXT: the joined text.
    - A, AAAA: the address.
    - MX: `<preference> <exchange>`; the exchange of a null MX is "." (RFC 7505).
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
    """The name has records of the requested type. `chain` contains the CNAMEs that lead to them.

    `zone`, here and in the negative answers, is the zone from which an authoritative server
    answers. It is empty when the reply does not name it, and after an alias.
    """

    records: tuple[Record, ...]
    chain: tuple[Record, ...] = ()
    # Not compared: servers that differ only in the authority section give equal answers.
    zone: str = field(default="", compare=False)
    # The server has these records for the name in lower case only, which RFC 4343 forbids.
    is_case_sensitive: bool = field(default=False, compare=False)
    # The server's other answer for the name in lower case; None when it is equal or not queried.
    lower_case: Answer | None = None

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(record.value for record in self.records)

    @property
    def ttl(self) -> int:
        # TTLs in a set should be equal (RFC 2181 section 5.2). Caches may keep the longest.
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
    """No usable answer.

    `reason` is a stable code: timeout, servfail, refused, lame, malformed, oversized, truncated,
    cname-loop, alias-unresolved, unreachable, not-allowed, unconfirmed, no-budget, and those of
    `dnssec`.
    """

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Referral(LookupFailure):
    """A referral to other servers, by a lame server or a server of the parent zone.

    `hosts` are the servers in the referral (RFC 1034 section 4.3.1), and `glue` their addresses
    there: pairs of host and address.
    """

    hosts: tuple[str, ...] = ()
    glue: tuple[tuple[str, str], ...] = ()


Answer = Records | NoRecord | NoName | LookupFailure


@dataclass(frozen=True)
class Delegation:
    """The zone that contains a name, and every authoritative server of it.

    - `unresolved`: servers whose addresses could not be found, or must not be queried.
    - `addressless`: servers that certainly have no address, so that they answer no client.
    - `ipv6_only`: the unresolved servers that need IPv6, which this machine does not have.
    - `glue_only`: the servers at an address that only the parent zone publishes for their name.
      They are among `servers`, because resolvers that start at the parent query them, unless this
      machine must not or cannot query the address.
    - `unqueried`: IPv6 addresses of servers and of glue, which this machine cannot reach.
    """

    zone: str
    servers: tuple[Server, ...]
    unresolved: tuple[str, ...] = ()
    addressless: tuple[str, ...] = ()
    ipv6_only: tuple[str, ...] = ()
    glue_only: tuple[Server, ...] = ()
    unqueried: tuple[Server, ...] = ()
    # False when the servers of the parent zone should have named the zone's servers and did not.
    is_confirmed: bool = True
    # The number of servers above the limits of a delegation. They are in no other field.
    excess: int = 0


class Lookup(Protocol):
    """The DNS queries that a check may send. No method raises for a DNS condition."""

    async def resolve(self, name: str, rtype: str) -> Answer:
        """Query the resolvers, as a mail server would."""

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        """Resolve several names at once; the answers are in the order of `names`."""

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Query one authoritative server without recursion."""

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        """Query several servers at once; the answers are in the order of `servers`."""

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        """Find the authoritative servers of the zone that contains `name`.

        NoName when the name is not registered: the resolvers and the servers of its top-level
        domain agree that no such zone exists. A LookupFailure "unconfirmed" when only the
        resolvers do.
        """


def sorted_values(values: Sequence[str]) -> list[str]:
    """Return the values sorted: a record set has no order (RFC 2181 section 5)."""
    return sorted(values)
