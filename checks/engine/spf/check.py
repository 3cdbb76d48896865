"""SPF: mail from every network of the region passes for the domain.

Specified in docs/reference/checks/spf.md. Each authoritative server's record is judged alone. The
resolvers answer for its includes, as they do for a receiver. `check_host` has its name from RFC
7208.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from checks.engine.addresses import Address, IPNetwork
from checks.engine.almost_records import recognise
from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative,
    undelegated_outcome,
)
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    Lookup,
    LookupFailure,
    NoName,
    Record,
    Records,
    Server,
    sorted_values,
)
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import SEVERITY, CheckKind, Finding, Outcome, Verdict
from checks.engine.spf.authorised import wide_authorisations
from checks.engine.spf.check_host import (
    CheckHostResult,
    IncludeResults,
    SpfResult,
    check_host,
    is_fqdn,
)
from checks.engine.spf.check_host_cache import (
    ListedHosts,
    check_host_cached,
    resolve_listed_hosts,
)
from checks.engine.spf.expansion import ExpansionNode, Expansions, expand
from checks.engine.spf.judgement import Coverage, SpfFacts, judge
from checks.engine.spf.networks import Segment, collapse_networks, range_of, split_range
from checks.engine.spf.proposal import merged_record, proposed_record
from checks.engine.spf.terms import BadSyntax, SpfPolicy, parse, select

__all__ = ["CheckHostResult", "SpfResult", "check_host", "inspect", "judge", "proposed_record"]

# No sender has these reserved addresses: a record that passes them passes every sender.
_UNUSED_ADDRESSES = tuple(map(ip_address, ("0.1.2.3", "127.6.5.4", "240.3.2.1")))
# About half a second of work. Without the limit, a hostile record could block the event loop.
_MAX_COMPARISONS = 300_000
# A macro, or `ptr`, sends queries of its own for each address that is tried: up to three addresses
# in each segment of the region's networks.
_MAX_DYNAMIC_SEGMENTS = 40


@dataclass(frozen=True)
class PinnedLookup:
    """A lookup that returns one server's answer for the TXT records of one name."""

    lookup: Lookup
    domain: str
    answer: Answer

    async def resolve(self, name: str, rtype: str) -> Answer:
        if rtype == "TXT" and name.lower().removesuffix(".") == self.domain:
            return self.answer
        return await self.lookup.resolve(name, rtype)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        return await self.lookup.query(server, name, rtype)

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return await self.lookup.query_all(servers, name, rtype)

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        return await self.lookup.delegation(name)


@dataclass(frozen=True)
class SpfBatchCache:
    """The shared state of the SPF checks of one batch: expanded and evaluated includes, regions."""

    expansions: Expansions = field(default_factory=dict)
    include_results: IncludeResults = field(default_factory=dict)
    regions: dict[str, tuple[ExpansionNode, Sequence[IPNetwork]]] = field(default_factory=dict)

    async def region(
        self, include: str, lookup: Lookup
    ) -> tuple[ExpansionNode, Sequence[IPNetwork]]:
        """Return the expanded include of the region, and its networks."""
        if include not in self.regions:
            region_tree = await expand(include, lookup, self.expansions)
            # Another check may have stored it during the await. All must share one list object,
            # because the evidence of a branch is cached by the identity of that list.
            self.regions.setdefault(
                include, (region_tree, collapse_networks(region_tree.listed_networks))
            )
        return self.regions[include]


async def inspect(
    domain: str, region: RegionFacts, lookup: Lookup, cache: SpfBatchCache | None = None
) -> Outcome:
    """Expand the region's include, query every server for the record, judge each distinct one."""
    cache = SpfBatchCache() if cache is None else cache
    if not region.spf_include:
        params = {"region": region.name or region.id, "field": "spf_include"}
        return _unknown(domain, Finding("region.gap", params))
    region_tree, networks = await cache.region(region.spf_include, lookup)
    if region_tree.problems or not networks:
        return _unknown(domain, _region_unresolved(region, region_tree))
    authoritative = await query_authoritative(lookup, domain, "TXT")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.SPF, domain, authoritative)
    judged = await _judge_each(domain, region, networks, authoritative, lookup, cache)
    server_verdicts = [
        None if isinstance(answer, LookupFailure) else judged[_key(answer)][0]
        for _, answer in authoritative.answers
    ]
    # The evidence explains one record; the worst is the one that the client must correct.
    worst_judged = min(
        judged.values(), key=lambda pair: SEVERITY.index(pair[0].verdict), default=None
    )
    evidence = (
        await _evidence(region, networks, worst_judged[1], lookup, cache) if worst_judged else {}
    )
    return combine(CheckKind.SPF, domain, authoritative, server_verdicts, evidence)


def _unknown(domain: str, finding: Finding) -> Outcome:
    return Outcome(CheckKind.SPF, domain, Verdict.UNKNOWN, (finding,), unanimous=False)


def _region_unresolved(region: RegionFacts, region_tree: ExpansionNode) -> Finding:
    reason = "; ".join(f"{problem}: {detail}" for problem, detail in region_tree.problems)
    params = {"include": region.spf_include, "reason": reason or "no networks"}
    return Finding("spf.region-unresolved", params)


_Key = tuple[str, ...] | type[Answer]


def _key(answer: Answer) -> _Key:
    """Return the key of an answer: its SPF records, all values, or the type of an empty answer.

    Other TXT records next to an SPF record do not matter.
    """
    if isinstance(answer, Records):
        return tuple(sorted_values(select(answer.values) or answer.values))
    return type(answer)


async def _judge_each(
    domain: str,
    region: RegionFacts,
    networks: Sequence[IPNetwork],
    authoritative: AuthoritativeAnswers,
    lookup: Lookup,
    cache: SpfBatchCache,
) -> dict[_Key, tuple[ServerVerdict, SpfFacts]]:
    judged: dict[_Key, tuple[ServerVerdict, SpfFacts]] = {}
    for _, answer in authoritative.answers:
        if isinstance(answer, LookupFailure) or _key(answer) in judged:
            continue
        facts = await gather_facts(domain, networks, answer, lookup, cache)
        judged[_key(answer)] = (judge(facts, region), facts)
    return judged


async def gather_facts(
    domain: str,
    networks: Sequence[IPNetwork],
    answer: Answer,
    lookup: Lookup,
    cache: SpfBatchCache,
) -> SpfFacts:
    """Evaluate one TXT answer of the domain for each of the region's networks."""
    # Sorted: a record set has no order, and equal answers must lead to equal evidence.
    records = tuple(sorted_values(select(answer.values))) if isinstance(answer, Records) else ()
    exists = not isinstance(answer, NoName)
    if len(records) != 1:
        values = sorted_values(answer.values) if isinstance(answer, Records) else []
        spoiled = () if records else tuple(recognise("spf", values))
        return SpfFacts(domain, exists, records, ExpansionNode(domain), (), almost=spoiled)
    pinned = PinnedLookup(lookup, domain, answer)
    tree = await expand(domain, pinned, cache.expansions)
    listed = tree.ranges
    segments = [(network, split_range(range_of(network), listed)) for network in networks]
    comparisons = sum(len(found) for _, found in segments) * (len(listed) + 1)
    is_too_long = comparisons > _MAX_COMPARISONS or (
        sum(len(found) for _, found in segments) > _MAX_DYNAMIC_SEGMENTS and _is_dynamic(tree)
    )
    if is_too_long or any(code == "too-long" for code, _ in tree.problems):
        return SpfFacts(domain, exists, records, tree, (), is_too_long=True)
    policy = parse(records[0])
    hosts = (
        await resolve_listed_hosts(policy, domain, pinned) if isinstance(policy, SpfPolicy) else {}
    )
    checks = _RecordEvaluator(domain, policy, pinned, cache.include_results, hosts)
    coverage = [await _coverage_of(checks, network, found) for network, found in segments]
    unused_results = [await checks.evaluate(address) for address in _UNUSED_ADDRESSES]
    passes_everyone = all(result.result is SpfResult.PASS for result in unused_results)
    wide = tuple(wide_authorisations(tree, networks))
    return SpfFacts(domain, exists, records, tree, tuple(coverage), passes_everyone, wide)


def _is_dynamic(tree: ExpansionNode) -> bool:
    """Return whether a term of the tree sends other queries for each address."""
    return any(term.name == "ptr" or "%{" in term.text for term in tree.walk())


@dataclass(frozen=True)
class _RecordEvaluator:
    """Evaluates one record for one address after another."""

    domain: str
    policy: SpfPolicy | BadSyntax
    lookup: Lookup
    include_results: IncludeResults
    hosts: ListedHosts

    async def evaluate(self, address: Address) -> CheckHostResult:
        if isinstance(self.policy, SpfPolicy) and is_fqdn(self.domain):
            known = check_host_cached(
                address, self.domain, self.policy, self.include_results, self.hosts
            )
            if known is not None:
                return known
        sender = f"postmaster@{self.domain}"
        return await check_host(
            address,
            self.domain,
            sender,
            self.domain,
            lookup=self.lookup,
            include_results=self.include_results,
        )


async def _coverage_of(
    checks: _RecordEvaluator, network: IPNetwork, segments: Sequence[Segment]
) -> Coverage:
    found: list[tuple[Segment, CheckHostResult]] = []
    for segment in segments:
        result = await checks.evaluate(segment.first)
        if result.is_dynamic:
            # A dynamic term (`exists`, `ptr`) can decide differently for each address of the
            # segment. Three addresses are tried, and the first that does not pass decides.
            others = [await checks.evaluate(address) for address in (segment.middle, segment.last)]
            result = next((r for r in (result, *others) if r.result is not SpfResult.PASS), result)
        found.append((segment, result))
    return Coverage(network, tuple(found))


async def _evidence(
    region: RegionFacts,
    networks: Sequence[IPNetwork],
    facts: SpfFacts,
    lookup: Lookup,
    cache: SpfBatchCache,
) -> dict[str, Any]:
    current = facts.records[0] if len(facts.records) == 1 else ""
    # The client's own terms remain in the proposal, also those of a text that receivers discard.
    meant = [each.meant for each in facts.almost] or list(facts.records)
    include, global_includes = region.spf_include, region.global_includes
    proposal = proposed_record(merged_record(meant), include, global_includes=global_includes)
    return {
        "include": include,
        "record": current,
        "records": list(facts.records),
        "almost": [{"record": each.text, "meant": each.meant} for each in facts.almost],
        "lookups": facts.tree.lookups,
        "lookup_limit": 10,
        "void_lookups": facts.tree.void_lookups,
        "networks": [coverage.as_evidence() for coverage in facts.coverage],
        "networks_passing": sum(coverage.passes for coverage in facts.coverage),
        "networks_wanted": len(networks),
        "tree": facts.tree.as_evidence(networks),
        "proposed_record": proposal,
        "proposed_lookups": await _lookups_of(proposal, facts, lookup, cache.expansions),
    }


async def _lookups_of(record: str, facts: SpfFacts, lookup: Lookup, expansions: Expansions) -> int:
    """Return the lookups that the record would need, of at most 10 (RFC 7208 section 4.6.4)."""
    if facts.records == (record,):
        return facts.tree.lookups
    answer = Records((Record(facts.domain, "TXT", 0, record),))
    pinned = PinnedLookup(lookup, facts.domain, answer)
    return (await expand(facts.domain, pinned, expansions)).lookups
