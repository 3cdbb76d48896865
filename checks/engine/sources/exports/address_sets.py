"""Compare lists of IPv4 addresses as sets: the same addresses can be split in many ways."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, summarize_address_range

# First and last address as numbers.
Span = tuple[int, int]

# Exchange Online accepts networks of /24 to /32.
_LARGEST_PREFIX = 24
# A wider network is left as it is: it would be split into thousands.
_WIDEST_SPLIT = 16


def read_span(text: str) -> Span | None:
    """Parse an address, `first-last` or a network; None for anything else, also for IPv6."""
    first, dash, last = text.strip().partition("-")
    try:
        if dash:
            span = int(IPv4Address(first.strip())), int(IPv4Address(last.strip()))
            return span if span[0] <= span[1] else None
        network = IPv4Network(first, strict=False)
    except (AddressValueError, ValueError):
        return None
    return int(network.network_address), int(network.broadcast_address)


class AddressSet:
    """A set of IPv4 addresses from a list. Entries that cannot be parsed are left out."""

    def __init__(self, entries: Iterable[str]) -> None:
        spans = sorted(span for span in map(read_span, entries) if span is not None)
        self.spans: list[Span] = []
        for first, last in spans:
            if self.spans and first <= self.spans[-1][1] + 1:
                self.spans[-1] = (self.spans[-1][0], max(last, self.spans[-1][1]))
            else:
                self.spans.append((first, last))
        self._firsts = [first for first, _ in self.spans]

    def __bool__(self) -> bool:
        return bool(self.spans)

    def uncovered(self, span: Span) -> list[Span]:
        """The parts of `span` outside this set."""
        first, last = span
        left: list[Span] = []
        index = max(bisect_right(self._firsts, first) - 1, 0)
        for start, end in self.spans[index:]:
            if start > last:
                break
            if end < first:
                continue
            if start > first:
                left.append((first, start - 1))
            first = end + 1
            if first > last:
                return left
        left.append((first, last))
        return left

    def covers(self, entry: str) -> bool:
        """Whether the set contains every address of the entry."""
        span = read_span(entry)
        return span is not None and not self.uncovered(span)

    def overlaps(self, entry: str) -> bool:
        """Whether the set contains an address of the entry."""
        span = read_span(entry)
        return span is not None and self.uncovered(span) != [span]


def missing(entries: AddressSet, wanted: Iterable[str]) -> list[str]:
    """The networks of `wanted` outside `entries`, split as Exchange Online accepts them."""
    left = [
        part for each in wanted if (span := read_span(each)) for part in entries.uncovered(span)
    ]
    merged = AddressSet(f"{IPv4Address(first)}-{IPv4Address(last)}" for first, last in left)
    return [text for span in merged.spans for text in _as_networks(span)]


def outside(entries: Iterable[str], allowed: AddressSet) -> list[str]:
    """The entries with an address outside `allowed`, as written."""
    return [entry for entry in entries if (span := read_span(entry)) and allowed.uncovered(span)]


def unreadable(entries: Iterable[str]) -> list[str]:
    """The entries that are no IPv4 address, range or network."""
    return [entry for entry in entries if read_span(entry) is None]


def _as_networks(span: Span) -> Sequence[str]:
    networks = summarize_address_range(IPv4Address(span[0]), IPv4Address(span[1]))
    return [
        _without_single_mask(part)
        for network in networks
        for part in (
            network.subnets(new_prefix=_LARGEST_PREFIX)
            if _WIDEST_SPLIT <= network.prefixlen < _LARGEST_PREFIX
            else (network,)
        )
    ]


def _without_single_mask(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)
