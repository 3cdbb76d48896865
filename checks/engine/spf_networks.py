"""Networks cut where a record's lists begin and end, so that one address speaks for each piece."""

from __future__ import annotations

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


def pieces(network: IPNetwork, boundaries: Iterable[IPNetwork]) -> list[Piece]:
    """Cut `network` at every boundary inside it. Exact: nothing is sampled."""
    first, last = int(network.network_address), int(network.broadcast_address)
    starts = {first}
    for other in boundaries:
        if other.version == network.version:
            edges = (int(other.network_address), int(other.broadcast_address) + 1)
            starts.update(edge for edge in edges if first < edge <= last)
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
    ranges = sorted(
        (int(n.network_address), int(n.broadcast_address))
        for n in networks
        if n.version == wanted.version
    )
    needed = int(wanted.network_address)
    for first, last in ranges:
        if first <= needed <= last:
            needed = last + 1
    return needed > int(wanted.broadcast_address)
