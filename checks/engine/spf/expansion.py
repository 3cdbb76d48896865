"""Expand an SPF record completely: every branch, its lookups, and its addresses.

Evaluation stops at the first match and at the tenth lookup. People must see the complete tree, and
above all the branch with too many lookups. So the expansion continues past that limit, up to its
own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, TypeVar

from checks.engine.addresses import IPNetwork, network_text
from checks.engine.dns.lookup import (
    Answer,
    Lookup,
    LookupFailure,
    NoName,
    Records,
    sorted_values,
)
from checks.engine.spf.check_host import MAX_HOSTS as MAX_HOSTS_OF_TERM
from checks.engine.spf.check_host import is_fqdn
from checks.engine.spf.macros import MacroValues, expand_name
from checks.engine.spf.networks import Range, count_covered, range_of
from checks.engine.spf.terms import BadSyntax, Term, network_of, parse, select

MAX_COSTLY_TERMS = 60
MAX_TERMS = 5000
# RFC 7208 section 4.6.4 allows ten terms with ten hosts each. A record with more is an error, and
# its hosts are not resolved: a thousand hosts in each term would be a flood of queries.
MAX_HOSTS = 100
_MAX_SHOWN_NETWORKS = 50
_MAX_SHOWN_TERMS = 100
_T = TypeVar("_T")


@dataclass
class ExpansionNode:
    """One term of the tree, or its root. `problem` is a stable code, as in CheckHostResult."""

    text: str
    name: str = ""
    target: str = ""
    qualifier: str = "+"
    cost: int = 0
    void: int = 0
    problem: str = ""
    detail: str = ""
    networks: list[IPNetwork] = field(default_factory=list)
    children: list[ExpansionNode] = field(default_factory=list)
    _evidence: tuple[Sequence[IPNetwork], dict[str, Any]] | None = field(
        default=None, repr=False, compare=False
    )

    # The totals of a branch are cached. A node is complete before the first access, and the branch
    # of an include is one object in the trees of all domains of a batch.

    def walk(self) -> Iterator[ExpansionNode]:
        yield self
        for child in self.children:
            yield from child.walk()

    @functools.cached_property
    def lookups(self) -> int:
        """The lookups of the branch, of which ten are allowed."""
        return self.cost + sum([child.lookups for child in self.children])

    @functools.cached_property
    def void_lookups(self) -> int:
        return self.void + sum([child.void_lookups for child in self.children])

    @functools.cached_property
    def all_networks(self) -> list[IPNetwork]:
        return _concatenated(self.networks, [child.all_networks for child in self.children])

    @functools.cached_property
    def ranges(self) -> list[Range]:
        """The same networks as numbers."""
        own = [range_of(network) for network in self.networks]
        return _concatenated(own, [child.ranges for child in self.children])

    @property
    def listed_networks(self) -> list[IPNetwork]:
        """The networks of the ip4 and ip6 terms with the qualifier pass."""
        return [
            network
            for node in self.walk()
            if node.name in ("ip4", "ip6") and node.qualifier == "+"
            for network in node.networks
        ]

    @functools.cached_property
    def has_pass_all(self) -> bool:
        """Whether a term of the tree lets every address pass."""
        is_pass_all = self.name == "all" and self.qualifier == "+"
        return is_pass_all or any(child.has_pass_all for child in self.children)

    @functools.cached_property
    def included(self) -> list[str]:
        """Every domain whose record is included, by `include` or `redirect`."""
        own = [self.target] if self.name in ("include", "redirect") else []
        return _concatenated(own, [child.included for child in self.children])

    @functools.cached_property
    def problems(self) -> list[tuple[str, str]]:
        """Each distinct problem of the branch with its detail, in the order of the terms."""
        own = [(self.problem, self.detail)] if self.problem else []
        return list(dict.fromkeys(_concatenated(own, [child.problems for child in self.children])))

    def as_evidence(self, expected_networks: Sequence[IPNetwork]) -> dict[str, Any]:
        """Return the tree as plain values; `covers` counts the expected networks inside a branch.

        Callers must not modify it: all trees with this branch share the object.
        """
        if self._evidence is None or self._evidence[0] is not expected_networks:
            self._evidence = (expected_networks, self._as_evidence(expected_networks))
        return self._evidence[1]

    def _as_evidence(self, expected_networks: Sequence[IPNetwork]) -> dict[str, Any]:
        row: dict[str, Any] = {
            "term": self.text,
            "cost": self.cost,
            "lookups": self.lookups,
            "covers": count_covered(self.ranges, expected_networks),
            "networks": [network_text(network) for network in self.networks[:_MAX_SHOWN_NETWORKS]],
            "children": [
                child.as_evidence(expected_networks) for child in self.children[:_MAX_SHOWN_TERMS]
            ],
        }
        if len(self.children) > _MAX_SHOWN_TERMS:
            row["terms_not_shown"] = len(self.children) - _MAX_SHOWN_TERMS
        if self.problem:
            row["problem"] = f"{self.problem}: {self.detail}"
        return row


def _concatenated(own: list[_T], below: Iterable[list[_T]]) -> list[_T]:
    joined = own[:]
    for each in below:
        joined += each
    return joined


@dataclass(frozen=True, slots=True)
class _Branch:
    """An expanded include, and its share of the limits of an expansion."""

    node: ExpansionNode
    costly: int
    terms: int
    hosts: int


# By the text of the term. Valid for one batch, in which answers do not change.
Expansions = dict[str, _Branch]


@dataclass
class _Walk:
    """The state of one expansion."""

    sender_domain: str
    lookup: Lookup
    expansions: Expansions
    costly: int = 0
    terms: int = 0
    hosts: int = 0

    def macro_values(self, domain: str) -> MacroValues:
        # Terms with varying macro letters are never expanded, so the address is not used.
        return MacroValues(
            IPv4Address(0), domain, f"postmaster@{self.sender_domain}", "", self._validated
        )

    async def _validated(self) -> str:
        return "unknown"


async def expand(
    domain: str, lookup: Lookup, expansions: Expansions | None = None
) -> ExpansionNode:
    """Expand the record of `domain`. A DNS failure is a problem of its node.

    `expansions` contains the includes that the batch has expanded; new ones are added.
    """
    root = ExpansionNode(text=domain, target=domain)
    walk = _Walk(domain, lookup, {} if expansions is None else expansions)
    await _expand_record(walk, root, (domain,))
    return root


async def _expand_record(walk: _Walk, node: ExpansionNode, path: tuple[str, ...]) -> None:
    answer = await _ask(walk, node.target, "TXT")
    if isinstance(answer, LookupFailure):
        node.problem, node.detail = "lookup-failed", f"{node.target}: {answer.reason}"
        return
    records = select(answer.values) if isinstance(answer, Records) else []
    if len(records) != 1:
        node.problem = "several-records" if records else "no-record"
        node.detail = node.target
        return
    policy = parse(records[0])
    if isinstance(policy, BadSyntax):
        node.problem, node.detail = "syntax", policy.term
        return
    # Limits the memory for a record that includes many long ones.
    walk.terms += len(policy.evaluated)
    if walk.terms > MAX_TERMS:
        node.problem, node.detail = "too-long", node.target
        return
    for term in policy.evaluated:
        node.children.append(await _expand_term(walk, path, term))


async def _ask(walk: _Walk, name: str, rtype: str) -> Answer:
    return await walk.lookup.resolve(name, rtype) if is_fqdn(name) else NoName()


async def _expand_term(walk: _Walk, path: tuple[str, ...], term: Term) -> ExpansionNode:
    if term.name == "include":
        known = walk.expansions.get(term.text)
        if known is not None and _is_within_limits(walk, path, known):
            walk.costly += known.costly
            walk.terms += known.terms
            walk.hosts += known.hosts
            return known.node
    node = ExpansionNode(
        term.text, term.name, qualifier=term.qualifier, cost=int(term.costs_lookup)
    )
    if term.network is not None:
        node.networks.append(term.network)
    # A dynamic term lists no fixed addresses, so its names are not resolved.
    if not term.costs_lookup or term.is_dynamic:
        return node
    costly, terms, hosts = walk.costly, walk.terms, walk.hosts
    walk.costly += 1
    if walk.costly > MAX_COSTLY_TERMS:
        node.problem, node.detail = "too-many-lookups", term.text
        return node
    domain = path[-1]
    named = await expand_name(term.target, walk.macro_values(domain)) if term.target else domain
    node.target = named.lower()
    if term.name not in ("include", "redirect"):
        await _expand_hosts(walk, node, term)
        return node
    await _expand_branch(walk, node, path)
    branch = _Branch(node, walk.costly - costly, walk.terms - terms, walk.hosts - hosts)
    if term.name == "include" and _is_reusable(walk, path, node):
        walk.expansions[term.text] = branch
    return node


def _is_within_limits(walk: _Walk, path: tuple[str, ...], branch: _Branch) -> bool:
    """Return whether a new expansion would be equal: no limit is reached, and there is no loop."""
    return (
        walk.costly + branch.costly <= MAX_COSTLY_TERMS
        and walk.terms + branch.terms <= MAX_TERMS
        and walk.hosts + branch.hosts <= MAX_HOSTS
        and not any(name in path for name in branch.node.included)
    )


def _is_reusable(walk: _Walk, path: tuple[str, ...], node: ExpansionNode) -> bool:
    """Return whether the branch is equal in every record. Macros may depend on the sender."""
    return (
        walk.costly <= MAX_COSTLY_TERMS
        and walk.terms <= MAX_TERMS
        and walk.hosts <= MAX_HOSTS
        and not any(name in path for name in node.included)
        and not any("%" in each.text for each in node.walk())
    )


async def _expand_branch(walk: _Walk, node: ExpansionNode, path: tuple[str, ...]) -> None:
    # A loop of includes never ends otherwise. A diamond, two paths to one domain, is allowed.
    if node.target in path:
        node.problem, node.detail = "loop", node.target
        return
    await _expand_record(walk, node, (*path, node.target))


async def _expand_hosts(walk: _Walk, node: ExpansionNode, term: Term) -> None:
    hosts = [node.target]
    if term.name == "mx":
        answer = await _ask(walk, node.target, "MX")
        node.void = int(not isinstance(answer, Records | LookupFailure))
        hosts = sorted(r.exchange for r in answer.records) if isinstance(answer, Records) else []
        if len(hosts) > MAX_HOSTS_OF_TERM:
            # RFC 7208 section 4.6.4: a permanent error where the evaluation reaches the term.
            node.problem, node.detail = "too-many-hosts", node.target
        hosts = hosts[:MAX_HOSTS_OF_TERM]
    walk.hosts += len(hosts)
    if walk.hosts > MAX_HOSTS:
        node.problem, node.detail = "too-many-lookups", term.text
        return
    for host in hosts:
        # Section 5.7: `exists` queries A only. For `a` and `mx`, the tree lists both families.
        for rtype in ("A",) if term.name == "exists" else ("A", "AAAA"):
            answer = await _ask(walk, host, rtype)
            if isinstance(answer, Records) and term.name != "exists":
                node.networks.extend(network_of(a, term) for a in sorted_values(answer.values))
            if rtype == "A" and term.name != "mx":
                node.void = int(not isinstance(answer, Records | LookupFailure))
