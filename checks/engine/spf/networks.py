"""Split networks at the boundaries of a record's networks: one address decides for a segment."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from checks.engine.addresses import Address, IPNetwork


@dataclass(frozen=True)
class Segment:
    """A range of addresses that each network of the record contains completely or not at all."""

    first: Address
    last: Address

    @functools.cached_property
    def ends(self) -> tuple[str, str]:
        return str(self.first), str(self.last)

    @property
    def middle(self) -> Address:
        return type(self.first)((int(self.first) + int(self.last)) // 2)


# Version, first and last address as numbers.
Range = tuple[int, int, int]


@functools.lru_cache(maxsize=4096)
def range_of(network: IPNetwork) -> Range:
    """Return the network as numbers. Cached, because a batch needs each network many times."""
    return network.version, int(network.network_address), int(network.broadcast_address)


@functools.lru_cache(maxsize=4096)
def _piece(version: int, first: int, last: int) -> Segment:
    kind = IPv4Address if version == 4 else IPv6Address
    return Segment(kind(first), kind(last))


def split_range(network: Range, boundaries: Iterable[Range]) -> list[Segment]:
    """Split `network` at every boundary inside it. The result is exact, not sampled."""
    version, first, last = network
    starts = {first}
    for other, start, end in boundaries:
        if start <= last and end >= first and other == version:
            if first < start:
                starts.add(start)
            # The address after an inner network begins the next segment.
            if end < last:
                starts.add(end + 1)
    edges = pairwise([*sorted(starts), last + 1])
    return [_piece(version, start, following - 1) for start, following in edges]


def collapse_networks(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    """Return the networks sorted, without duplicates and without networks inside another."""
    found = sorted(set(networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen))
    collapsed: list[IPNetwork] = []
    for network in found:
        previous = collapsed[-1] if collapsed else None
        inside = (
            previous is not None
            and previous.version == network.version
            and int(network.broadcast_address) <= int(previous.broadcast_address)
        )
        if not inside:
            collapsed.append(network)
    return collapsed


def covers(networks: Iterable[IPNetwork], expected: IPNetwork) -> bool:
    """Return whether the networks together contain every address of `expected`."""
    return count_covered(map(range_of, networks), [expected]) == 1


def count_covered(ranges: Iterable[Range], expected: Iterable[IPNetwork]) -> int:
    """Return the number of `expected` networks that the ranges together contain completely."""
    ordered = sorted(ranges)
    return sum([_is_covered(ordered, *range_of(each)) for each in expected]) if ordered else 0


def _is_covered(ranges: list[Range], version: int, needed: int, last: int) -> bool:
    for other, start, end in ranges:
        # Sorted ranges: each can only extend the covered part, so one pass is enough.
        if start <= needed <= end and other == version:
            needed = end + 1
    return needed > last
