"""A `Lookup` from a few lines of zone text, so that a test reads like a zone file."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Server,
)

MAX_ALIASES = 16
Trouble = LookupFailure


def read_zone(text: str) -> list[Record]:
    """Parse lines of `name [ttl] type value`; `#` starts a comment, TXT strings are quoted."""
    records = []
    for line in text.splitlines():
        fields = line.split("#", 1)[0].split(None, 1)
        if not fields:
            continue
        owner, rest = fields[0].lower(), fields[1].strip()
        first, _, remainder = rest.partition(" ")
        ttl, rest = (int(first), remainder.strip()) if first.isdigit() else (300, rest)
        rtype, _, value = rest.partition(" ")
        value = "".join(shlex.split(value)) if rtype == "TXT" else value.strip()
        records.append(Record(owner, rtype, ttl, value))
    return records


class ZoneLookup:
    """Answers from `world`; `servers` are the zones of single name servers.

    A LookupFailure instead of zone text is the only answer of that server. A record of the type
    `TROUBLE` makes every query for its name end in LookupFailure(value).
    """

    def __init__(
        self,
        world: str,
        *,
        servers: Mapping[str, str | LookupFailure] | None = None,
        delegation: Delegation | NoName | LookupFailure | None = None,
    ) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self._world = read_zone(world)
        self._servers = {
            name: zone if isinstance(zone, LookupFailure) else read_zone(zone)
            for name, zone in (servers or {"ns1.dns.test": world}).items()
        }
        self._delegation = delegation

    async def resolve(self, name: str, rtype: str) -> Answer:
        self.asked[name, rtype] += 1
        return answer_from(self._world, name, rtype)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.query(server, name, rtype) for server in servers]

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        zone = self._servers[server.name]
        return zone if isinstance(zone, LookupFailure) else answer_from(zone, name, rtype)

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        if self._delegation is not None:
            return self._delegation
        servers = tuple(
            Server(name, f"192.0.2.{number}") for number, name in enumerate(self._servers, start=1)
        )
        return Delegation(zone=name, servers=servers)


def answer_from(zone: list[Record], name: str, rtype: str) -> Answer:
    chain: list[Record] = []
    current = name.lower().rstrip(".")
    while len(chain) <= MAX_ALIASES:
        here = [record for record in zone if record.owner == current]
        failure = next((record for record in here if record.rtype == "TROUBLE"), None)
        if failure is not None:
            return LookupFailure(failure.value)
        wanted = tuple(record for record in here if record.rtype == rtype)
        if wanted:
            return Records(wanted, tuple(chain))
        alias = next((record for record in here if record.rtype == "CNAME"), None)
        if alias is None:
            below = any(record.owner.endswith("." + current) for record in zone)
            return NoRecord(tuple(chain)) if here or below else NoName(tuple(chain))
        chain.append(alias)
        current = alias.value.lower()
    return LookupFailure("cname-loop", current)
