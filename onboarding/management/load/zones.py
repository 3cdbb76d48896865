"""Answers of name servers that exist in memory only: before and after the move to Mimecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from tenants.models import Domain
from tenants.regions import Region

_SERVERS = tuple(Server(f"ns{n}.dns-host.example", f"192.0.2.{n}") for n in range(1, 5))
_SENDERS = "spf.mailing.example"


@dataclass(frozen=True)
class ZoneAnswers:
    """A `Lookup` in which four servers have the same records for every name."""

    zone: str
    records: Sequence[Record]

    async def resolve(self, name: str, rtype: str) -> Answer:
        owner = name.lower().rstrip(".")
        here = [record for record in self.records if record.owner == owner]
        found = tuple(record for record in here if record.rtype == rtype)
        if found:
            return Records(found)
        below = any(record.owner.endswith(f".{owner}") for record in self.records)
        return NoRecord() if here or below else NoName()

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        return await self.resolve(name, rtype)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for _ in servers]

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        return Delegation(zone=self.zone, servers=_SERVERS)


def zone_of(domain: Domain, region: Region, *, is_moved: bool) -> ZoneAnswers:
    """The records of a domain before the move, or after it."""
    own, number = domain.name, domain.pk % 250
    senders = f"ip4:198.51.100.{number} include:{_SENDERS}"
    rows = [
        (own, "TXT", f"MS=ms{number:08}"),
        (own, "TXT", f"google-site-verification={number:043}"),
        (_SENDERS, "TXT", "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"),
        (region.spf_include, "TXT", "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"),
    ]
    if is_moved:
        rows += [
            *((own, "MX", f"10 {name}") for name in region.mx),
            (own, "TXT", f"v=spf1 include:{region.spf_include} {senders} ~all"),
            (own, "TXT", domain.ownership_token),
            (f"_dmarc.{own}", "TXT", f"v=DMARC1; p=quarantine; rua=mailto:dmarc@{own}"),
        ]
    else:
        rows += [
            (own, "MX", f"10 mail.{own}"),
            (own, "TXT", f"v=spf1 mx {senders} ~all"),
            (f"_dmarc.{own}", "TXT", f"v=DMARC1; p=none; rua=mailto:dmarc@{own}"),
        ]
    return ZoneAnswers(own, [Record(owner, rtype, 300, value) for owner, rtype, value in rows])
