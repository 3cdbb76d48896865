"""The addresses that a record authorises outside the region: exact sums and the widest term."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.engine.outcomes import Verdict
from checks.engine.spf.authorised import (
    IPV4,
    IPV6,
    authorised,
    intersect,
    subtract,
    union,
    wide_authorisations,
)
from checks.engine.spf.check_host import SpfResult, check_host
from checks.engine.spf.expansion import expand
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params
from tests.checks.engine.spf.test_check import INCLUDE, run_check

# Field case 04: every unicast network, in terms of which none contains all three test addresses.
NEARLY_ALL = (
    "ip4:1.0.0.0/8 ip4:2.0.0.0/7 ip4:4.0.0.0/6 ip4:8.0.0.0/5 ip4:16.0.0.0/4 ip4:32.0.0.0/3"
    " ip4:64.0.0.0/2 ip4:128.0.0.0/2 ip4:192.0.0.0/3"
)
HALVES = 'half.test TXT "v=spf1 ip4:0.0.0.0/1 -all"\nother.test TXT "v=spf1 ip4:128.0.0.0/2 ~all"\n'
SMALL = "\n".join(f'n{n}.test TXT "v=spf1 ip4:{40 + n}.64.0.0/12 -all"' for n in range(5)) + "\n"


@pytest.mark.parametrize(
    ("record", "extra", "code", "term"),
    [
        (f"v=spf1 {INCLUDE} {NEARLY_ALL} -all", "", "spf.many-ipv4", "ip4:128.0.0.0/2"),
        (f"v=spf1 {INCLUDE} ip4:40.0.0.0/10 -all", "", "spf.many-ipv4", "ip4:40.0.0.0/10"),
        (
            f"v=spf1 {INCLUDE} include:half.test include:other.test -all",
            HALVES,
            "spf.many-ipv4",
            "include:half.test",
        ),
        (f"v=spf1 {INCLUDE} redirect=half.test", HALVES, "spf.many-ipv4", "redirect=half.test"),
        (
            f"v=spf1 {INCLUDE} {' '.join(f'include:n{n}.test' for n in range(5))} -all",
            SMALL,
            "spf.many-ipv4",
            "include:n0.test",
        ),
        (
            f"v=spf1 {INCLUDE} a:www.test/8 -all",
            "www.test A 52.1.2.3\n",
            "spf.many-ipv4",
            "a:www.test/8",
        ),
        (
            f"v=spf1 {INCLUDE} mx/9 -all",
            "example.test MX 10 www.test\nwww.test A 52.1.2.3\n",
            "spf.many-ipv4",
            "mx/9",
        ),
        (f"v=spf1 {INCLUDE} ip6:2000::/3 -all", "", "spf.many-ipv6", "ip6:2000::/3"),
        (f"v=spf1 {INCLUDE} ip6:2600::/24 -all", "", "spf.many-ipv6", "ip6:2600::/24"),
        (
            f"v=spf1 {INCLUDE} -ip4:40.0.0.0/12 ip4:40.0.0.0/9 -all",
            "",
            "spf.many-ipv4",
            "ip4:40.0.0.0/9",
        ),
        # The rest of the internet passes after a small exception.
        (
            f"v=spf1 {INCLUDE} -ip4:0.0.0.0/8 -ip4:127.0.0.0/8 -ip4:240.0.0.0/4 +all",
            "",
            "spf.many-ipv4",
            "+all",
        ),
    ],
)
def test_wide_record_is_a_caution(record: str, extra: str, code: str, term: str) -> None:
    outcome = run_check(record, extra)

    assert outcome.verdict is Verdict.WARN
    assert params(outcome, code)["term"] == term
    assert params(outcome, code)["count"] >= params(outcome, code)["limit"] == 2**22


@pytest.mark.parametrize(
    "record",
    [
        f"v=spf1 {INCLUDE} ip4:40.0.0.0/11 ip4:52.0.0.0/12 -all",
        # Private and reserved networks are no senders of the internet.
        f"v=spf1 {INCLUDE} ip4:10.0.0.0/8 ip4:240.0.0.0/4 ip6:fc00::/7 -all",
        # Neutral and softfail do not authorise.
        f"v=spf1 {INCLUDE} ?ip4:0.0.0.0/1 ~ip4:128.0.0.0/2 ?all",
        # The first match decides.
        f"v=spf1 {INCLUDE} -ip4:0.0.0.0/0 ip4:64.0.0.0/2 -all",
        f"v=spf1 {INCLUDE} ip6:2a00::/27 -all",
    ],
)
def test_narrow_record_passes(record: str) -> None:
    outcome = run_check(record)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


def test_sum_is_exact() -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} ip4:64.0.0.0/2 ip4:96.0.0.0/3 -all")

    # 64.0.0.0/2 without 100.64.0.0/10, 127.0.0.0/8 and the region's 91.220.42.0/24.
    expected = 2**30 - 2**22 - 2**24 - 2**8
    found = params(outcome, "spf.many-ipv4")
    assert (found["count"], found["term_count"]) == (expected, expected)


def test_count_is_rounded_up() -> None:
    assert IPV4.count([(0, 9), (20, 20)]) == 11
    assert [IPV6.count([(0, 2**80 - 1 + more)]) for more in (0, 1)] == [1, 2]
    assert IPV6.count([(0, 2**128 - 2**79)]) == 2**48


@pytest.mark.parametrize(
    ("ranges", "joined"),
    [
        ([(5, 9), (0, 4)], [(0, 9)]),
        ([(0, 4), (4, 9)], [(0, 9)]),
        ([(0, 9), (2, 3)], [(0, 9)]),
        ([(0, 4), (6, 9)], [(0, 4), (6, 9)]),
    ],
)
def test_adjacent_ranges_are_joined(
    ranges: list[tuple[int, int]], joined: list[tuple[int, int]]
) -> None:
    assert union(ranges) == joined


@pytest.mark.parametrize(
    ("removed", "left"),
    [([(0, 4)], [(5, 9)]), ([(5, 9)], [(0, 4)]), ([(0, 9)], []), ([(4, 5)], [(0, 3), (6, 9)])],
)
def test_no_empty_range_is_left(
    removed: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert subtract([(0, 9)], removed) == left


@pytest.mark.parametrize(("prefix", "count"), [(10, 2**22), (11, None)])
def test_limit_itself_is_too_wide(prefix: int, count: int | None) -> None:
    term = f"ip4:40.0.0.0/{prefix}"
    tree = asyncio.run(
        expand("example.test", ZoneLookup(f'example.test TXT "v=spf1 {term} -all"\n'))
    )

    found = [(w.family.version, w.count, w.term) for w in wide_authorisations(tree, ())]

    assert found == ([(4, count, term)] if count is not None else [])


def test_record_for_everyone_has_one_caution() -> None:
    assert codes(run_check(f"v=spf1 {INCLUDE} +all")) == ["spf.passes-everyone"]


small_ranges = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda r: (r[0], r[0] + r[1])), max_size=6
)


def members(ranges: list[tuple[int, int]]) -> set[int]:
    return {n for first, last in ranges for n in range(first, last + 1)}


@given(small_ranges, small_ranges)
def test_range_operations_equal_sets(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    one, two = union(some), union(others)

    assert members(one) == members(some)
    assert members(subtract(one, two)) == members(one) - members(two)
    assert members(intersect(one, two)) == members(one) & members(two)


terms = st.tuples(
    st.sampled_from(["", "-", "~", "?"]),
    st.one_of(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
            lambda n: f"ip4:{ip_network(n, strict=False)}"
        ),
        st.sampled_from(["include:one.test", "include:two.test"]),
    ),
).map("".join)
records = st.tuples(st.lists(terms, max_size=5), st.sampled_from(["-all", "~all", "+all", ""])).map(
    lambda parts: " ".join(["v=spf1", *parts[0], parts[1]]).strip()
)


@settings(max_examples=60)
@given(records, st.lists(st.integers(0, 2**32 - 1), max_size=4))
def test_authorised_equals_check_host(record: str, addresses: list[int]) -> None:
    zone = ZoneLookup(
        f'example.test TXT "{record}"\n'
        'one.test TXT "v=spf1 ip4:16.0.0.0/6 -ip4:64.0.0.0/4 ip4:64.0.0.0/2 -all"\n'
        'two.test TXT "v=spf1 include:one.test ip4:200.0.0.0/5 ?all"\n'
    )

    async def compare() -> None:
        tree = await expand("example.test", zone)
        passing = authorised(tree, IPV4, [(0, 2**32 - 1)])
        edges = [edge for pair in passing for edge in (pair[0], pair[1])]
        around = [edge + step for edge in edges for step in (-1, 0, 1)]
        for number in {n for n in (*addresses, *around) if 0 <= n < 2**32}:
            found = await check_host(
                ip_address(number), "example.test", "a@example.test", "h.test", lookup=zone
            )
            is_inside = any(first <= number <= last for first, last in passing)
            assert is_inside == (found.result is SpfResult.PASS), ip_address(number)

    asyncio.run(compare())
