"""Lists of addresses as sets, compared with single addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.sources.exports.address_sets import (
    AddressSet,
    missing,
    outside,
    read_span,
    unreadable,
)

BASE = int(IPv4Address("192.0.2.0"))
# Networks and ranges inside one /24.
NETWORKS = st.builds(
    lambda address, prefix: str(IPv4Network((BASE + address, prefix), strict=False)),
    st.integers(0, 255),
    st.integers(26, 32),
)
SPANS = st.builds(
    lambda first, length: f"{IPv4Address(BASE + first)}-{IPv4Address(BASE + first + length)}",
    st.integers(0, 200),
    st.integers(0, 55),
)
ENTRIES = st.lists(NETWORKS | SPANS, max_size=8)


def addresses(entries: list[str]) -> set[int]:
    return {
        address
        for entry in entries
        if (span := read_span(entry)) is not None
        for address in range(span[0], span[1] + 1)
    }


@given(ENTRIES, ENTRIES)
def test_missing_is_the_difference_of_sets(present: list[str], wanted: list[str]) -> None:
    left = missing(AddressSet(present), wanted)

    assert addresses(left) == addresses(wanted) - addresses(present)
    assert all(IPv4Network(entry).prefixlen >= 24 for entry in left)


@given(ENTRIES, NETWORKS)
def test_covers_and_overlaps(present: list[str], wanted: str) -> None:
    found = AddressSet(present)

    assert found.covers(wanted) == (addresses([wanted]) <= addresses(present))
    assert found.overlaps(wanted) == bool(addresses([wanted]) & addresses(present))
    assert outside([wanted], found) == ([] if found.covers(wanted) else [wanted])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail.test",
        "2001:db8::/32",
        "192.0.2.9-192.0.2.1",
        "192.0.2.0/33",
        "1.2.3",
        "-",
        "1.1.1.1-",
    ],
)
def test_other_texts_are_no_range(text: str) -> None:
    assert read_span(text) is None
    assert unreadable([text, "192.0.2.1"]) == [text]


def test_wide_ranges_are_split() -> None:
    assert missing(AddressSet([]), ["10.0.0.0/23", "10.9.9.9/32"]) == [
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.9.9.9",
    ]
    assert missing(AddressSet([]), ["0.0.0.0/0"]) == ["0.0.0.0/0"]
