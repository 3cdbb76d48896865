"""Shared state of SPF checks in a batch changes no outcome, compared with single runs."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from random import Random

import pytest

from checks.engine.dns.lookup import Record, Records
from checks.engine.expected_values import RegionFacts
from checks.engine.spf import check
from checks.engine.spf.check_host import IncludeResults, check_host
from checks.engine.spf.check_host_cache import check_host_cached, resolve_listed_hosts
from checks.engine.spf.expansion import Expansions, expand
from checks.engine.spf.terms import SpfPolicy, parse, select
from tests.checks.engine.dns.zone_lookup import ZoneLookup

SUBJECTS = ("one.test", "two.test", "three.test")
NAMES = (*SUBJECTS, "a.test", "b.test", "c.test", "region.test")
ADDRESSES = ("10.0.0.1", "10.0.0.77", "10.0.1.5", "10.1.0.1", "2001:db8::1")
Zone = dict[str, tuple[str, ...]]
SEEDS = 200
REGION = RegionFacts(id="eu", name="Europe", spf_include="region.test")
WANTED = 'region.test TXT "v=spf1 ip4:10.0.0.0/24 ip4:10.1.0.0/28 ~all"\n'
HOSTS = """
host.test A 10.0.1.5
host.test AAAA 2001:db8::1
mail.test MX 10 host.test
gone.test TROUBLE timeout
bare.test MX 10 empty.test
empty.test MX 10 host.test
why.test TXT "because"
"""
TERMS = (
    *("ip4:10.0.0.0/25", "ip4:10.0.0.64/26", "-ip4:10.0.0.77", "ip4:10.1.0.0/16"),
    *("ip6:2001:db8::/32", "a:host.test", "mx:mail.test", "ptr", "mx", "bad::term", "mx:bare.test"),
    *("a:none.test", "mx:nothing.test", "exists:none.test", "include:gone.test", "a:host.test"),
    *("a:%{o}", "exists:%{o}", "exists:%{i}.test", "include:none.test", "a:%{d}"),
)
ENDINGS = ("-all", "-all exp=why.test", "~all", "redirect=a.test", "redirect=one.test", "")


def zone_of(seed: int) -> Zone:
    """Usually one record for each name, with includes and all terms: loops, limits and errors.

    Seeds instead of a Hypothesis strategy: faults need large records, which strategies rarely make.
    """
    random = Random(seed)

    def record() -> str:
        include = [f"include:{random.choice(NAMES)}" for _ in range(random.randint(0, 3))]
        found = [*include, *random.choices(TERMS, k=random.randint(0, 3))]
        random.shuffle(found)
        return " ".join(["v=spf1", *found, random.choice(ENDINGS)]).strip()

    names = NAMES if seed % 3 == 0 else NAMES[:-1]
    counts = random.choices((1, 0, 2), (18, 1, 1), k=len(names))
    return {name: tuple(record() for _ in range(n)) for name, n in zip(names, counts, strict=True)}


def lookup_of(zone: Zone) -> ZoneLookup:
    lines = [f'{name} TXT "{record}"' for name, found in zone.items() for record in found]
    region = WANTED if "region.test" not in zone else ""
    return ZoneLookup("\n".join([*lines, HOSTS, region]))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_check_host_with_cache_is_equal(first: int) -> None:
    async def run(zone: Zone) -> None:
        lookup, include_results = lookup_of(zone), IncludeResults()
        for subject in SUBJECTS:
            for address in map(ip_address, ADDRESSES):
                asked = (address, subject, f"postmaster@{subject}", subject)
                alone = await check_host(*asked, lookup=lookup)
                record = select(zone[subject])
                policy = parse(record[0]) if len(record) == 1 else None
                if isinstance(policy, SpfPolicy):
                    hosts = await resolve_listed_hosts(policy, subject, lookup)
                    assert check_host_cached(address, subject, policy, include_results, hosts) in (
                        None,
                        alone,
                    )
                assert (
                    await check_host(*asked, lookup=lookup, include_results=include_results)
                    == alone
                )
                if isinstance(policy, SpfPolicy):
                    hosts = await resolve_listed_hosts(policy, subject, lookup)
                    assert check_host_cached(address, subject, policy, include_results, hosts) in (
                        None,
                        alone,
                    )

    for seed in range(first, first + 100):
        asyncio.run(run(zone_of(seed)))


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_expansion_with_shared_branches_is_equal(first: int) -> None:
    async def run(zone: Zone) -> None:
        lookup, expansions = lookup_of(zone), Expansions()
        for subject in (*SUBJECTS, "region.test", *SUBJECTS):
            assert await expand(subject, lookup, expansions) == await expand(subject, lookup)

    for seed in range(first, first + 100):
        asyncio.run(run(zone_of(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_batch_outcomes_equal_single_runs(first: int) -> None:
    async def run(zone: Zone) -> None:
        lookup, cache = lookup_of(zone), check.SpfBatchCache()
        for subject in (*SUBJECTS, *SUBJECTS):
            alone = await check.inspect(subject, REGION, lookup)
            assert await check.inspect(subject, REGION, lookup, cache) == alone

    for seed in range(first, first + 100):
        asyncio.run(run(zone_of(seed)))


def test_region_shares_its_includes() -> None:
    lookup = ZoneLookup('region.test TXT "v=spf1 include:a.test"\na.test TXT "v=spf1 -all"\n')
    cache = check.SpfBatchCache()

    asyncio.run(cache.region("region.test", lookup))

    assert list(cache.expansions) == ["include:a.test"]


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        ("include:region.test -all", {}),
        # The proposal for this record has the include.
        ("-all", {}),
        # For the tree, and once for all addresses.
        ("a:host.test include:region.test -all", {("host.test", "A"): 2, ("host.test", "AAAA"): 2}),
    ],
)
def test_batch_shares_queries(record: str, asked: dict[tuple[str, str], int]) -> None:
    lookup = ZoneLookup(f"""
    one.test TXT "v=spf1 include:region.test -all"
    two.test TXT "v=spf1 {record}"
    {WANTED}{HOSTS}""")
    cache = check.SpfBatchCache()

    async def run() -> None:
        await check.inspect("one.test", REGION, lookup, cache)
        lookup.asked.clear()
        await check.inspect("two.test", REGION, lookup, cache)

    asyncio.run(run())

    assert lookup.asked == asked


def test_path_of_own_term() -> None:
    networks = [ip_network("10.1.0.0/28")]
    answer = Records((Record("one.test", "TXT", 0, "v=spf1 ip4:10.1.0.0/28 -all"),))

    facts = asyncio.run(
        check.gather_facts("one.test", networks, answer, ZoneLookup(""), check.SpfBatchCache())
    )

    assert [each.path for each in facts.results] == [("one.test",)]


def test_include_is_evaluated_once_per_address() -> None:
    many = "\n".join(f'{name} TXT "v=spf1 include:a.test -all"' for name in SUBJECTS)
    lookup = ZoneLookup(f'{many}\na.test TXT "v=spf1 mx:mail.test ~all"\n{HOSTS}')
    include_results = IncludeResults()

    async def run() -> list[tuple[str, int]]:
        address = ip_address("10.0.1.5")
        results = [
            await check_host(
                address, name, f"x@{name}", name, lookup=lookup, include_results=include_results
            )
            for name in SUBJECTS
        ]
        return [(str(each.result), each.lookups) for each in results]

    assert asyncio.run(run()) == [("pass", 2)] * 3
    assert lookup.asked["mail.test", "MX"] == 1


@pytest.mark.parametrize("included", ["include:one.test", "include:one.test include:b.test"])
def test_include_of_subject_is_not_reused(included: str) -> None:
    """The servers have another record than the resolvers, so the include has another result.

    The result of b.test is shared when a.test is evaluated.
    """
    world = f"""
    one.test TXT "v=spf1 ip4:10.0.2.0/24 -all"
    two.test TXT "v=spf1 include:b.test include:a.test ip4:10.0.1.0/24 -all"
    a.test TXT "v=spf1 {included} -all"
    b.test TXT "v=spf1 ip4:10.0.3.0/24 -all"
    """
    lookup, include_results = ZoneLookup(world), IncludeResults()
    record = "v=spf1 ip4:10.0.0.0/25 include:a.test -all"
    pinned = check.PinnedLookup(
        lookup, "one.test", Records((Record("one.test", "TXT", 0, record),))
    )

    async def run() -> list[str]:
        address = ip_address("10.0.1.5")
        two = await check_host(
            address, "two.test", "", "", lookup=lookup, include_results=include_results
        )
        one = await check_host(
            address, "one.test", "", "", lookup=pinned, include_results=include_results
        )
        return [str(two.result), one.problem]

    assert asyncio.run(run()) == ["pass", "too-many-lookups"]


def test_cached_lookups_count_for_limit() -> None:
    costly = " ".join(["include:b.test"] * 8)
    zone = f"""
    one.test TXT "v=spf1 include:a.test -all"
    two.test TXT "v=spf1 {costly} include:a.test -all"
    a.test TXT "v=spf1 mx:bare.test mx:mail.test ~all"
    b.test TXT "v=spf1 ip4:10.2.0.0/16 ~all"
    """
    lookup, include_results = ZoneLookup(zone + HOSTS), IncludeResults()

    async def run() -> list[tuple[str, str]]:
        address = ip_address("10.0.1.5")
        results = [
            await check_host(address, name, "", "", lookup=lookup, include_results=include_results)
            for name in ("one.test", "two.test")
        ]
        return [(str(each.result), each.problem) for each in results]

    assert asyncio.run(run()) == [("pass", ""), ("permerror", "too-many-lookups")]
