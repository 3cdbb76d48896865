"""An SPF record expanded whole: every branch, its cost, and the addresses it lists.

Evaluation stops at the first match and at the tenth look-up; people need to see all of it, above
all the branch that costs too much. So this walk goes on past the limit, up to one of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, TypeVar

from checks.engine.addresses import IPNetwork
from checks.engine.dns.lookup import (
    Answer,
    Lookup,
    LookupFailure,
    NoName,
    Records,
    sorted_values,
)
from checks.engine.spf.check_host import is_fqdn
from checks.engine.spf.macros import MacroValues, expand_name
from checks.engine.spf.networks import Range, count_covered, range_of
from checks.engine.spf.terms import BadSyntax, Term, network_of, parse, select

MAX_COSTLY_TERMS = 60
MAX_TERMS = 5000
_MAX_SHOWN_NETWORKS = 50
_MAX_SHOWN_TERMS = 100
_T = TypeVar("_T")


@dataclass
class ExpansionNode:
    """One term of the tree, or its root. `problem` is a stable word, as in CheckHostResult."""

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

    # What the branch holds in all, found once: a node is complete when it is first asked, and the
    # branch of an include is the same object in every domain's tree of a batch.

    def walk(self) -> Iterator[ExpansionNode]:
        yield self
        for child in self.children:
            yield from child.walk()

    @functools.cached_property
    def lookups(self) -> int:
        """What the branch costs of the ten look-ups."""
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
        """The networks of ip4 and ip6 terms that say pass."""
        return [
            network
            for node in self.walk()
            if node.name in ("ip4", "ip6") and node.qualifier == "+"
            for network in node.networks
        ]

    @functools.cached_property
    def included(self) -> list[str]:
        """Every domain whose record is drawn in, by include or redirect."""
        own = [self.target] if self.name in ("include", "redirect") else []
        return _concatenated(own, [child.included for child in self.children])

    @functools.cached_property
    def problems(self) -> list[tuple[str, str]]:
        own = [(self.problem, self.detail)] if self.problem else []
        return _concatenated(own, [child.problems for child in self.children])

    def as_evidence(self, expected_networks: Sequence[IPNetwork]) -> dict[str, Any]:
        """The tree as plain values; `covers` counts the wanted networks a branch lists whole.

        Not to be changed by who gets it: it is shown again wherever the branch is.
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
            "networks": [str(network) for network in self.networks[:_MAX_SHOWN_NETWORKS]],
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
    """An include expanded whole, and what that took of a walk's limits."""

    node: ExpansionNode
    costly: int
    terms: int


# By term, as it is written. Belongs to one batch: answers are the same within it.
Expansions = dict[str, _Branch]


@dataclass
class _Walk:
    """One expansion under way."""

    sender_domain: str
    lookup: Lookup
    expansions: Expansions
    costly: int = 0
    terms: int = 0

    def macro_values(self, domain: str) -> MacroValues:
        # Only letters that do not vary are ever expanded here, so the address is never looked at.
        return MacroValues(
            IPv4Address(0), domain, f"postmaster@{self.sender_domain}", "", self._validated
        )

    async def _validated(self) -> str:
        return "unknown"


async def expand(
    domain: str, lookup: Lookup, expansions: Expansions | None = None
) -> ExpansionNode:
    """Expand the record of `domain`. DNS trouble is a problem at its node.

    `expansions` are the includes that a batch has expanded already, and gets the new ones.
    """
    root = ExpansionNode(text=domain, target=domain)
    walk = _Walk(domain, lookup, {} if expansions is None else expansions)
    await _expand_record(walk, root, (domain,))
    return root


async def _expand_record(walk: _Walk, node: ExpansionNode, path: tuple[str, ...]) -> None:
    answer = await _ask(walk, node.target, "TXT")
    if isinstance(answer, LookupFailure):
        node.problem, node.detail = "could-not-tell", f"{node.target}: {answer.reason}"
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
            return known.node
    node = ExpansionNode(
        term.text, term.name, qualifier=term.qualifier, cost=int(term.costs_lookup)
    )
    if term.network is not None:
        node.networks.append(term.network)
    if not term.costs_lookup or term.is_dynamic:
        return node
    costly, terms = walk.costly, walk.terms
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
    branch = _Branch(node, walk.costly - costly, walk.terms - terms)
    if term.name == "include" and _is_reusable(walk, path, node):
        walk.expansions[term.text] = branch
    return node


def _is_within_limits(walk: _Walk, path: tuple[str, ...], branch: _Branch) -> bool:
    """Would expanding it here find the same? Not where a limit is met, or it leads back to us."""
    return (
        walk.costly + branch.costly <= MAX_COSTLY_TERMS
        and walk.terms + branch.terms <= MAX_TERMS
        and not any(name in path for name in branch.node.included)
    )


def _is_reusable(walk: _Walk, path: tuple[str, ...], node: ExpansionNode) -> bool:
    """Is the branch the same wherever it is drawn in? Macros may speak of the sender's domain."""
    return (
        walk.costly <= MAX_COSTLY_TERMS
        and walk.terms <= MAX_TERMS
        and not any(name in path for name in node.included)
        and not any("%" in each.text for each in node.walk())
    )


async def _expand_branch(walk: _Walk, node: ExpansionNode, path: tuple[str, ...]) -> None:
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
    for host in hosts:
        for rtype in ("A",) if term.name == "exists" else ("A", "AAAA"):
            answer = await _ask(walk, host, rtype)
            if isinstance(answer, Records) and term.name != "exists":
                node.networks.extend(network_of(a, term) for a in sorted_values(answer.values))
            if rtype == "A" and term.name != "mx":
                node.void = int(not isinstance(answer, Records | LookupFailure))
