"""Pre-flight check: judge proposed records before their publication. Uses no network.

Proposed records replace the whole set of their name and type, as they would in the zone (RFC 2181
section 5). The latest run supplies every other answer. A question that neither can answer is a
LookupFailure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.rdataclass
import dns.rdatatype
import dns.zone

from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    Lookup,
    LookupFailure,
    NoName,
    Record,
    Records,
    Server,
)
from checks.engine.recording import NotRecorded

MAX_CHARACTERS = 20_000
MAX_RECORDS = 300
DEFAULT_TTL = 3600
# $INCLUDE reads files of this machine, and $GENERATE makes millions of records of one line.
_DIRECTIVE = re.compile(r"(?mi)^\s*\$(?!ORIGIN\b|TTL\b)")
_TYPES = frozenset({"MX", "TXT", "CNAME"})

ProposedRecords = Mapping[tuple[str, str], tuple[Record, ...]]


@dataclass(frozen=True)
class InvalidZoneText:
    """The text is not a zone; `problem` is the first error."""

    problem: str


def parse_proposed_records(text: str, domain: str) -> ProposedRecords | InvalidZoneText:
    """Parse lines of a zone file into record sets by name and type.

    Relative names are below `domain`. The size is limited. Types that no check uses are ignored.
    Pure, and never raises.
    """
    if len(text) > MAX_CHARACTERS:
        return InvalidZoneText(f"more than {MAX_CHARACTERS} characters")
    if _DIRECTIVE.search(text):
        return InvalidZoneText("a directive other than $ORIGIN and $TTL")
    try:
        zone = dns.zone.from_text(
            f"$TTL {DEFAULT_TTL}\n{text}\n",
            origin=f"{domain}.",
            relativize=False,
            check_origin=False,
        )
    except (dns.exception.DNSException, ValueError, UnicodeError) as error:
        return InvalidZoneText(str(error)[:200] or type(error).__name__)
    found: dict[tuple[str, str], tuple[Record, ...]] = {}
    for name, rdataset in zone.iterate_rdatasets():
        rtype = dns.rdatatype.to_text(rdataset.rdtype)
        owner = name.to_text(omit_final_dot=True).lower()
        if rtype in _TYPES:
            records = (Record(owner, rtype, rdataset.ttl, _value(each)) for each in rdataset)
            found[owner, rtype] = tuple(records)
    if sum(map(len, found.values())) > MAX_RECORDS:
        return InvalidZoneText(f"more than {MAX_RECORDS} records")
    return found


def _value(rdata: object) -> str:
    """Return the value in the form of lookup.Record."""
    exchange = getattr(rdata, "exchange", None)
    if exchange is not None:
        host = exchange.to_text(omit_final_dot=True).lower() or "."
        return f"{getattr(rdata, 'preference', 0)} {host}"
    strings = getattr(rdata, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    target: str = getattr(rdata, "target").to_text(omit_final_dot=True).lower()  # noqa: B009
    return target


@dataclass(frozen=True)
class ProposedLookup:
    """A `Lookup` that answers from the proposal, and otherwise from an earlier run."""

    proposal: ProposedRecords
    recorded: Lookup

    async def resolve(self, name: str, rtype: str) -> Answer:
        proposed = self._proposed(name, rtype)
        if proposed is not None:
            return proposed
        try:
            return await self.recorded.resolve(name, rtype)
        except NotRecorded:
            return LookupFailure("not-asked")

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Answer as every server will after the publication."""
        proposed = self._proposed(name, rtype)
        if proposed is not None:
            return proposed
        try:
            return await self.recorded.query(server, name, rtype)
        except NotRecorded:
            return LookupFailure("not-asked")

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.query(server, name, rtype) for server in servers]

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        try:
            return await self.recorded.delegation(name)
        except NotRecorded:
            return LookupFailure("not-asked")

    def _proposed(self, name: str, rtype: str) -> Answer | None:
        owner = name.lower().removesuffix(".")
        records = self.proposal.get((owner, rtype))
        if records:
            return Records(records)
        if (owner, "CNAME") in self.proposal:
            # A CNAME excludes all other records (RFC 1034 section 3.6.2). Its target is unknown.
            return LookupFailure("not-asked")
        return None
