"""MX TTL of the authoritative servers against the threshold."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import mx_ttl
from checks.engine.outcomes import Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes


@pytest.mark.parametrize(
    ("zone", "verdict", "expected"),
    [
        ("example.test 299 MX 10 mx.test", Verdict.PASS, []),
        ("example.test 300 MX 10 mx.test", Verdict.PASS, []),
        ("example.test 301 MX 10 mx.test", Verdict.FAIL, ["mx-ttl.too-high"]),
        ("example.test 86400 MX 0 .", Verdict.NOT_APPLICABLE, ["mx-ttl.no-mx"]),
        ("example.test 86400 A 192.0.2.1", Verdict.NOT_APPLICABLE, ["mx-ttl.no-mx"]),
        ("other.test 300 MX 10 mx.test", Verdict.FAIL, ["dns.no-such-domain"]),
    ],
)
def test_mx_ttl(zone: str, verdict: Verdict, expected: list[str]) -> None:
    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, ZoneLookup(zone)))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_mx_ttl_evidence_has_highest() -> None:
    zones = {
        "ns1.test": "example.test 60 MX 10 mx.test",
        "ns2.test": "example.test 120 MX 10 mx.test",
    }

    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, ZoneLookup("", servers=zones)))

    assert (outcome.verdict, outcome.evidence["highest_ttl"]) == (Verdict.PASS, 120)


@pytest.mark.parametrize(
    ("exchange", "verdict", "expected"),
    [
        ("new.test", Verdict.PASS, ["mx-ttl.moved"]),
        ("old.test", Verdict.FAIL, ["mx-ttl.too-high"]),
    ],
)
def test_mx_ttl_after_switch_passes(exchange: str, verdict: Verdict, expected: list[str]) -> None:
    zone = ZoneLookup(f"example.test 3600 MX 10 {exchange}")

    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, zone, planned=["new.test"]))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)
