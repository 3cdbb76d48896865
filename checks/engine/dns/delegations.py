"""Compare the delegation in the parent zone with the zone's own NS records.

After a move to another DNS host, people often edit the zone at the old host, without effect. The
old servers often remain in the zone's NS records, in the parent's, or as the primary server of the
SOA record.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from checks.engine.dns.lookup import (
    Delegation,
    Lookup,
    LookupFailure,
    Records,
    Referral,
    Server,
)

_MAX_OTHER_SERVERS = 4


@dataclass(frozen=True)
class DelegationComparison:
    """The name servers according to the parent zone and to the zone, and servers outside both.

    `other_servers` are the servers that the delegation does not contain. Unknown values are empty.
    """

    parent: tuple[str, ...] = ()
    zone: tuple[str, ...] = ()
    other_servers: tuple[Server, ...] = ()

    @property
    def is_inconsistent(self) -> bool:
        return bool(self.parent) and bool(self.zone) and set(self.parent) != set(self.zone)


async def compare_delegation(lookup: Lookup, delegation: Delegation) -> DelegationComparison:
    """Query the parent's servers and the zone's own for the NS records (RFC 1034 section 4.2.2)."""
    parent, named, primary = await asyncio.gather(
        _named_by_parent(lookup, delegation.zone),
        _named_by_zone(lookup, delegation),
        _primary(lookup, delegation),
    )
    delegated = {server.name for server in delegation.servers}
    missing = sorted({*parent, *named, *primary} - delegated - set(delegation.unresolved))
    located = await asyncio.gather(
        *(_locate(lookup, host) for host in missing[:_MAX_OTHER_SERVERS])
    )
    # A route of the lab can use another port than 53 for authoritative servers.
    port = delegation.servers[0].port if delegation.servers else 53
    other_servers = tuple(
        Server(host, address, port)
        for host, address in zip(missing, located, strict=False)
        if address
    )
    return DelegationComparison(parent, named, other_servers)


async def _named_by_parent(lookup: Lookup, zone: str) -> tuple[str, ...]:
    _, _, parent = zone.partition(".")
    parent_delegation = await lookup.delegation(parent) if parent else None
    if not isinstance(parent_delegation, Delegation):
        return ()
    # Two servers are enough: these findings are hints, and a parent can have a dozen servers.
    for server in parent_delegation.servers[:2]:
        answer = await lookup.query(server, zone, "NS")
        if isinstance(answer, Referral):
            return tuple(sorted(answer.hosts))
    # Servers of both zones answer from the lower one, so the parent's own NS set stays unknown.
    return ()


async def _named_by_zone(lookup: Lookup, delegation: Delegation) -> tuple[str, ...]:
    for server in delegation.servers[:2]:
        answer = await lookup.query(server, delegation.zone, "NS")
        if isinstance(answer, Records):
            return tuple(sorted(set(answer.values)))
    return ()


async def _primary(lookup: Lookup, delegation: Delegation) -> tuple[str, ...]:
    answer = await lookup.resolve(delegation.zone, "SOA")
    if not isinstance(answer, Records):
        return ()
    # The first field of SOA is MNAME, the primary server (RFC 1035 section 3.3.13).
    primary = answer.values[0].split(" ", 1)[0].rstrip(".")
    return (primary,) if primary else ()


async def _locate(lookup: Lookup, host: str) -> str:
    answer = await lookup.resolve(host, "A")
    if isinstance(answer, LookupFailure) or not isinstance(answer, Records):
        return ""
    return sorted(answer.values)[0]
