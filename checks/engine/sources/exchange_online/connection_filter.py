"""The allow list of the connection filter covers the region's delivery ranges."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.enhanced_filtering import is_replaced
from checks.engine.sources.exchange_online.ranges import ExpectedRanges, other_regions
from checks.engine.sources.exchange_online.tables import FILTER, INBOUND
from checks.engine.sources.exports.address_sets import AddressSet, missing
from checks.engine.sources.exports.commands import listed
from checks.engine.sources.facts import Row
from checks.engine.sources.rules import Judgement, RuleInput

NEEDS = {
    FILTER: ("IsDefault", "IPAllowList", "IPBlockList"),
    INBOUND: ("Enabled", "EFSkipLastIP", "EFSkipIPs", "EFUsers"),
}


def judge(question: RuleInput) -> Judgement:
    policy = _default_policy(question.facts.rows(FILTER))
    if policy is None:
        return Judgement(Verdict.UNKNOWN, [Finding("connection-filter.no-policy", {})])
    evidence = {"allow_list": policy["IPAllowList"], "block_list": policy["IPBlockList"]}
    ranges = ExpectedRanges.of(question.expected)
    if not ranges:
        return Judgement(
            Verdict.UNKNOWN,
            [Finding("connection-filter.no-ranges", {"region": question.region.name})],
            evidence,
        )
    verdict, findings = _compare(policy, ranges, question)
    return Judgement(verdict, findings, evidence)


def _default_policy(rows: Sequence[Row]) -> Row | None:
    defaults = [row for row in rows if row["IsDefault"]]
    return defaults[0] if len(defaults) == 1 else None


def _compare(
    policy: Row, ranges: ExpectedRanges, question: RuleInput
) -> tuple[Verdict, list[Finding]]:
    allowed, blocked = AddressSet(policy["IPAllowList"]), AddressSet(policy["IPBlockList"])
    in_block_list = [network for network in ranges.all if blocked.overlaps(network)]
    if in_block_list:
        return Verdict.FAIL, [_blocked(policy, in_block_list)]
    missing_firm, missing_weak = missing(allowed, ranges.firm), missing(allowed, ranges.weak)
    if not missing_firm and not missing_weak:
        return _covered(ranges)
    if is_replaced(question):
        return Verdict.NOT_APPLICABLE, [Finding("connection-filter.replaced", {})]
    if not any(allowed.overlaps(network) for network in ranges.all):
        return Verdict.FAIL, _none(allowed, [*missing_firm, *missing_weak], question)
    if missing_firm:
        return Verdict.FAIL, [Finding("connection-filter.ranges-missing", _params(missing_firm))]
    if not ranges.firm:
        return Verdict.UNKNOWN, [
            Finding("connection-filter.weak-ranges-missing", _params(missing_weak))
        ]
    return Verdict.WARN, [Finding("connection-filter.weak-ranges-missing", _params(missing_weak))]


def _covered(ranges: ExpectedRanges) -> tuple[Verdict, list[Finding]]:
    if ranges.is_complete:
        return Verdict.PASS, []
    return Verdict.WARN, [Finding("connection-filter.list-not-entered", {})]


def _none(allowed: AddressSet, ranges: list[str], question: RuleInput) -> list[Finding]:
    regions = other_regions(allowed, question.region)
    found = [Finding("connection-filter.none", _params(ranges))]
    if regions:
        found.append(Finding("connection-filter.other-region", {"regions": regions}))
    return found


def _params(ranges: list[str]) -> dict[str, object]:
    return {
        "ranges": ranges,
        "command": "Set-HostedConnectionFilterPolicy -Identity Default -IPAllowList"
        f" @{{ Add={listed(ranges)} }}",
    }


def _blocked(policy: Row, ranges: list[str]) -> Finding:
    wanted = AddressSet(ranges)
    entries = [entry for entry in policy["IPBlockList"] if wanted.overlaps(entry)]
    return Finding(
        "connection-filter.blocked",
        {
            "ranges": entries,
            "command": "Set-HostedConnectionFilterPolicy -Identity Default -IPBlockList"
            f" @{{ Remove={listed(entries)} }}",
        },
    )
