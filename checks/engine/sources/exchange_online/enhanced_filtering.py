"""Enhanced Filtering for Connectors skips Mimecast's addresses, for all recipients."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.ranges import ExpectedRanges
from checks.engine.sources.exchange_online.tables import FILTER, INBOUND
from checks.engine.sources.exports.address_sets import AddressSet, missing
from checks.engine.sources.exports.commands import listed, quoted
from checks.engine.sources.facts import Row
from checks.engine.sources.rules import Judgement, RuleInput

NEEDS = {
    INBOUND: ("Name", "Enabled", "EFSkipLastIP", "EFSkipIPs", "EFUsers"),
    FILTER: ("IPAllowList",),
}


def judge(question: RuleInput) -> Judgement:
    filtering = [row for row in question.facts.rows(INBOUND) if row["Enabled"] and _is_on(row)]
    evidence = {"connectors": [_shown(row) for row in filtering]}
    if not filtering:
        return Judgement(Verdict.NOT_APPLICABLE, [Finding("enhanced-filtering.off", {})], evidence)
    ranges = ExpectedRanges.of(question.expected)
    findings = [
        *(found for row in filtering for found in _of_connector(row, ranges)),
        *_listed_twice(question, ranges),
    ]
    return Judgement(Verdict.WARN if findings else Verdict.PASS, findings, evidence)


def is_replaced(question: RuleInput) -> bool:
    """Whether enhanced filtering is on for all recipients, so that the allow list is not needed."""
    rows = question.facts.rows(INBOUND)
    return any(row["Enabled"] and _is_on(row) and not row["EFUsers"] for row in rows)


def _is_on(row: Row) -> bool:
    return bool(row["EFSkipLastIP"] or row["EFSkipIPs"])


def _shown(row: Row) -> dict[str, object]:
    return {name: row[name] for name in ("Name", "EFSkipLastIP", "EFSkipIPs", "EFUsers")}


def _of_connector(row: Row, ranges: ExpectedRanges) -> list[Finding]:
    name, identity = row["Name"], quoted(row["Name"])
    findings = []
    if row["EFUsers"]:
        command = f"Set-InboundConnector -Identity {identity} -EFUsers $null"
        findings.append(
            Finding(
                "enhanced-filtering.pilot",
                {"name": name, "count": row["EFUsers"], "command": command},
            )
        )
    left = missing(AddressSet(row["EFSkipIPs"]), ranges.firm)
    if row["EFSkipLastIP"]:
        # With no range at all the command would switch enhanced filtering off.
        known = [*row["EFSkipIPs"], *missing(AddressSet(row["EFSkipIPs"]), ranges.all)]
        command = _skip_command(identity, known) if known else ""
        findings.append(Finding("enhanced-filtering.last-only", {"name": name, "command": command}))
    elif left:
        command = _skip_command(identity, [*row["EFSkipIPs"], *left])
        findings.append(
            Finding(
                "enhanced-filtering.ranges-missing",
                {"name": name, "ranges": left, "command": command},
            )
        )
    return findings


def _skip_command(identity: str, ranges: Sequence[str]) -> str:
    return (
        f"Set-InboundConnector -Identity {identity} -EFSkipLastIP $false"
        f" -EFSkipIPs {listed(ranges)}"
    )


def _listed_twice(question: RuleInput, ranges: ExpectedRanges) -> list[Finding]:
    """Enhanced filtering for all recipients makes the allow list pointless."""
    if not is_replaced(question):
        return []
    allowed = AddressSet(
        entry for row in question.facts.rows(FILTER) for entry in row["IPAllowList"]
    )
    both = [network for network in ranges.all if allowed.overlaps(network)]
    if not both:
        return []
    command = (
        "Set-HostedConnectionFilterPolicy -Identity Default -IPAllowList"
        f" @{{ Remove={listed(both)} }}"
    )
    return [Finding("enhanced-filtering.allow-list-too", {"ranges": both, "command": command})]
