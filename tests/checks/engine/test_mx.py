"""MX: the record set must equal the region's hosts. Each mistake of other checkers is a row."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import mx
from checks.engine.dns.consensus import ServerVerdict
from checks.engine.dns.lookup import LookupFailure, NoName
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

ONE, TWO = "eu-smtp-inbound-1.mimecast.com", "eu-smtp-inbound-2.mimecast.com"
REGION = RegionFacts(
    id="eu",
    name="Europe",
    mx=(ONE, TWO),
    other_mx=(("us-smtp-inbound-1.mimecast.com", "us"), ("us-smtp-inbound-2.mimecast.com", "us")),
)
US = ["us-smtp-inbound-1.mimecast.com", "us-smtp-inbound-2.mimecast.com"]


def run_check(*records: str, extra: str = "", region: RegionFacts = REGION) -> Outcome:
    zone = "\n".join(f"example.test MX {record}" for record in records) + "\n" + extra
    return asyncio.run(mx.inspect("example.test", region, ZoneLookup(zone)))


@pytest.mark.parametrize(
    "preferences", [("10", "10"), ("10", "20"), ("20", "10"), ("0", "0"), ("65535", "1")]
)
def test_mx_preferences_do_not_matter(preferences: tuple[str, str]) -> None:
    outcome = run_check(f"{preferences[0]} {ONE}", f"{preferences[1]} {TWO}")

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])
    assert outcome.evidence["states"] == ["mimecast_only"]


BOTH = (f"10 {ONE}", f"10 {TWO}")


@pytest.mark.parametrize(
    ("records", "state", "expected"),
    [
        ((f"10 {ONE}",), "incomplete", ["mx.host-missing"]),
        ((*BOTH, "65535 old.example.test"), "mixed", ["mx.leftover"]),
        (("5 old.example.test", f"10 {ONE}"), "mixed", ["mx.leftover", "mx.host-missing"]),
        (
            (*BOTH, *(f"20 mx{n}.old.test" for n in range(11))),
            "mixed",
            ["mx.leftover"],
        ),
        (("10 mail.example.test",), "old_only", ["mx.old-only"]),
        (tuple(f"10 {host}" for host in US), "wrong_region", ["mx.wrong-region"]),
        ((*BOTH, f"10 {US[0]}"), "mixed", ["mx.wrong-region"]),
        ((f"10 {US[0]}", "20 old.example.test"), "mixed", ["mx.leftover", "mx.wrong-region"]),
        (("10 za-smtp-inbound-1.mimecast.co.za",), "wrong_region", ["mx.wrong-region"]),
        (("10 service-alpha-inbound-a.mimecast.com",), "wrong_region", ["mx.wrong-region"]),
        ((f"10 {ONE}.example.net",), "look_alike", ["mx.look-alike"]),
        (("10 eu-smtp-inbound-1.notmimecast.com",), "look_alike", ["mx.look-alike"]),
        ((f"10 {ONE}", f"10 {TWO}.example.net"), "mixed", ["mx.look-alike", "mx.host-missing"]),
        (("0 .",), "null_mx", ["mx.null"]),
        ((*BOTH, "0 ."), "mixed", ["mx.null-with-others"]),
        (("10 192.0.2.1",), "old_only", ["mx.old-only", "mx.address-as-host"]),
        ((f"10 {ONE}", f"20 {ONE}"), "incomplete", ["mx.duplicate", "mx.host-missing"]),
    ],
)
def test_mx_fails(records: tuple[str, ...], state: str, expected: list[str]) -> None:
    outcome = run_check(*records)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, expected)
    assert outcome.evidence["states"] == [state]


def test_mx_outcome_names_subject_and_expectation() -> None:
    outcome = run_check(*BOTH)

    assert (outcome.kind, outcome.subject) == (CheckKind.MX, "example.test")
    assert outcome.evidence["expected"] == [ONE, TWO]


def test_mx_judge_of_missing_domain_fails() -> None:
    assert mx.judge("example.test", REGION, NoName()) == ServerVerdict(
        Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": "example.test"}),)
    )


def test_mx_without_delegation_is_unknown() -> None:
    lookup = ZoneLookup("", delegation=LookupFailure("timeout"))

    outcome = asyncio.run(mx.inspect("example.test", REGION, lookup))

    assert (outcome.kind, outcome.verdict) == (CheckKind.MX, Verdict.UNKNOWN)
    assert params(outcome, "dns.no-delegation") == {"domain": "example.test", "reason": "timeout"}


def test_mx_silent_server_has_no_state() -> None:
    zone = "\n".join(f"example.test MX {record}" for record in BOTH)
    lookup = ZoneLookup(zone, servers={"ns1": zone, "ns2": LookupFailure("timeout")})

    outcome = asyncio.run(mx.inspect("example.test", REGION, lookup))

    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.evidence["states"] == ["mimecast_only"]


def test_mx_region_hosts_in_any_spelling() -> None:
    region = RegionFacts(id="eu", mx=(f"{ONE.upper()}.", f"{TWO}."))

    assert run_check(*BOTH, region=region).verdict is Verdict.PASS
    assert params(run_check(f"10 {ONE}", region=region), "mx.host-missing") == {"hosts": [TWO]}


def test_mx_names_other_region() -> None:
    outcome = run_check(*(f"10 {host}" for host in US))

    assert params(outcome, "mx.wrong-region") == {"hosts": US, "regions": ["us"]}


def test_mx_none_reports_implicit_address() -> None:
    outcome = run_check(extra="example.test A 198.51.100.1")

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["mx.none", "mx.implicit-address"])
    assert params(outcome, "mx.none") == {"domain": "example.test"}


def test_mx_reports_alias() -> None:
    outcome = run_check("10 mail.example.test", extra=f"mail.example.test CNAME {ONE}")

    assert codes(outcome) == ["mx.old-only", "mx.alias"]
    assert params(outcome, "mx.alias") == {"host": "mail.example.test", "target": ONE}


def test_mx_region_gap_is_unknown() -> None:
    outcome = run_check(*BOTH, region=RegionFacts(id="ca", name="Canada"))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["region.gap"])
    assert params(outcome, "region.gap") == {"region": "Canada", "field": "mx"}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            "*.example.test MX 10 old.example.net",
            {"mx.wildcard": {"name": "*.example.test", "hosts": ["old.example.net"]}},
        ),
        (f"*.example.test MX 10 {ONE}", {}),
        (
            "mail.example.test MX 10 old.example.net\nnews.example.test MX 10 list.example.net",
            {
                "mx.names-below": {
                    "names": ["mail.example.test", "news.example.test"],
                    "hosts": ["list.example.net", "old.example.net"],
                }
            },
        ),
        # A name with the wildcard's records is not reported again.
        (
            "*.example.test MX 10 old.example.net\nwww.example.test MX 10 old.example.net",
            {"mx.wildcard": {"name": "*.example.test", "hosts": ["old.example.net"]}},
        ),
        ("mail.example.test MX 0 .", {}),
        ("mail.example.test TROUBLE timeout\n*.example.test TROUBLE servfail", {}),
    ],
)
def test_mx_reports_names_below_domain(extra: str, expected: dict[str, dict[str, object]]) -> None:
    outcome = run_check(*BOTH, extra=extra)

    assert outcome.verdict is Verdict.PASS
    assert {f.code: dict(f.params) for f in outcome.findings} == expected


def test_mx_names_below_wait_for_switch() -> None:
    outcome = run_check("10 mail.example.test", extra="*.example.test MX 10 old.example.net")

    assert codes(outcome) == ["mx.old-only"]


def test_mx_mixed_reports_names_below_domain() -> None:
    extra = "*.example.test MX 10 old.example.net\nold.example.net CNAME host.example.net"

    outcome = run_check(*BOTH, "20 old.example.net", extra=extra)

    assert outcome.evidence["states"] == ["mixed"]
    assert codes(outcome) == ["mx.leftover", "mx.alias", "mx.wildcard"]


PROOF = "32767 ms12345678.msv1.invalid"


@pytest.mark.parametrize(
    ("records", "verdict", "state", "expected"),
    [
        ((*BOTH, PROOF), Verdict.WARN, "mimecast_only", ["mx.ownership-proof"]),
        (
            (BOTH[0], PROOF),
            Verdict.FAIL,
            "incomplete",
            ["mx.host-missing", "mx.ownership-proof"],
        ),
        ((PROOF,), Verdict.FAIL, "none", ["mx.none", "mx.ownership-proof"]),
        (
            ("10 old.example.test", PROOF),
            Verdict.FAIL,
            "old_only",
            ["mx.old-only", "mx.ownership-proof"],
        ),
        (
            (*BOTH, PROOF, "20 old.example.test"),
            Verdict.FAIL,
            "mixed",
            ["mx.leftover", "mx.ownership-proof"],
        ),
        # Only Microsoft's own names: another name below .invalid is a mistake.
        ((*BOTH, "20 msv1.invalid"), Verdict.FAIL, "mixed", ["mx.leftover"]),
        ((*BOTH, "20 ms1.msv1.invalid.example.test"), Verdict.FAIL, "mixed", ["mx.leftover"]),
    ],
)
def test_ownership_proof_is_no_host(
    records: tuple[str, ...], verdict: Verdict, state: str, expected: list[str]
) -> None:
    outcome = run_check(*records)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)
    assert outcome.evidence["states"] == [state]
