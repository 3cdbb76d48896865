"""The rule that combines the verdicts for a zone's servers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from checks.engine import mx_ttl
from checks.engine.dns.consensus import AuthoritativeAnswers, ServerVerdict, combine
from checks.engine.dns.lookup import Delegation, LookupFailure, NoName, Record, Records, Server
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

LOW = "example.test 300 MX 10 mx.example.test"
HIGH = "example.test 3600 MX 10 mx.example.test"
NONE = "example.test TXT nothing"
SILENT = LookupFailure("timeout")
LAME = LookupFailure("lame", "referral")


def run_check(*servers: str | LookupFailure) -> Outcome:
    zones = {f"ns{number}.test": zone for number, zone in enumerate(servers, start=1)}
    return asyncio.run(mx_ttl.inspect("example.test", 300, ZoneLookup("", servers=zones)))


@pytest.mark.parametrize(
    ("servers", "verdict", "unanimous", "expected"),
    [
        ([LOW, LOW], Verdict.PASS, True, []),
        ([HIGH, HIGH], Verdict.FAIL, True, ["mx-ttl.too-high"]),
        ([NONE, NONE], Verdict.NOT_APPLICABLE, True, ["mx-ttl.no-mx"]),
        ([LOW, HIGH], Verdict.FAIL, False, ["dns.servers-disagree", "mx-ttl.too-high"]),
        ([LOW, NONE], Verdict.FAIL, False, ["dns.servers-disagree", "mx-ttl.no-mx"]),
        ([LOW, SILENT], Verdict.UNKNOWN, False, ["dns.server-silent"]),
        ([LOW, LAME], Verdict.UNKNOWN, False, ["dns.server-lame"]),
        ([HIGH, SILENT], Verdict.FAIL, False, ["mx-ttl.too-high", "dns.server-silent"]),
        ([NONE, SILENT], Verdict.UNKNOWN, False, ["mx-ttl.no-mx", "dns.server-silent"]),
        ([SILENT, LAME], Verdict.UNKNOWN, False, ["dns.server-lame", "dns.server-silent"]),
        (
            [LOW, HIGH, SILENT],
            Verdict.FAIL,
            False,
            ["dns.servers-disagree", "mx-ttl.too-high", "dns.server-silent"],
        ),
    ],
)
def test_combine_servers(
    servers: list[str | LookupFailure], verdict: Verdict, unanimous: bool, expected: list[str]
) -> None:
    outcome = run_check(*servers)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, unanimous, expected)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("refused", "dns.server-refuses"),
        ("servfail", "dns.server-fails"),
        ("malformed", "dns.server-malformed"),
        ("oversized", "dns.server-oversized"),
        ("truncated", "dns.server-truncates"),
        ("cname-loop", "dns.alias-loop"),
        ("unreachable", "dns.server-unreachable"),
        ("not-allowed", "dns.server-not-public"),
        ("dnssec-expired", "dns.dnssec-expired"),
        ("dnssec-not-yet-valid", "dns.dnssec-not-yet-valid"),
        ("dnssec-no-matching-key", "dns.dnssec-no-matching-key"),
        ("dnssec-signature-missing", "dns.dnssec-signature-missing"),
        ("dnssec-signature-invalid", "dns.dnssec-signature-invalid"),
        ("dnssec-denial-unproven", "dns.dnssec-denial-unproven"),
        ("dnssec-rejected", "dns.dnssec-rejected"),
    ],
)
def test_each_condition_of_a_server_has_its_finding(reason: str, code: str) -> None:
    outcome = run_check(LOW, LookupFailure(reason), LookupFailure(reason))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, [code])
    assert params(outcome, code) == {"servers": ["ns2.test (192.0.2.2)", "ns3.test (192.0.2.3)"]}


def test_unresolved_target_of_alias_is_named() -> None:
    failure = LookupFailure("alias-unresolved", "mx.host.test")

    outcome = run_check(LOW, failure)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["dns.alias-unresolved"])
    assert params(outcome, "dns.alias-unresolved") == {
        "servers": ["ns2.test (192.0.2.2)"],
        "names": ["mx.host.test"],
    }


ALIAS = "example.test CNAME a.host.test\na.host.test CNAME b.host.test\n"


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([ALIAS, ALIAS], {"name": "example.test", "target": "b.host.test"}),
        ([f"{ALIAS}b.host.test TXT x"], {"name": "example.test", "target": "b.host.test"}),
        ([ALIAS, NONE], {"name": "example.test", "target": "b.host.test"}),
        # One server has the record, or no server has an alias.
        ([ALIAS, LOW], None),
        ([f"{ALIAS}b.host.test 300 MX 10 mx.test"], None),
        ([NONE, NONE], None),
    ],
)
def test_alias_without_record_is_named(
    servers: list[str | LookupFailure], expected: dict[str, str] | None
) -> None:
    outcome = run_check(*servers)

    found = [each.params for each in outcome.findings if each.code == "dns.alias-without-record"]
    assert found == ([expected] if expected else [])


def test_servers_that_fail_in_two_ways_disagree() -> None:
    outcome = run_check(HIGH, NONE)

    assert params(outcome, "dns.servers-disagree") == {
        "agreeing": [],
        "lagging": ["ns1.test (192.0.2.1)", "ns2.test (192.0.2.2)"],
    }


def test_combine_names_differing_servers() -> None:
    outcome = run_check(LOW, HIGH, SILENT)

    assert params(outcome, "dns.servers-disagree") == {
        "agreeing": ["ns1.test (192.0.2.1)"],
        "lagging": ["ns2.test (192.0.2.2)"],
    }
    assert params(outcome, "dns.server-silent") == {
        "servers": ["ns3.test (192.0.2.3)"],
        "reasons": ["timeout"],
    }


def test_evidence_has_each_servers_answer() -> None:
    outcome = run_check(HIGH, SILENT)

    assert outcome.evidence["servers"] == [
        {
            "name": "ns1.test",
            "address": "192.0.2.1",
            "status": "records",
            "values": ["10 mx.example.test"],
            "ttl": 3600,
        },
        {
            "name": "ns2.test",
            "address": "192.0.2.2",
            "status": "timeout",
            "values": [],
            "ttl": None,
        },
    ]


NS1 = (Server("ns1.test", "192.0.2.1"),)


@pytest.mark.parametrize(
    ("delegation", "verdict", "unanimous", "expected"),
    [
        (NoName(), Verdict.FAIL, False, ["dns.no-such-domain"]),
        (LookupFailure("servfail"), Verdict.UNKNOWN, False, ["dns.no-delegation"]),
        (
            LookupFailure("unconfirmed"),
            Verdict.UNKNOWN,
            False,
            ["dns.no-such-domain-unconfirmed"],
        ),
        (Delegation("example.test", ()), Verdict.UNKNOWN, False, []),
        (
            Delegation("example.test", NS1, unresolved=("ns2.test",)),
            Verdict.UNKNOWN,
            False,
            ["dns.server-unresolved"],
        ),
        (
            Delegation("example.test", NS1, unresolved=("ns2.test",), ipv6_only=("ns2.test",)),
            Verdict.UNKNOWN,
            False,
            ["dns.no-ipv6-here"],
        ),
        (
            Delegation("example.test", NS1, is_confirmed=False),
            Verdict.UNKNOWN,
            False,
            ["dns.parent-silent"],
        ),
        (
            Delegation("example.test", NS1, addressless=("ns2.test",)),
            Verdict.WARN,
            True,
            ["dns.server-without-address"],
        ),
    ],
)
def test_failed_delegation_decides(
    delegation: Delegation | NoName | LookupFailure,
    verdict: Verdict,
    unanimous: bool,
    expected: list[str],
) -> None:
    lookup = ZoneLookup("", servers={"ns1.test": LOW}, delegation=delegation)

    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, lookup))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, unanimous, expected)


@pytest.mark.parametrize(
    ("at_glue", "verdict", "unanimous", "expected"),
    [
        (LOW, Verdict.WARN, True, ["dns.glue-differs"]),
        (
            HIGH,
            Verdict.FAIL,
            False,
            ["dns.servers-disagree", "mx-ttl.too-high", "dns.glue-differs"],
        ),
        (SILENT, Verdict.UNKNOWN, False, ["dns.server-silent", "dns.glue-differs"]),
    ],
)
def test_glue_counts_as_server(
    at_glue: str | LookupFailure, verdict: Verdict, unanimous: bool, expected: list[str]
) -> None:
    glue = Server("ns2.test", "192.0.2.2")
    delegation = Delegation("example.test", (*NS1, glue), glue_only=(glue,))
    lookup = ZoneLookup("", servers={"ns1.test": LOW, "ns2.test": at_glue}, delegation=delegation)

    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, lookup))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, unanimous, expected)
    assert params(outcome, "dns.glue-differs") == {"servers": ["ns2.test (192.0.2.2)"]}


def test_unqueried_addresses_are_evidence_only() -> None:
    six = Server("ns1.test", "2001:db8::1")
    lookup = ZoneLookup(
        "",
        servers={"ns1.test": LOW},
        delegation=Delegation("example.test", NS1, unqueried=(six,)),
    )

    outcome = asyncio.run(mx_ttl.inspect("example.test", 300, lookup))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.PASS, True, [])
    assert outcome.evidence["unqueried"] == ["ns1.test (2001:db8::1)"]
    # A worker with IPv6 that reads the same records makes no new observation.
    assert "unqueried" not in outcome.stable_evidence


def test_case_sensitive_server_is_a_caution() -> None:
    low = Records((Record("example.test", "MX", 60, "10 mx.example.test"),))
    sensitive = replace(low, is_case_sensitive=True)
    servers = (*NS1, Server("ns2.test", "192.0.2.2"))
    answers = AuthoritativeAnswers(
        Delegation("example.test", servers), tuple(zip(servers, (low, sensitive), strict=True))
    )

    outcome = combine(
        CheckKind.MX_TTL, "example.test", answers, [ServerVerdict(Verdict.PASS)] * 2, {}
    )

    assert (outcome.verdict, outcome.unanimous) == (Verdict.WARN, True)
    assert params(outcome, "dns.case-sensitive-server") == {"servers": ["ns2.test (192.0.2.2)"]}
