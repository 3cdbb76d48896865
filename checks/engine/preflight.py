"""Pre-flight check: judge proposed records before their publication. Uses no network.

Proposed records replace the whole set of their name and type, as they would in the zone (RFC 2181
section 5). The latest run supplies every other answer. A question that neither can answer is a
LookupFailure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
from checks.engine.outcomes import Finding, Outcome, Verdict
from checks.engine.recording import NotRecorded
from checks.engine.zone_lines import ZoneTextError
from checks.engine.zone_text import ZoneText, read_zone_text

_MAX_OMITTED, _MAX_SHOWN = 5, 80
ProposedRecords = Mapping[tuple[str, str], tuple[Record, ...]]


@dataclass(frozen=True)
class InvalidZoneText:
    """The text is not a zone; `problem` is the first error."""

    problem: str


def parse_proposed_records(text: str, domain: str) -> ProposedRecords | InvalidZoneText:
    """Return the record sets of lines of a zone file; `parse_zone_text` also returns the notes."""
    read = parse_zone_text(text, domain)
    return read if isinstance(read, InvalidZoneText) else read.records


def parse_zone_text(text: str, domain: str) -> ZoneText | InvalidZoneText:
    """Read lines of a zone file as DNS hosts export them. Pure, and never raises."""
    try:
        return read_zone_text(text, domain)
    except ZoneTextError as error:
        return InvalidZoneText(str(error))


@dataclass(frozen=True)
class ProposedLookup:
    """A `Lookup` that answers from the proposal, and otherwise from an earlier run."""

    proposal: ProposedRecords
    recorded: Lookup
    # The sets that a check has read. Without any, the proposal does not concern that check.
    used: set[tuple[str, str]] = field(default_factory=set)
    # The published records that exclude proposed ones, or that proposed ones exclude.
    conflicts: dict[str, Finding] = field(default_factory=dict)

    async def resolve(self, name: str, rtype: str) -> Answer:
        try:
            recorded = await self.recorded.resolve(name, rtype)
        except NotRecorded:
            recorded = LookupFailure("not-queried")
        return self._after_publication(name, rtype, recorded)

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Answer as every server will after the publication."""
        try:
            recorded = await self.recorded.query(server, name, rtype)
        except NotRecorded:
            recorded = LookupFailure("not-queried")
        return self._after_publication(name, rtype, recorded)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.query(server, name, rtype) for server in servers]

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        try:
            return await self.recorded.delegation(name)
        except NotRecorded:
            return LookupFailure("not-queried")

    def judged(self, outcome: Outcome) -> Outcome:
        """Add the conflicts with published records. The verdict is then WARN instead of PASS."""
        if not self.conflicts:
            return outcome
        verdict = Verdict.WARN if outcome.verdict is Verdict.PASS else outcome.verdict
        found = [self.conflicts[name] for name in sorted(self.conflicts)]
        return replace(outcome, verdict=verdict).with_findings(found)

    def _after_publication(self, name: str, rtype: str, recorded: Answer) -> Answer:
        owner = name.lower().removesuffix(".")
        proposed = self._proposed(owner, rtype)
        if proposed is None:
            return recorded
        self._note_conflict(owner, rtype, recorded)
        return proposed

    def _note_conflict(self, owner: str, rtype: str, recorded: Answer) -> None:
        """Note a published alias at the name of other records, or the reverse.

        A CNAME excludes all other records of its name (RFC 1034 section 3.6.2), and a proposal
        replaces only the sets that it contains.
        """
        chain = () if isinstance(recorded, LookupFailure) else recorded.chain
        params: dict[str, Any]
        alias = chain[0] if chain and chain[0].owner == owner else None
        if (owner, "CNAME") in self.proposal:
            has_set = isinstance(recorded, Records) and alias is None and rtype != "CNAME"
            if has_set and (owner, rtype) not in self.proposal:
                params = {"name": owner, "type": rtype}
                self.conflicts[owner] = Finding("preflight.published-records", params)
        elif alias is not None:
            params = {"name": owner, "target": alias.value}
            self.conflicts[owner] = Finding("preflight.published-alias", params)
        elif rtype == "TXT" and isinstance(recorded, Records):
            omitted = _omitted(recorded.values, self.proposal[owner, rtype])
            if omitted:
                params = {"name": owner, "values": omitted}
                self.conflicts[owner] = Finding("preflight.removes-records", params)

    def _proposed(self, owner: str, rtype: str) -> Answer | None:
        if (owner, "CNAME") in self.proposal and (rtype != "CNAME" or self._is_conflict(owner)):
            self.used.add((owner, "CNAME"))
            # A CNAME excludes all other records (RFC 1034 section 3.6.2). Its target is unknown. A
            # zone with both is refused, or loses one of them.
            return LookupFailure("not-queried")
        records = self.proposal.get((owner, rtype))
        if not records:
            return None
        self.used.add((owner, rtype))
        return Records(records)

    def _is_conflict(self, owner: str) -> bool:
        """Whether the alias is not the only record of its name."""
        has_others = any((owner, rtype) in self.proposal for rtype in ("MX", "TXT"))
        return has_others or len(self.proposal.get((owner, "CNAME"), ())) > 1


def _omitted(published: Sequence[str], proposed: Sequence[Record]) -> list[str]:
    """Return the published texts whose purpose no proposed text has, such as another token."""
    purposes = {_purpose_of(record.value) for record in proposed}
    return [text[:_MAX_SHOWN] for text in sorted(published) if _purpose_of(text) not in purposes][
        :_MAX_OMITTED
    ]


def _purpose_of(text: str) -> str:
    """Return the version of a record such as `v=spf1`, the name of a token, or the whole text."""
    start = re.split(r"[ ;]", text.lower(), maxsplit=1)[0]
    return start if start.startswith("v=") else start.partition("=")[0]
