"""The evaluation from cached results: equal to `check_host`, or left to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from checks.engine.spf.check_host import (
    CachedInclude,
    CheckHostResult,
    IncludeResults,
    RecordResult,
    SpfResult,
    check_host,
)
from checks.engine.spf.check_host_cache import (
    ListedHosts,
    check_host_cached,
    resolve_listed_hosts,
)
from checks.engine.spf.terms import SpfPolicy, parse, parse_term
from tests.checks.engine.dns.zone_lookup import ZoneLookup

ME = "one.test"
PASS, FAIL, NEUTRAL, SOFTFAIL = (
    SpfResult.PASS,
    SpfResult.FAIL,
    SpfResult.NEUTRAL,
    SpfResult.SOFTFAIL,
)
TEN = "".join(f"ten.test MX 10 h{n}.test\nh{n}.test A 10.0.0.{n}\n" for n in range(10))
ZONE = f"""
one.test A 192.0.2.1
host.test A 192.0.2.1
host.test AAAA 2001:db8::1
mail.test MX 10 gone.test
mail.test MX 20 host.test
bare.test MX 10 gone.test
slow.test TROUBLE timeout
slowmx.test MX 10 host.test
slowmx.test MX 20 slow.test
{TEN}eleven.test MX 10 h10.test
{TEN.replace("ten.test", "eleven.test")}
in.test TXT "v=spf1 a:gone.test ip4:192.0.2.0/24 -all"
out.test TXT "v=spf1 ip4:198.51.100.0/24 -all"
soft.test TXT "v=spf1 ?include:in.test ~all"
loop.test TXT "v=spf1 include:one.test -all"
broken.test TXT "v=spf1 ipv4:192.0.2.1"
empty.test TXT "because"
own.test TXT "v=spf1 a:%{{o}} -all"
void.test TXT "v=spf1 a:x.test a:y.test ~all"
four.test TXT "v=spf1 a:host.test/32 a:host.test/31 a:host.test/30 mx:mail.test/29 -all"
"""
# The record of the resolvers, while a name server has the one under test.
OTHER_RECORD = 'one.test TXT "v=spf1 ip4:203.0.113.0/24 -all"\n'
# A record with each include, so that their results are cached.
NAMES = ("in", "out", "soft", "broken", "empty", "own", "void", "four", "slow")


def policy_of(record: str) -> SpfPolicy:
    policy = parse(f"v=spf1 {record}".strip())
    assert isinstance(policy, SpfPolicy)
    return policy


def lookup_of(record: str) -> ZoneLookup:
    return ZoneLookup(f'one.test TXT "v=spf1 {record}"\n{ZONE}')


async def evaluate(
    record: str, ip: str, names: Sequence[str] = NAMES
) -> tuple[CheckHostResult | None, CheckHostResult]:
    """The result from the cache, and the one of `check_host`."""
    lookup, cached = lookup_of(record), IncludeResults()
    address = ip_address(ip)
    for name in (*names, "loop"):
        asked = (address, f"with-{name}.test", "jo@x.test", "x.test")
        zone = f'with-{name}.test TXT "v=spf1 include:{name}.test ~all"\n{OTHER_RECORD}{ZONE}'
        other = ZoneLookup(zone)
        await check_host(*asked, lookup=other, include_results=cached)
    policy = policy_of(record)
    hosts = await resolve_listed_hosts(policy, ME, lookup)
    found = check_host_cached(address, ME, policy, cached, hosts)
    alone = await check_host(address, ME, f"postmaster@{ME}", ME, lookup=lookup)
    return found, alone


def result(
    spf: SpfResult, matched: str = "", path: tuple[str, ...] = (ME,), **other: Any
) -> CheckHostResult:
    term = parse_term(matched) if matched else None
    return CheckHostResult(result=spf, matched=term, path=path, **other)


@pytest.mark.parametrize(
    ("record", "ip", "expected"),
    [
        ("", "192.0.2.1", result(NEUTRAL)),
        ("a a:gone.test", "192.0.2.9", result(NEUTRAL, lookups=2, void_lookups=1)),
        ("-all", "192.0.2.1", result(FAIL, "-all")),
        ("?all exp=why.test", "192.0.2.1", result(NEUTRAL, "?all")),
        ("~all", "192.0.2.1", result(SOFTFAIL, "~all")),
        ("ip4:192.0.2.0/24 -all", "192.0.2.1", result(PASS, "ip4:192.0.2.0/24")),
        ("-ip4:192.0.2.0/24 all", "192.0.2.1", result(FAIL, "-ip4:192.0.2.0/24")),
        ("ip4:192.0.2.2 ~all", "192.0.2.1", result(SOFTFAIL, "~all")),
        ("ip6:2001:db8::/32 -all", "2001:db8::1", result(PASS, "ip6:2001:db8::/32")),
        ("a -all", "192.0.2.1", result(PASS, "a", lookups=1)),
        ("a -all", "192.0.2.2", result(FAIL, "-all", lookups=1)),
        ("a:host.test -all", "2001:db8::1", result(PASS, "a:host.test", lookups=1)),
        ("a:host.test/24 -all", "192.0.2.9", result(PASS, "a:host.test/24", lookups=1)),
        ("a:host.test//64 -all", "2001:db8::9", result(PASS, "a:host.test//64", lookups=1)),
        ("a:HOST.test -all", "192.0.2.1", result(PASS, "a:HOST.test", lookups=1)),
        # The domain has no IPv6 address: a void lookup.
        ("a -all", "2001:db8::1", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("a:gone.test -all", "192.0.2.1", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("mx:gone.test -all", "192.0.2.1", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("mx -all", "192.0.2.1", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("mx:mail.test -all", "192.0.2.1", result(PASS, "mx:mail.test", lookups=1)),
        ("mx:mail.test -all", "2001:db8::1", result(PASS, "mx:mail.test", lookups=1)),
        # An exchange without addresses is no void lookup.
        ("mx:bare.test -all", "192.0.2.1", result(FAIL, "-all", lookups=1)),
        ("mx:ten.test -all", "10.0.0.9", result(PASS, "mx:ten.test", lookups=1)),
        (
            "a:gone.test a:x.test -all",
            "192.0.2.1",
            result(FAIL, "-all", lookups=2, void_lookups=2),
        ),
        # The included record, its lookups and its empty answer.
        (
            "include:in.test -all",
            "192.0.2.1",
            result(PASS, "ip4:192.0.2.0/24", (ME, "in.test"), lookups=2, void_lookups=1),
        ),
        (
            "a:gone.test ?include:in.test -all",
            "192.0.2.1",
            result(NEUTRAL, "ip4:192.0.2.0/24", (ME, "in.test"), lookups=3, void_lookups=2),
        ),
        (
            "include:in.test -all",
            "203.0.113.1",
            result(FAIL, "-all", lookups=2, void_lookups=1),
        ),
        # A neutral or softfail result of an include is no match.
        ("include:soft.test -all", "192.0.2.1", result(FAIL, "-all", lookups=3, void_lookups=1)),
        (
            "include:soft.test -all",
            "203.0.113.1",
            result(FAIL, "-all", lookups=3, void_lookups=1),
        ),
        (
            f"{'include:out.test ' * 10}all",
            "192.0.2.1",
            result(PASS, "all", lookups=10),
        ),
        (
            f"{'include:out.test ' * 5}include:four.test all",
            "203.0.113.1",
            result(PASS, "all", lookups=10),
        ),
    ],
)
def test_cached_result_equals_check_host(record: str, ip: str, expected: CheckHostResult) -> None:
    assert asyncio.run(evaluate(record, ip)) == (expected, expected)


@pytest.mark.parametrize(
    "record",
    [
        "include:new.test -all",
        # An error of the included record is an error of the record.
        "include:broken.test -all",
        "include:empty.test -all",
        "include:slow.test -all",
        # It depends on the sender.
        "include:own.test -all",
        "include:%{d} -all",
        # Its result contains the record itself.
        "include:loop.test -all",
        "exists:host.test -all",
        "ptr -all",
        "a:%{d} -all",
        "a:slow.test -all",
        "mx:slow.test -all",
        "mx:slowmx.test -all",
        "mx:eleven.test -all",
        "redirect=out.test",
        "-all exp=why.test",
        f"{'include:out.test ' * 11}all",
        f"{'include:out.test ' * 6}include:four.test all",
        "a:x.test a:y.test a:z.test all",
        "a:x.test include:void.test all",
    ],
)
def test_record_is_left_to_check_host(record: str) -> None:
    found, _ = asyncio.run(evaluate(record, "203.0.113.1"))

    assert found is None


def test_include_cached_for_other_address_is_not_used() -> None:
    async def run() -> CheckHostResult | None:
        cached = IncludeResults()
        lookup = ZoneLookup(f'one.test TXT "v=spf1 include:out.test -all"\n{ZONE}')
        await check_host("192.0.2.1", ME, "", "", lookup=lookup, include_results=cached)
        policy = policy_of("include:out.test -all")
        return check_host_cached(ip_address("192.0.2.2"), ME, policy, cached, {})

    assert asyncio.run(run()) is None


def test_shortened_macro_is_not_the_cached_include() -> None:
    """The name that the macro becomes is short enough for one label more."""
    name = ".".join(["a" * 62] * 3 + ["b" * 61])
    record_result = RecordResult(SpfResult.PASS, matched=parse_term("all"), path=(name,))
    address = ip_address("192.0.2.1")
    cached = {
        (name, 4, int(address)): CachedInclude(record_result, 0, 0, frozenset({name})),
    }

    def evaluated(target: str) -> CheckHostResult | None:
        policy = policy_of(f"include:{target} -all")
        return check_host_cached(address, "a.b", policy, cached, {})

    assert evaluated(name) is not None
    assert evaluated(f"%{{d}}.{name}") is None


def listed(record: str) -> tuple[ListedHosts, ZoneLookup]:
    lookup = lookup_of(record)
    return asyncio.run(resolve_listed_hosts(policy_of(record), ME, lookup)), lookup


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("ip4:192.0.2.1 include:in.test exists:host.test ptr -all", {}),
        (
            "a:host.test/24//64 -all",
            {
                ("a:host.test/24//64", 4): (["192.0.2.0/24"], 0),
                ("a:host.test/24//64", 6): (["2001:db8::/64"], 0),
            },
        ),
        ("?a -all", {("?a", 4): (["192.0.2.1/32"], 0), ("?a", 6): ([], 1)}),
        (
            "mx:mail.test -all",
            {
                ("mx:mail.test", 4): (["192.0.2.1/32"], 0),
                ("mx:mail.test", 6): (["2001:db8::1/128"], 0),
            },
        ),
        ("mx:bare.test", {("mx:bare.test", 4): ([], 0), ("mx:bare.test", 6): ([], 0)}),
        ("mx:gone.test", {("mx:gone.test", 4): ([], 1), ("mx:gone.test", 6): ([], 1)}),
        ("a:slow.test mx:slow.test mx:slowmx.test mx:eleven.test a:%{d}", {}),
        # Terms after `all` are never evaluated.
        ("-all a:host.test", {}),
    ],
)
def test_hosts_of_terms(
    record: str, expected: dict[tuple[str, int], tuple[list[str], int]]
) -> None:
    hosts, _ = listed(record)

    assert {
        key: ([str(network) for network in found.networks], found.void_lookups)
        for key, found in hosts.items()
    } == expected


@pytest.mark.parametrize(("before", "is_resolved"), [(9, True), (10, False)])
def test_terms_beyond_the_limit_are_not_resolved(before: int, is_resolved: bool) -> None:
    hosts, lookup = listed(f"{'a:host.test ' * before}a:two.test")

    assert (("a:two.test", 4) in hosts) is is_resolved
    assert (("two.test", "A") in lookup.asked) is is_resolved
