"""Judge the facts of an SPF record. Pure: the record is already expanded and evaluated."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.addresses import IPNetwork
from checks.engine.almost_records import AlmostRecord, stray_character
from checks.engine.dns.consensus import ServerVerdict
from checks.engine.dns.public_suffix import is_public_suffix
from checks.engine.expected_values import MIMECAST_DOMAINS, RegionFacts
from checks.engine.outcomes import Finding, Verdict
from checks.engine.spf.authorised import WideAuthorisation
from checks.engine.spf.check_host import MAX_VOID_LOOKUPS, CheckHostResult, SpfResult
from checks.engine.spf.expansion import ExpansionNode
from checks.engine.spf.networks import Segment
from checks.engine.spf.terms import MAX_LOOKUPS, SpfPolicy, mistyped_mechanism, parse

NEAR_LIMIT = 9
# Mimecast's hosted SPF (SPF Delegation) is published below this domain.
_HOSTED = ".mim.ec"


@dataclass(frozen=True)
class Coverage:
    """The SPF results for one network of the region, by segment."""

    network: IPNetwork
    results: tuple[tuple[Segment, CheckHostResult], ...]

    @functools.cached_property
    def passes(self) -> bool:
        return all(result.result is SpfResult.PASS for _, result in self.results)

    def as_evidence(self) -> dict[str, Any]:
        row: dict[str, Any] = {"network": str(self.network), "passes": self.passes}
        row["results"] = [
            {"first": segment.ends[0], "last": segment.ends[1], "result": found.result.value}
            for segment, found in self.results
        ]
        return row


@dataclass(frozen=True)
class SpfFacts:
    """One server's answer, expanded and evaluated."""

    domain: str
    exists: bool
    records: tuple[str, ...]
    tree: ExpansionNode
    coverage: tuple[Coverage, ...]
    passes_everyone: bool = False
    wide: tuple[WideAuthorisation, ...] = ()
    # The values that were meant as an SPF record, where there is none.
    almost: tuple[AlmostRecord, ...] = ()
    # The record divides the region's networks into more segments than one run may try.
    is_too_long: bool = False

    @functools.cached_property
    def results(self) -> list[CheckHostResult]:
        return [result for coverage in self.coverage for _, result in coverage.results]


def judge(facts: SpfFacts, region: RegionFacts) -> ServerVerdict:
    """Return PASS or WARN if all networks pass, otherwise FAIL; UNKNOWN after a DNS failure."""
    policy = _readable_policy(facts)
    if isinstance(policy, ServerVerdict):
        return policy
    hints = [*_hints(facts, policy, region)]
    mistyped = [*_mistyped(policy)]
    if facts.is_too_long:
        finding = Finding("spf.too-long", {"count": len(facts.tree.all_networks)})
        return ServerVerdict(Verdict.UNKNOWN, (finding, *hints))
    # Before the faults: a network that failed only for lack of an answer is no fault.
    undecided = [r for r in facts.results if r.result is SpfResult.TEMPERROR]
    if undecided:
        finding = Finding("spf.temperror", {"detail": undecided[0].detail})
        return ServerVerdict(Verdict.UNKNOWN, (finding, *hints))
    faults = [*_faults(facts, region)]
    if faults:
        return ServerVerdict(Verdict.FAIL, (*faults, *mistyped, *hints))
    # A FAIL without a finding would leave the client without an action.
    assert all(coverage.passes for coverage in facts.coverage), "a FAIL without a finding"
    cautions = [*_cautions(facts, region), *mistyped]
    verdict = Verdict.WARN if cautions else Verdict.PASS
    return ServerVerdict(verdict, (*cautions, *hints))


def _readable_policy(facts: SpfFacts) -> SpfPolicy | ServerVerdict:
    """Return the policy of the only record, or FAIL where receivers find none."""
    if not facts.exists:
        return _fail(Finding("dns.no-such-domain", {"domain": facts.domain}))
    if facts.almost:
        params = {"record": facts.almost[0].shown, "problem": facts.almost[0].problem}
        return _fail(Finding("spf.almost", params))
    if not facts.records:
        return _fail(Finding("spf.none", {"domain": facts.domain}))
    if len(facts.records) > 1:
        return _fail(Finding("spf.several-records", {"count": len(facts.records)}))
    policy = parse(facts.records[0])
    if isinstance(policy, SpfPolicy):
        return policy
    stray = stray_character(policy.term, also=";")
    hints = [Finding("spf.stray-character", {"problem": stray})] if stray else []
    return _fail(Finding("spf.syntax", {"term": policy.term}), *hints)


def _fail(*findings: Finding) -> ServerVerdict:
    return ServerVerdict(Verdict.FAIL, findings)


def _faults(facts: SpfFacts, region: RegionFacts) -> Iterator[Finding]:
    """Yield the reasons for FAIL: errors first, because they concern every network."""
    lookups = facts.tree.lookups
    if lookups > MAX_LOOKUPS:
        branch = max(facts.tree.children, key=lambda node: node.lookups)
        params = {
            "lookups": lookups,
            "limit": MAX_LOOKUPS,
            "branch": branch.text,
            "branch_lookups": branch.lookups,
        }
        yield Finding("spf.too-many-lookups", params)
    errors = {(r.problem, r.detail) for r in facts.results if r.result is SpfResult.PERMERROR}
    for problem, detail in sorted(errors):
        # A loop reaches the limit of check_host, although the tree, which cuts the loop, does not.
        if problem != "too-many-lookups" or lookups <= MAX_LOOKUPS:
            yield _permerror(problem, detail, facts)
            stray = stray_character(detail, also=";") if problem == "no-record" else ""
            if stray:
                yield Finding("spf.stray-character", {"problem": stray})
    if not errors:
        yield from _uncovered(facts, region)


def _permerror(problem: str, detail: str, facts: SpfFacts) -> Finding:
    match problem:
        case "too-many-void-lookups":
            params = {"void_lookups": facts.tree.void_lookups, "limit": MAX_VOID_LOOKUPS}
            return Finding("spf.too-many-void-lookups", params)
        case "no-record":
            return Finding("spf.include-without-record", {"name": detail})
    return Finding("spf.permerror", {"problem": problem, "detail": detail})


def _uncovered(facts: SpfFacts, region: RegionFacts) -> Iterator[Finding]:
    failing = [str(c.network) for c in facts.coverage if not c.passes]
    total = len(facts.coverage)
    if failing:
        if len(failing) == total:
            yield Finding("spf.no-network-passes", {"include": region.spf_include, "total": total})
        else:
            params = {"failing": failing, "passing": total - len(failing), "total": total}
            yield Finding("spf.some-networks-fail", params)
        branch = _global_branch(facts, region)
        if branch is not None:
            params = {"include": region.spf_include, "global_include": branch.target}
            yield Finding("spf.global-include-lacks-region", params)
    elif any(_passes_by_all(result) for result in facts.results):
        yield Finding("spf.passes-only-by-all", {"include": region.spf_include})


def _passes_by_all(result: CheckHostResult) -> bool:
    return result.matched is not None and result.matched.name == "all"


def _global_branch(facts: SpfFacts, region: RegionFacts) -> ExpansionNode | None:
    nodes = facts.tree.walk()
    return next((node for node in nodes if node.target in region.global_includes), None)


def _cautions(facts: SpfFacts, region: RegionFacts) -> Iterator[Finding]:
    """Yield the cautions that turn PASS into WARN."""
    included = facts.tree.included
    branch = _global_branch(facts, region)
    if branch is not None:
        params = {
            "global_include": branch.target,
            "lookups": branch.lookups,
            "include": region.spf_include,
        }
        yield Finding("spf.global-include", params)
    elif region.spf_include.lower() not in included and not _hosted_at(facts):
        yield Finding("spf.flattened", {"include": region.spf_include})
    yield from _too_wide(facts)
    if facts.tree.lookups >= NEAR_LIMIT:
        params = {"lookups": facts.tree.lookups, "limit": MAX_LOOKUPS}
        yield Finding("spf.lookups-near-limit", params)
    if any(result.is_dynamic for result in facts.results):
        yield Finding("spf.sampled", {})
    yield from _broken_branches(facts.tree)


def _too_wide(facts: SpfFacts) -> Iterator[Finding]:
    """Yield the terms that authorise far more than the client's senders."""
    # A common mistake, `+all`, authorises every spammer. The region's networks pass all the same.
    if facts.passes_everyone:
        yield Finding("spf.passes-everyone", {"record": facts.records[0]})
        return
    yield from map(_wide_finding, facts.wide)
    for node in _passing_terms(facts.tree):
        # Every host whose reverse name is below the suffix passes (RFC 7208 section 5.5).
        if node.name == "ptr" and is_public_suffix(_ptr_target(node)):
            yield Finding("spf.ptr-of-suffix", {"term": node.text, "suffix": _ptr_target(node)})


def _passing_terms(node: ExpansionNode) -> Iterator[ExpansionNode]:
    """Yield the terms whose match lets an address pass.

    The qualifier of an include replaces the result of its record (RFC 7208 sections 4.6.2 and 5.2),
    so that a match below `-include:` authorises no sender.
    """
    for child in node.children:
        if child.qualifier == "+":
            yield child
            yield from _passing_terms(child)


def _ptr_target(node: ExpansionNode) -> str:
    return node.text.partition(":")[2].lower().removesuffix(".")


def _broken_branches(tree: ExpansionNode) -> Iterator[Finding]:
    """Yield a finding for each later term that voids the record.

    Mail from the region passes before this term. The client's other mail does not.
    """
    found = [each for each in tree.problems if each[0] != "lookup-failed"]
    void = [node.text for node in tree.walk() if node.void]
    if len(void) > MAX_VOID_LOOKUPS:
        # Receivers stop at the first term over the limit.
        found.append(("too-many-void-lookups", void[MAX_VOID_LOOKUPS]))
    for problem, detail in found:
        yield Finding("spf.broken-branch", {"problem": problem, "detail": detail})


def _wide_finding(wide: WideAuthorisation) -> Finding:
    params = {
        "count": wide.count,
        "limit": wide.family.limit,
        "term": wide.term,
        "term_count": wide.term_count,
    }
    if wide.family.version == 4:
        return Finding("spf.many-ipv4", params)
    return Finding("spf.many-ipv6", params)


def _hosted_at(facts: SpfFacts) -> str:
    return next((name for name in facts.tree.included if name.endswith(_HOSTED)), "")


def _hints(facts: SpfFacts, policy: SpfPolicy, region: RegionFacts) -> Iterator[Finding]:
    """Yield the findings that explain the record, for any verdict."""
    region_include = region.spf_include.lower()
    yield from _term_hints(policy, region_include, region.global_includes)
    if _hosted_at(facts):
        yield Finding("spf.hosted", {"target": _hosted_at(facts)})
    for problem, detail in facts.tree.problems:
        if problem == "lookup-failed":
            yield Finding("spf.branch-unresolved", {"detail": detail})
    yield from _mistaken_includes(facts.tree, region_include, region)


def _mistyped(policy: SpfPolicy) -> Iterator[Finding]:
    """Yield a finding for each term with the sign of a modifier: its senders do not pass."""
    for term_text in policy.text.split(" ")[1:]:
        meant = mistyped_mechanism(term_text)
        if meant:
            yield Finding("spf.equals-sign", {"term": term_text, "meant": meant})


def _term_hints(
    policy: SpfPolicy, region_include: str, global_includes: Sequence[str]
) -> Iterator[Finding]:
    for term in policy.unreached:
        if term.target.lower() in (region_include, *global_includes):
            yield Finding("spf.include-after-all", {"term": term.text})
    for term in policy.mechanisms:
        if (
            term.name == "include"
            and term.target.lower() == region_include
            and term.qualifier != "+"
        ):
            yield Finding("spf.include-qualifier", {"term": term.text})
        if term.name == "ptr":
            yield Finding("spf.ptr", {"term": term.text})


def _mistaken_includes(
    tree: ExpansionNode, region_include: str, region: RegionFacts
) -> Iterator[Finding]:
    """Yield findings for wrong includes: another region's, or a lookalike."""
    if region_include in tree.included:
        return
    for name in _includes_outside(tree.children, region.global_includes):
        if "mimecast" not in name or name in region.global_includes:
            continue
        is_mimecast = any(name.endswith("." + parent) for parent in MIMECAST_DOMAINS)
        params = {"found": name, "expected": region.spf_include}
        if is_mimecast:
            yield Finding("spf.wrong-region-include", params)
        else:
            yield Finding("spf.look-alike-include", params)


def _includes_outside(nodes: Sequence[ExpansionNode], branches: Sequence[str]) -> Iterator[str]:
    """Yield the included domains that are not below one of `branches`."""
    for node in nodes:
        if node.name in ("include", "redirect"):
            yield node.target
        if node.target not in branches:
            yield from _includes_outside(node.children, branches)
