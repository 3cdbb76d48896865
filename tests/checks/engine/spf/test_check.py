"""SPF for a region: mail from each of its networks must pass."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import Outcome, Verdict
from checks.engine.spf import check, terms
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

REGION = RegionFacts(id="eu", name="Europe", spf_include="eu._netblocks.mimecast.com")
INCLUDE = "include:eu._netblocks.mimecast.com"
GLOBAL = "include:_netblocks.mimecast.com"
MIMECAST = """
eu._netblocks.mimecast.com TXT "v=spf1 ip4:195.130.217.0/24 ip4:91.220.42.0/24 ip6:2a00:9::/64 ~all"
us._netblocks.mimecast.com TXT "v=spf1 ip4:205.139.110.0/24 ~all"
za._netblocks.mimecast.com TXT "v=spf1 ip4:41.74.192.0/22 ~all"
de._netblocks.mimecast.com TXT "v=spf1 ip4:51.163.158.0/24 ~all"
au._netblocks.mimecast.com TXT "v=spf1 ip4:103.13.69.0/24 ~all"
ca._netblocks.mimecast.com TXT "v=spf1 ip4:170.10.135.0/24 ~all"
_netblocks.mimecast.com TXT "v=spf1 include:eu._netblocks.mimecast.com \
include:us._netblocks.mimecast.com include:za._netblocks.mimecast.com \
include:de._netblocks.mimecast.com include:au._netblocks.mimecast.com \
include:ca._netblocks.mimecast.com ~all"
"""
USB = RegionFacts(id="usb", name="US-B", spf_include="usb._netblocks.mimecast.com")
USB_ZONE = 'usb._netblocks.mimecast.com TXT "v=spf1 ip4:170.10.150.0/24 ~all"\n'
CHAIN = "\n".join(f'a{n}.test TXT "v=spf1 include:a{n + 1}.test ~all"' for n in range(1, 9))
CHAIN += '\na9.test TXT "v=spf1 ip4:198.51.100.0/24 ~all"\n'


def run_check(record: str, extra: str = "", region: RegionFacts = REGION) -> Outcome:
    zone = f'example.test TXT "{record}"\n{MIMECAST}{extra}'
    return asyncio.run(check.inspect("example.test", region, ZoneLookup(zone)))


@pytest.mark.parametrize(
    ("record", "extra"),
    [
        (f"v=spf1 {INCLUDE} -all", ""),
        (f"v=spf1 {INCLUDE.upper()} ~all", ""),
        (f"V=SPF1 ip4:192.0.2.1 {INCLUDE}", ""),
        ("v=spf1 include:mail.test -all", f'mail.test TXT "v=spf1 {INCLUDE} -all"\n'),
        ("v=spf1 redirect=mail.test", f'mail.test TXT "v=spf1 {INCLUDE} -all"\n'),
        (f"v=spf1 {INCLUDE} exists:%{{i}}.list.test -all", ""),
    ],
)
def test_spf_with_all_networks_passes(record: str, extra: str) -> None:
    outcome = run_check(record, extra)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])
    assert [row["passes"] for row in outcome.evidence["networks"]] == [True, True, True]


def test_spf_hosted_by_redirect_passes() -> None:
    extra = 'abcdefgh._spf._d.mim.ec TXT "v=spf1 ip4:195.130.217.0/24 ip4:91.220.42.0/24 '
    outcome = run_check(
        "v=spf1 redirect=abcdefgh._spf._d.mim.ec", extra + 'ip6:2a00:9::/64 -all"\n'
    )

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["spf.hosted"])


ELEVEN_EXCHANGES = "".join(
    f"example.test MX 10 m{n}.test\nm{n}.test A 192.0.2.{n}\n" for n in range(11)
)


def test_third_void_lookup_is_named() -> None:
    """Receivers stop there (RFC 7208 section 4.6.4), and never reach a fourth."""
    terms = "a:w.test include:more.test a:y.test a:z.test"
    outcome = run_check(f"v=spf1 {INCLUDE} {terms} -all", 'more.test TXT "v=spf1 a:x.test -all"\n')

    assert [f.params["detail"] for f in outcome.findings] == ["a:y.test"]


@pytest.mark.parametrize(
    ("record", "extra", "expected"),
    [
        ("not spf", "", ["spf.none"]),
        ("v=spf10 -all", "", ["spf.none"]),
        (f"v=spf1 {INCLUDE} -all", 'example.test TXT "v=spf1 -all"\n', ["spf.several-records"]),
        (f"v=spf1 {INCLUDE} ipv4:192.0.2.1 -all", "", ["spf.syntax"]),
        ("v=spf1 -all", "", ["spf.no-network-passes"]),
        (f"v=spf1 -all {INCLUDE}", "", ["spf.no-network-passes", "spf.include-after-all"]),
        (f"v=spf1 ?{INCLUDE} -all", "", ["spf.no-network-passes", "spf.include-qualifier"]),
        (
            f"v=spf1 {INCLUDE}.example.net -all",
            'eu._netblocks.mimecast.com.example.net TXT "v=spf1 ip4:192.0.2.0/24 -all"\n',
            ["spf.no-network-passes", "spf.look-alike-include"],
        ),
        (
            "v=spf1 include:us._netblocks.mimecast.com -all",
            "",
            ["spf.no-network-passes", "spf.wrong-region-include"],
        ),
        ("v=spf1 ip4:195.130.217.0/24 -all", "", ["spf.some-networks-fail"]),
        ("v=spf1 +all", "", ["spf.passes-only-by-all"]),
        (f"v=spf1 include:gone.test {INCLUDE} -all", "", ["spf.include-without-record"]),
        (
            f"v=spf1 a:x.test a:y.test a:z.test {INCLUDE} -all",
            "",
            ["spf.too-many-void-lookups"],
        ),
        (f"v=spf1 include:a1.test a mx {INCLUDE} -all", CHAIN, ["spf.too-many-lookups"]),
        (f"v=spf1 {INCLUDE} include:a1.test a mx -all", CHAIN, ["spf.too-many-lookups"]),
    ],
)
def test_spf_fails(record: str, extra: str, expected: list[str]) -> None:
    outcome = run_check(record, extra)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, expected)


@pytest.mark.parametrize(
    ("record", "extra", "expected"),
    [
        (f"v=spf1 {GLOBAL} -all", "", ["spf.global-include"]),
        (f"v=spf1 {INCLUDE} +all", "", ["spf.passes-everyone"]),
        (f"v=spf1 {INCLUDE} include:a2.test -all", CHAIN, ["spf.lookups-near-limit"]),
        (
            "v=spf1 ip4:195.130.217.0/24 ip4:91.220.42.0/24 ip6:2a00:9::/64 -all",
            "",
            ["spf.flattened"],
        ),
        (
            f"v=spf1 exists:%{{l}}.list.test {INCLUDE} -all",
            "someone.list.test A 127.0.0.2\n",
            ["spf.sampled"],
        ),
        (f"v=spf1 {INCLUDE} include:gone.test -all", "", ["spf.broken-branch"]),
        (f"v=spf1 {INCLUDE} a:x.test a:y.test a:z.test -all", "", ["spf.broken-branch"]),
        (f"v=spf1 {INCLUDE} ptr:co.uk -all", "", ["spf.ptr-of-suffix", "spf.ptr"]),
        (
            f"v=spf1 {INCLUDE} include:wide.test -all",
            'wide.test TXT "v=spf1 ptr:Org.AU. -all"\n',
            ["spf.ptr-of-suffix"],
        ),
        (
            f"v=spf1 {INCLUDE} include:wide.test -all",
            'wide.test TXT "v=spf1 redirect=far.test"\nfar.test TXT "v=spf1 ptr:com.br -all"\n',
            ["spf.ptr-of-suffix"],
        ),
        (f"v=spf1 {INCLUDE} mx -all", ELEVEN_EXCHANGES, ["spf.broken-branch"]),
    ],
)
def test_spf_cautions_warn(record: str, extra: str, expected: list[str]) -> None:
    outcome = run_check(record, extra)

    assert outcome.verdict is Verdict.WARN
    assert codes(outcome) == expected


WIDE = 'wide.test TXT "v=spf1 ptr:co.uk -all"\n'


@pytest.mark.parametrize(
    ("terms_before_all", "extra"),
    [
        ("-include:wide.test", WIDE),
        ("~include:wide.test", WIDE),
        ("?include:wide.test", WIDE),
        (
            "include:outer.test",
            'outer.test TXT "v=spf1 -include:wide.test mx:a.test -all"\n' + WIDE,
        ),
        ("-include:outer.test", 'outer.test TXT "v=spf1 include:wide.test -all"\n' + WIDE),
        ("include:outer.test", 'outer.test TXT "v=spf1 -ptr:co.uk ip4:192.0.2.1 -all"\n'),
        ("include:outer.test", 'outer.test TXT "v=spf1 -all ptr:co.uk"\n'),
    ],
)
def test_match_that_authorises_nobody_is_no_caution(terms_before_all: str, extra: str) -> None:
    """An include passes only where its record passes and its qualifier is `+` (RFC 7208 5.2)."""
    outcome = run_check(f"v=spf1 {INCLUDE} {terms_before_all} -all", extra)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


def test_spf_global_include_without_region_fails() -> None:
    outcome = run_check(f"v=spf1 {GLOBAL} -all", USB_ZONE, region=USB)

    assert outcome.verdict is Verdict.FAIL
    assert codes(outcome) == ["spf.no-network-passes", "spf.global-include-lacks-region"]


def test_spf_global_include_costs_seven() -> None:
    outcome = run_check(f"v=spf1 {GLOBAL} -all")

    assert params(outcome, "spf.global-include") == {
        "global_include": "_netblocks.mimecast.com",
        "lookups": 7,
        "include": "eu._netblocks.mimecast.com",
    }


def test_spf_names_failing_networks() -> None:
    outcome = run_check("v=spf1 ip4:195.130.217.0/25 ip4:91.220.42.0/24 ip6:2a00:9::/64 -all")

    assert params(outcome, "spf.some-networks-fail") == {
        "failing": ["195.130.217.0/24"],
        "passing": 2,
        "total": 3,
    }
    assert outcome.evidence["networks"][1]["results"] == [
        {"first": "195.130.217.0", "last": "195.130.217.127", "result": "pass"},
        {"first": "195.130.217.128", "last": "195.130.217.255", "result": "fail"},
    ]


def test_spf_list_of_addresses_is_exact() -> None:
    record = "v=spf1 ip4:91.220.42.0/24 ip6:2a00:9::/64 exists:%{i}.list.test -all"

    outcome = run_check(record, "195.130.217.0.list.test A 127.0.0.2\n")

    assert outcome.verdict is Verdict.FAIL
    assert params(outcome, "spf.some-networks-fail")["failing"] == ["195.130.217.0/24"]


def test_spf_over_limit_names_largest_branch() -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} include:a1.test a -all", CHAIN)

    assert params(outcome, "spf.too-many-lookups") == {
        "lookups": 11,
        "limit": 10,
        "branch": "include:a1.test",
        "branch_lookups": 9,
    }


def test_spf_include_loop_fails() -> None:
    extra = 'x.test TXT "v=spf1 include:y.test -all"\ny.test TXT "v=spf1 include:x.test -all"\n'

    outcome = run_check("v=spf1 include:x.test -all", extra)

    assert outcome.verdict is Verdict.FAIL
    assert params(outcome, "spf.permerror")["problem"] == "too-many-lookups"


def test_spf_failed_lookup_is_unknown() -> None:
    outcome = run_check(f"v=spf1 include:slow.test {INCLUDE} -all", "slow.test TROUBLE timeout\n")

    assert outcome.verdict is Verdict.UNKNOWN
    assert codes(outcome) == ["spf.temperror", "spf.branch-unresolved"]
    assert params(outcome, "spf.temperror") == {"detail": "slow.test: timeout"}


@pytest.mark.parametrize(
    ("region", "extra", "expected"),
    [
        (RegionFacts(id="je", name="Offshore"), "", ["region.gap"]),
        (USB, "", ["spf.region-unresolved"]),
        (USB, "usb._netblocks.mimecast.com TROUBLE servfail\n", ["spf.region-unresolved"]),
        (
            USB,
            'usb._netblocks.mimecast.com TXT "v=spf1 -all"\n',
            ["spf.region-unresolved"],
        ),
    ],
)
def test_spf_without_region_networks_is_unknown(
    region: RegionFacts, extra: str, expected: list[str]
) -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} -all", extra, region)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, expected)


def test_spf_failure_after_region_passes() -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} include:slow.test -all", "slow.test TROUBLE timeout\n")

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["spf.branch-unresolved"])


def test_spf_different_records_disagree() -> None:
    zones = {
        "ns1.test": f'example.test TXT "v=spf1 {INCLUDE} -all"',
        "ns2.test": 'example.test TXT "v=spf1 -all"',
    }
    lookup = ZoneLookup(MIMECAST, servers=zones)

    outcome = asyncio.run(check.inspect("example.test", REGION, lookup))

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, False)
    assert codes(outcome) == ["dns.servers-disagree", "spf.no-network-passes"]
    assert params(outcome, "dns.servers-disagree")["lagging"] == ["ns2.test (192.0.2.2)"]


def test_spf_evidence_has_tree_with_lookups() -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} ip4:192.0.2.7 -all")

    include, own, end = outcome.evidence["tree"]["children"]
    assert (include["term"], include["lookups"], include["covers"]) == (INCLUDE, 1, 3)
    assert include["children"][0]["networks"] == ["195.130.217.0/24"]
    assert (own["networks"], own["lookups"], end["term"]) == (["192.0.2.7/32"], 0, "-all")
    assert outcome.evidence["lookups"] == 1


def test_spf_evidence_has_proposal() -> None:
    outcome = run_check("v=spf1 include:spf.protection.outlook.com -all")

    assert outcome.evidence["proposed_record"] == (
        f"v=spf1 include:spf.protection.outlook.com {INCLUDE} -all"
    )
    assert outcome.evidence["proposed_lookups"] == outcome.evidence["lookups"] + 1


def test_spf_evidence_merges_several_records() -> None:
    outcome = run_check("v=spf1 ip4:192.0.2.7 -all", extra='example.test TXT "v=spf1 mx ~all"\n')

    assert outcome.evidence["proposed_record"] == f"v=spf1 ip4:192.0.2.7 mx {INCLUDE} -all"
    assert outcome.evidence["proposed_lookups"] == 2


@pytest.mark.parametrize(
    "text", ["v=\u017fpf1 -all", "v=spf1\N{NO-BREAK SPACE}-all", "v=spf\u0661 -all"]
)
def test_version_of_other_alphabets_is_no_record(text: str) -> None:
    assert terms.select([text]) == []
