"""SPF: would mail from every network of the region pass for this domain?

Specified in docs/checks/spf.md. Each authoritative server's record is judged on its own; what it
includes is resolved as the world would. `check_host` is RFC 7208's, under the name it has there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from checks.engine.addresses import Address, IPNetwork
from checks.engine.expectations import RegionFacts
from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    Lookup,
    NoName,
    Record,
    Records,
    Server,
    sorted_values,
)
from checks.engine.outcomes import SEVERITY, Finding, Kind, Outcome, Verdict
from checks.engine.servers import Opinion, Survey, combine, survey, undelegated
from checks.engine.spf_check_host import (
    CheckHostResult,
    Memory,
    Result,
    check_host,
    is_fqdn,
)
from checks.engine.spf_expansion import Branches, Node, expand
from checks.engine.spf_judgement import Coverage, Facts, judge
from checks.engine.spf_memory import Hosts, hosts_of, recalled
from checks.engine.spf_networks import Piece, distinct, pieces, range_of
from checks.engine.spf_proposal import merged_record, proposed_record
from checks.engine.spf_terms import BadSyntax, Policy, parse, select

__all__ = ["CheckHostResult", "Result", "check_host", "inspect", "judge", "proposed_record"]

# Addresses no sender has: a record that passes them passes everybody.
_NOBODY = tuple(map(ip_address, ("0.1.2.3", "127.6.5.4", "240.3.2.1")))
# About half a second's work. A record that needs more was not written to be read.
_MOST_COMPARISONS = 300_000


@dataclass(frozen=True)
class PinnedLookup:
    """A lookup with one name's TXT records as one server gave them."""

    lookup: Lookup
    domain: str
    answer: Answer

    async def resolve(self, name: str, rtype: str) -> Answer:
        if rtype == "TXT" and name.lower().removesuffix(".") == self.domain:
            return self.answer
        return await self.lookup.resolve(name, rtype)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def ask(self, server: Server, name: str, rtype: str) -> Answer:
        return await self.lookup.ask(server, name, rtype)

    async def ask_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return await self.lookup.ask_all(servers, name, rtype)

    async def delegation(self, name: str) -> Delegation | NoName | CouldNotTell:
        return await self.lookup.delegation(name)


@dataclass(frozen=True)
class Together:
    """What the SPF looks of one batch share: includes expanded and evaluated, regions listed."""

    branches: Branches = field(default_factory=dict)
    memory: Memory = field(default_factory=dict)
    regions: dict[str, tuple[Node, Sequence[IPNetwork]]] = field(default_factory=dict)

    async def region(self, include: str, lookup: Lookup) -> tuple[Node, Sequence[IPNetwork]]:
        """The region's include expanded, and the networks it lists."""
        if include not in self.regions:
            wanted = await expand(include, lookup, self.branches)
            # Another look may have found it meanwhile; all of them speak of one list.
            self.regions.setdefault(include, (wanted, distinct(wanted.listed_networks)))
        return self.regions[include]


async def inspect(
    domain: str, region: RegionFacts, lookup: Lookup, together: Together | None = None
) -> Outcome:
    """Expand the region's include, ask every server for the record, judge each distinct one."""
    together = Together() if together is None else together
    if not region.spf_include:
        params = {"region": region.name or region.id, "field": "spf_include"}
        return _unknown(domain, Finding("region.gap", params))
    wanted, networks = await together.region(region.spf_include, lookup)
    if wanted.problems or not networks:
        return _unknown(domain, _region_unresolved(region, wanted))
    asked = await survey(lookup, domain, "TXT")
    if not isinstance(asked, Survey):
        return undelegated(Kind.SPF, domain, asked)
    judged = await _judge_each(domain, region, networks, asked, lookup, together)
    opinions = [
        None if isinstance(answer, CouldNotTell) else judged[_key(answer)][0]
        for _, answer in asked.answers
    ]
    telling = min(judged.values(), key=lambda pair: SEVERITY.index(pair[0].verdict), default=None)
    evidence = await _evidence(region, networks, telling[1], lookup, together) if telling else {}
    return combine(Kind.SPF, domain, asked, opinions, evidence)


def _unknown(domain: str, finding: Finding) -> Outcome:
    return Outcome(Kind.SPF, domain, Verdict.UNKNOWN, (finding,), unanimous=False)


def _region_unresolved(region: RegionFacts, wanted: Node) -> Finding:
    reason = "; ".join(f"{problem}: {detail}" for problem, detail in wanted.problems)
    params = {"include": region.spf_include, "reason": reason or "no networks"}
    return Finding("spf.region-unresolved", params)


_Key = tuple[str, ...]


def _key(answer: Answer) -> _Key:
    """Servers with the same SPF records agree, whatever other TXT records they hold."""
    if isinstance(answer, Records):
        return tuple(sorted_values(select(answer.values)))
    return ("", type(answer).__name__)


async def _judge_each(
    domain: str,
    region: RegionFacts,
    networks: Sequence[IPNetwork],
    asked: Survey,
    lookup: Lookup,
    together: Together,
) -> dict[_Key, tuple[Opinion, Facts]]:
    judged: dict[_Key, tuple[Opinion, Facts]] = {}
    for _, answer in asked.answers:
        if isinstance(answer, CouldNotTell) or _key(answer) in judged:
            continue
        facts = await gather_facts(domain, networks, answer, lookup, together)
        judged[_key(answer)] = (judge(facts, region), facts)
    return judged


async def gather_facts(
    domain: str,
    networks: Sequence[IPNetwork],
    answer: Answer,
    lookup: Lookup,
    together: Together,
) -> Facts:
    """What one answer for the domain's TXT means for each of the region's networks."""
    # Sorted: a record set has no order, and the same answer must look the same every time.
    records = tuple(sorted_values(select(answer.values))) if isinstance(answer, Records) else ()
    exists = not isinstance(answer, NoName)
    if len(records) != 1:
        return Facts(domain, exists, records, Node(domain), ())
    pinned = PinnedLookup(lookup, domain, answer)
    tree = await expand(domain, pinned, together.branches)
    listed = tree.ranges
    cut = [(network, pieces(range_of(network), listed)) for network in networks]
    comparisons = sum(len(found) for _, found in cut) * (len(listed) + 1)
    if comparisons > _MOST_COMPARISONS or any(word == "too-long" for word, _ in tree.problems):
        return Facts(domain, exists, records, tree, (), is_too_long=True)
    policy = parse(records[0])
    hosts = await hosts_of(policy, domain, pinned) if isinstance(policy, Policy) else {}
    checks = _Checks(domain, policy, pinned, together.memory, hosts)
    coverage = [await _cover(checks, network, found) for network, found in cut]
    nobody = [await checks.of(address) for address in _NOBODY]
    passes_everyone = all(result.result is Result.PASS for result in nobody)
    return Facts(domain, exists, records, tree, tuple(coverage), passes_everyone)


@dataclass(frozen=True)
class _Checks:
    """One record, tried with one address after another."""

    domain: str
    policy: Policy | BadSyntax
    lookup: Lookup
    memory: Memory
    hosts: Hosts

    async def of(self, address: Address) -> CheckHostResult:
        if isinstance(self.policy, Policy) and is_fqdn(self.domain):
            known = recalled(address, self.domain, self.policy, self.memory, self.hosts)
            if known is not None:
                return known
        sender = f"postmaster@{self.domain}"
        return await check_host(
            address, self.domain, sender, self.domain, lookup=self.lookup, memory=self.memory
        )


async def _cover(checks: _Checks, network: IPNetwork, cut: Sequence[Piece]) -> Coverage:
    found: list[tuple[Piece, CheckHostResult]] = []
    for piece in cut:
        result = await checks.of(piece.first)
        if result.varied:
            # Here a list of addresses does not decide alone, so one address cannot speak for all.
            others = [await checks.of(address) for address in (piece.middle, piece.last)]
            result = next((r for r in (result, *others) if r.result is not Result.PASS), result)
        found.append((piece, result))
    return Coverage(network, tuple(found))


async def _evidence(
    region: RegionFacts,
    networks: Sequence[IPNetwork],
    facts: Facts,
    lookup: Lookup,
    together: Together,
) -> dict[str, Any]:
    current = facts.records[0] if len(facts.records) == 1 else ""
    include, everywhere = region.spf_include, region.global_includes
    proposal = proposed_record(merged_record(facts.records), include, global_includes=everywhere)
    return {
        "include": include,
        "record": current,
        "records": list(facts.records),
        "lookups": facts.tree.lookups,
        "lookup_limit": 10,
        "void_lookups": facts.tree.void_lookups,
        "networks": [coverage.as_evidence() for coverage in facts.coverage],
        "networks_passing": sum(coverage.passes for coverage in facts.coverage),
        "networks_wanted": len(networks),
        "tree": facts.tree.as_evidence(networks),
        "proposed_record": proposal,
        "proposed_lookups": await _lookups_of(proposal, facts, lookup, together.branches),
    }


async def _lookups_of(record: str, facts: Facts, lookup: Lookup, branches: Branches) -> int:
    """What the record would cost of the ten look-ups, if published (RFC 7208 section 4.6.4)."""
    if facts.records == (record,):
        return facts.tree.lookups
    answer = Records((Record(facts.domain, "TXT", 0, record),))
    pinned = PinnedLookup(lookup, facts.domain, answer)
    return (await expand(facts.domain, pinned, branches)).lookups
