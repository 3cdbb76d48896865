"""The connection filter and enhanced filtering of Exchange Online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from tests.checks.engine.outcomes import codes
from tests.checks.engine.sources.exports import EXPECTED, FILTER, LOCKED, RANGES, export_of, judge

KIND = CheckKind.CONNECTION_FILTER
BUILT_IN = {**EXPECTED, "ranges": [["192.0.2.0/24", "medium"], ["198.51.100.0/25", "low"]]}
WEAK = {**EXPECTED, "ranges": [["192.0.2.0/24", "low"]]}
WIDE = {**EXPECTED, "ranges": [["10.20.0.0/22", "entered"]]}


def judge_lists(
    allowed: list[str], blocked: list[str], wanted: Mapping[str, Any] = EXPECTED, **tables: Any
) -> tuple[Verdict, list[str]]:
    policy = {**FILTER, "IPAllowList": allowed, "IPBlockList": blocked}
    outcome = judge(
        KIND, export_of(HostedConnectionFilterPolicy=[policy], **tables), expected=wanted
    )
    return outcome.verdict, codes(outcome)


@pytest.mark.parametrize(
    ("allowed", "blocked", "verdict", "expected"),
    [
        (RANGES, [], Verdict.PASS, []),
        ([*RANGES, "203.0.113.7"], [], Verdict.PASS, []),
        (["192.0.2.0-192.0.2.255", "198.51.100.0/24"], [], Verdict.PASS, []),
        ([], [], Verdict.FAIL, ["connection-filter.none"]),
        (["203.0.113.0/24"], [], Verdict.FAIL,
         ["connection-filter.none", "connection-filter.other-region"]),
        (RANGES[:1], [], Verdict.FAIL, ["connection-filter.ranges-missing"]),
        (["192.0.2.0/25", RANGES[1]], [], Verdict.FAIL, ["connection-filter.ranges-missing"]),
        (RANGES, ["192.0.2.77"], Verdict.FAIL, ["connection-filter.blocked"]),
        (RANGES, ["203.0.113.7"], Verdict.PASS, []),
    ],
)  # fmt: skip
def test_lists(
    allowed: list[str], blocked: list[str], verdict: Verdict, expected: list[str]
) -> None:
    assert judge_lists(allowed, blocked) == (verdict, expected)


@pytest.mark.parametrize(
    ("wanted", "allowed", "verdict", "expected"),
    [
        (BUILT_IN, RANGES, Verdict.WARN, ["connection-filter.list-not-entered"]),
        (BUILT_IN, RANGES[:1], Verdict.WARN, ["connection-filter.weak-ranges-missing"]),
        (BUILT_IN, RANGES[1:], Verdict.FAIL, ["connection-filter.ranges-missing"]),
        (WEAK, ["192.0.2.0/25"], Verdict.UNKNOWN, ["connection-filter.weak-ranges-missing"]),
        (WEAK, [], Verdict.FAIL, ["connection-filter.none"]),
        ({**EXPECTED, "ranges": []}, RANGES, Verdict.UNKNOWN, ["connection-filter.no-ranges"]),
    ],
)
def test_confidence_of_ranges(
    wanted: Mapping[str, Any], allowed: list[str], verdict: Verdict, expected: list[str]
) -> None:
    assert judge_lists(allowed, [], wanted) == (verdict, expected)


def test_wide_range_is_split_as_exchange_accepts_it() -> None:
    policy = {**FILTER, "IPAllowList": ["10.20.1.0/24"]}

    outcome = judge(KIND, export_of(HostedConnectionFilterPolicy=[policy]), expected=WIDE)

    assert outcome.findings[0].params == {
        "ranges": ["10.20.0.0/24", "10.20.2.0/24", "10.20.3.0/24"],
        "command": "Set-HostedConnectionFilterPolicy -Identity Default -IPAllowList"
        " @{ Add='10.20.0.0/24','10.20.2.0/24','10.20.3.0/24' }",
    }


def test_split_range_covers_a_wide_one() -> None:
    split = [f"10.20.{number}.0/24" for number in range(4)]

    assert judge_lists(split, [], WIDE) == (Verdict.PASS, [])


def test_enhanced_filtering_replaces_the_list() -> None:
    connector = {**LOCKED, "EFSkipIPs": RANGES}

    assert judge_lists([], [], InboundConnector=[connector]) == (
        Verdict.NOT_APPLICABLE,
        ["connection-filter.replaced"],
    )


@pytest.mark.parametrize(
    "connector", [{"EFSkipIPs": RANGES, "EFUsers": ["a@b.test"]}, {"Enabled": False}]
)
def test_pilot_replaces_nothing(connector: dict[str, Any]) -> None:
    rows = [{**LOCKED, **connector}]

    assert judge_lists([], [], InboundConnector=rows)[1] == ["connection-filter.none"]


def test_two_default_policies_are_unknown() -> None:
    export = export_of(HostedConnectionFilterPolicy=[FILTER, {**FILTER, "Name": "Second"}])

    assert codes(judge(KIND, export)) == ["connection-filter.no-policy"]


@pytest.mark.parametrize("name", ["IsDefault", "IPAllowList", "IPBlockList"])
def test_missing_property_is_unknown(name: str) -> None:
    row = {key: value for key, value in FILTER.items() if key != name}

    outcome = judge(KIND, export_of(HostedConnectionFilterPolicy=[row]))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["export.property-missing"])


@pytest.mark.parametrize(
    ("connector", "allowed", "verdict", "expected"),
    [
        ({}, RANGES, Verdict.NOT_APPLICABLE, ["enhanced-filtering.off"]),
        ({"EFSkipIPs": RANGES}, [], Verdict.PASS, []),
        ({"EFSkipIPs": RANGES, "Enabled": False}, [], Verdict.NOT_APPLICABLE,
         ["enhanced-filtering.off"]),
        ({"EFSkipIPs": RANGES, "EFUsers": ["a@b.test"]}, [], Verdict.WARN,
         ["enhanced-filtering.pilot"]),
        ({"EFSkipLastIP": True}, [], Verdict.WARN, ["enhanced-filtering.last-only"]),
        ({"EFSkipIPs": RANGES[:1]}, [], Verdict.WARN, ["enhanced-filtering.ranges-missing"]),
        ({"EFSkipIPs": RANGES}, RANGES[:1], Verdict.WARN, ["enhanced-filtering.allow-list-too"]),
        # The other recipients of a pilot need the allow list.
        ({"EFSkipIPs": RANGES, "EFUsers": ["a@b.test"]}, RANGES, Verdict.WARN,
         ["enhanced-filtering.pilot"]),
    ],
)  # fmt: skip
def test_enhanced_filtering(
    connector: dict[str, Any], allowed: list[str], verdict: Verdict, expected: list[str]
) -> None:
    export = export_of(
        InboundConnector=[{**LOCKED, **connector}],
        HostedConnectionFilterPolicy=[{**FILTER, "IPAllowList": allowed}],
    )

    outcome = judge(CheckKind.ENHANCED_FILTERING, export)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


@pytest.mark.parametrize(
    ("skipped", "ranges", "listed"),
    [
        ([], RANGES, "'192.0.2.0/24','198.51.100.0/25'"),
        (["203.0.113.9", RANGES[0]], RANGES, "'203.0.113.9','192.0.2.0/24','198.51.100.0/25'"),
        (["203.0.113.9"], [], "'203.0.113.9'"),
        ([], [], ""),
    ],
)
def test_command_leaves_enhanced_filtering_on(
    skipped: list[str], ranges: list[str], listed: str
) -> None:
    connector = {**LOCKED, "EFSkipLastIP": True, "EFSkipIPs": skipped}
    wanted = {**EXPECTED, "ranges": [[network, "entered"] for network in ranges]}

    outcome = judge(
        CheckKind.ENHANCED_FILTERING, export_of(InboundConnector=[connector]), expected=wanted
    )

    (finding,) = [found for found in outcome.findings if found.code.endswith("last-only")]
    command = (
        "Set-InboundConnector -Identity 'Mimecast to Microsoft 365' -EFSkipLastIP $false"
        f" -EFSkipIPs {listed}"
    )
    assert finding.params["command"] == (command if listed else "")
