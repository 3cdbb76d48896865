"""The addresses that an expanded record authorises outside the region, counted exactly.

A record that authorises a large part of the internet lets nearly every sender pass, in one term or
in many. Only addresses of the public internet count: a private network sends no mail to receivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.engine.addresses import SPECIAL_PURPOSE_V4, IPNetwork
from checks.engine.spf.expansion import ExpansionNode
from checks.engine.spf.networks import Range, range_of

# A /10, a thousandth of IPv4.
IPV4_LIMIT = 2**22
# A /26, in networks of the size /48. The usual allocation of a provider is a /32.
IPV6_LIMIT = 2**22
_IPV6_UNIT = 2**80

# Disjoint ranges of one IP version, sorted, as first and last address.
Ranges = list[tuple[int, int]]

_EVERY_IPV4: Ranges = [(0, 2**32 - 1)]
# The public internet of IPv6 is 2000::/3 (IANA). Documentation and 6to4 ranges are inside.
_PUBLIC_IPV6: Ranges = [(2**125, 2**126 - 1)]


@dataclass(frozen=True)
class Family:
    """One IP version: the addresses that count, and the size above which a record is too wide."""

    version: int
    public: Ranges
    limit: int
    unit: int

    def count(self, ranges: Ranges) -> int:
        """Addresses of IPv4, or networks of the size /48 of IPv6, rounded up."""
        return -(-sum(last - first + 1 for first, last in ranges) // self.unit)


def _of_version(version: int, ranges: Iterable[Range]) -> Ranges:
    return union([(first, last) for family, first, last in ranges if family == version])


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the same addresses as sorted, disjoint ranges."""
    joined: Ranges = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def subtract(ranges: Ranges, removed: Ranges) -> Ranges:
    """Return the addresses of `ranges` that are not in `removed`. Both are sorted and disjoint."""
    left: Ranges = []
    place = 0
    for first, last in ranges:
        while place < len(removed) and removed[place][1] < first:
            place += 1
        here = place
        while here < len(removed) and removed[here][0] <= last:
            if removed[here][0] > first:
                left.append((first, removed[here][0] - 1))
            first = removed[here][1] + 1
            here += 1
        if first <= last:
            left.append((first, last))
    return left


def intersect(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the addresses that are in both."""
    return subtract(ranges, subtract(ranges, others))


IPV4 = Family(
    4, subtract(_EVERY_IPV4, _of_version(4, map(range_of, SPECIAL_PURPOSE_V4))), IPV4_LIMIT, 1
)
IPV6 = Family(6, _PUBLIC_IPV6, IPV6_LIMIT, _IPV6_UNIT)


def authorised(node: ExpansionNode, family: Family, undecided: Ranges) -> Ranges:
    """Return the addresses of `undecided` that pass the record of this node.

    The first term that matches an address decides (RFC 7208 section 4.6.2). A dynamic term lists no
    addresses and is left out, so that the result is a lower bound.
    """
    passing: Ranges = []
    for term in node.children:
        matched = _matched(term, family, undecided)
        if term.qualifier == "+":
            passing += matched
        undecided = subtract(undecided, matched)
    return union(passing)


def _matched(term: ExpansionNode, family: Family, undecided: Ranges) -> Ranges:
    if term.name == "all":
        return undecided
    if term.name in ("include", "redirect"):
        # An include matches where its record passes (section 5.2), and a redirect passes (6.1).
        return authorised(term, family, undecided)
    listed = _of_version(family.version, map(range_of, term.networks))
    return intersect(undecided, listed)


@dataclass(frozen=True)
class WideAuthorisation:
    """The addresses outside the region that pass, and the term that authorises most of them."""

    family: Family
    count: int
    term: str
    term_count: int


def wide_authorisations(
    tree: ExpansionNode, region_networks: Sequence[IPNetwork]
) -> list[WideAuthorisation]:
    """Return one entry for each IP version whose limit the record reaches outside the region."""
    found = (_wide(tree, family, region_networks) for family in (IPV4, IPV6))
    return [each for each in found if each is not None]


def _wide(
    tree: ExpansionNode, family: Family, region_networks: Sequence[IPNetwork]
) -> WideAuthorisation | None:
    if not _may_reach_limit(tree, family):
        return None
    ours = _of_version(family.version, map(range_of, region_networks))
    outside = subtract(family.public, ours)
    count = family.count(authorised(tree, family, outside))
    if count < family.limit:
        return None
    term_count, term = _widest_term(tree, family, outside)
    return WideAuthorisation(family, count, term, term_count)


def _may_reach_limit(tree: ExpansionNode, family: Family) -> bool:
    """Cheap: the sum of all listed networks is an upper bound, unless a term matches everything."""
    sizes = [last - first + 1 for version, first, last in tree.ranges if version == family.version]
    return sum(sizes) >= family.limit * family.unit or tree.has_pass_all


def _widest_term(tree: ExpansionNode, family: Family, undecided: Ranges) -> tuple[int, str]:
    """The term of the client's own record that lets most addresses pass, and their number."""
    widest = (0, "")
    for term in tree.children:
        matched = _matched(term, family, undecided)
        if term.qualifier == "+" and family.count(matched) > widest[0]:
            widest = (family.count(matched), term.text)
        undecided = subtract(undecided, matched)
    return widest
