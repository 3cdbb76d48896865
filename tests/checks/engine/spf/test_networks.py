"""Segments: one address decides, and no address is missing or counted twice."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.addresses import IPNetwork
from checks.engine.spf.networks import (
    Segment,
    collapse_networks,
    count_covered,
    covers,
    range_of,
    split_range,
)


def networks(least: int = 20) -> st.SearchStrategy[IPNetwork]:
    """Networks in a small range, so that they overlap."""
    return st.builds(
        lambda low, prefix: ip_network((0x0A000000 | low, prefix), strict=False),
        st.integers(0, 0xFFF),
        st.integers(least, 32),
    )


@given(networks(), st.lists(networks(), max_size=8))
def test_segments_tile_the_network(network: IPNetwork, boundaries: list[IPNetwork]) -> None:
    found = split_range(range_of(network), map(range_of, boundaries))

    assert found[0].first == network.network_address
    assert found[-1].last == network.broadcast_address
    for piece, following in pairwise(found):
        assert int(piece.last) + 1 == int(following.first)


@given(networks(), st.lists(networks(), max_size=8))
def test_segments_respect_boundaries(network: IPNetwork, boundaries: list[IPNetwork]) -> None:
    for piece in split_range(range_of(network), map(range_of, boundaries)):
        for boundary in boundaries:
            assert (piece.first in boundary) == (piece.last in boundary)
            assert (piece.first in boundary) == (piece.middle in boundary)


@given(st.lists(networks(24), max_size=6), networks(24))
def test_covers_agrees_with_counting(listed: list[IPNetwork], wanted: IPNetwork) -> None:
    expected = all(any(address in network for network in listed) for address in wanted)

    assert covers(listed, wanted) is expected


@given(st.lists(networks(24), max_size=8))
def test_collapse_preserves_addresses(listed: list[IPNetwork]) -> None:
    collapsed = collapse_networks(listed)

    assert {a for n in collapsed for a in n} == {a for n in listed for a in n}
    assert sum(n.num_addresses for n in collapsed) == len({a for n in collapsed for a in n})


def test_split_ignores_other_family() -> None:
    found = split_range(range_of(ip_network("2001:db8::/64")), [range_of(ip_network("0.0.0.0/0"))])

    assert [(piece.first, piece.last) for piece in found] == [
        (ip_address("2001:db8::"), ip_address("2001:db8::ffff:ffff:ffff:ffff"))
    ]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["192.0.2.0/25", "192.0.2.128/25"], True),
        (["192.0.2.0/25", "192.0.2.129/32"], False),
        (["192.0.0.0/16"], True),
        (["::/0"], False),
        ([], False),
    ],
)
def test_covers_combines_networks(listed: list[str], expected: bool) -> None:
    assert covers(map(ip_network, listed), ip_network("192.0.2.0/24")) is expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["192.0.2.0/24", "10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.0/8", "192.0.2.0/24"]),
        (["10.0.0.0/16", "10.0.0.0/8"], ["10.0.0.0/8"]),
        # The numbers of ::c000:200 and 192.0.2.0 are equal.
        (["::c000:200/128", "192.0.2.0/24"], ["192.0.2.0/24", "::c000:200/128"]),
        (["::/0", "0.0.0.0/0", "2001:db8::/32"], ["0.0.0.0/0", "::/0"]),
    ],
)
def test_collapsed_networks_are_sorted(listed: list[str], expected: list[str]) -> None:
    assert [str(n) for n in collapse_networks(map(ip_network, listed))] == expected


def test_hole_of_one_address_is_not_covered() -> None:
    listed = [ip_network("10.0.0.0/31"), ip_network("10.0.0.3/32")]

    assert not covers(listed, ip_network("10.0.0.0/30"))
    assert covers([*listed, ip_network("10.0.0.2/32")], ip_network("10.0.0.0/30"))


def test_count_of_covered_networks() -> None:
    ranges = [range_of(ip_network(n)) for n in ("10.0.0.128/25", "10.0.0.0/25", "2001:db8::/32")]
    wanted = map(ip_network, ("10.0.0.0/24", "10.0.0.1/32", "10.0.1.0/24", "2001:db8:1::/48"))

    assert count_covered(ranges, wanted) == 3
    assert count_covered([], [ip_network("10.0.0.0/24")]) == 0


def test_segment_names_its_ends() -> None:
    segment = Segment(ip_address("10.0.0.4"), ip_address("10.0.0.7"))

    assert (segment.ends, segment.middle) == (("10.0.0.4", "10.0.0.7"), ip_address("10.0.0.5"))
