"""Networks cut where a record's lists begin and end, so that one address speaks for each piece."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from checks.engine.addresses import Address, IPNetwork


@dataclass(frozen=True)
class Piece:
    """Neighbouring addresses that every network of the record holds all or none of."""

    first: Address
    last: Address

    @property
    def middle(self) -> Address:
        return type(self.first)((int(self.first) + int(self.last)) // 2)


@functools.lru_cache(maxsize=4096)
def _ends(network: IPNetwork) -> tuple[int, int, int]:
    """Version, first and last address as numbers: a record's networks are looked at many times."""
    return network.version, int(network.network_address), int(network.broadcast_address)


def pieces(network: IPNetwork, boundaries: Iterable[IPNetwork]) -> list[Piece]:
    """Cut `network` at every boundary inside it. Exact: nothing is sampled."""
    version, first, last = _ends(network)
    starts = {first}
    for other, start, end in map(_ends, boundaries):
        if other == version and start <= last and end >= first:
            starts.update(edge for edge in (start, end + 1) if first < edge <= last)
    ordered = sorted(starts)
    ends = [start - 1 for start in ordered[1:]] + [last]
    kind = type(network.network_address)
    return [Piece(kind(start), kind(end)) for start, end in zip(ordered, ends, strict=True)]


def distinct(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    """Without repetition, or networks that lie inside another; in order."""
    found = sorted(set(networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen))
    kept: list[IPNetwork] = []
    for network in found:
        previous = kept[-1] if kept else None
        inside = (
            previous is not None
            and previous.version == network.version
            and int(network.broadcast_address) <= int(previous.broadcast_address)
        )
        if not inside:
            kept.append(network)
    return kept


def covers(networks: Iterable[IPNetwork], wanted: IPNetwork) -> bool:
    """Do the networks together hold every address of `wanted`?"""
    return count_covered(networks, [wanted]) == 1


def count_covered(networks: Iterable[IPNetwork], wanted: Iterable[IPNetwork]) -> int:
    """How many of `wanted` do the networks together hold whole?"""
    ranges = sorted(map(_ends, networks))
    return sum(_is_covered(ranges, *_ends(each)) for each in wanted) if ranges else 0


def _is_covered(ranges: list[tuple[int, int, int]], version: int, needed: int, last: int) -> bool:
    for other, start, end in ranges:
        if other == version and start <= needed <= end:
            needed = end + 1
    return needed > last
