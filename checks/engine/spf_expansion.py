"""An SPF record expanded whole: every branch, its cost, and the addresses it lists.

Evaluation stops at the first match and at the tenth look-up; people need to see all of it, above
all the branch that costs too much. So this walk goes on past the limit, up to one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from checks.engine.addresses import IPNetwork
from checks.engine.lookup import Answer, CouldNotTell, Lookup, NoName, Records, sorted_values
from checks.engine.spf_check_host import is_fqdn
from checks.engine.spf_macros import Letters, expand_name
from checks.engine.spf_networks import count_covered
from checks.engine.spf_terms import BadSyntax, Term, network_of, parse, select

MAX_COSTLY_TERMS = 60
MAX_TERMS = 5000
_SHOWN_NETWORKS = 50
_SHOWN_TERMS = 100


@dataclass
class Node:
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
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def lookups(self) -> int:
        """What the branch costs of the ten look-ups."""
        return sum(node.cost for node in self.walk())

    @property
    def void_lookups(self) -> int:
        return sum(node.void for node in self.walk())

    @property
    def all_networks(self) -> list[IPNetwork]:
        return [network for node in self.walk() for network in node.networks]

    @property
    def listed_networks(self) -> list[IPNetwork]:
        """The networks of ip4 and ip6 terms that say pass."""
        return [
            network
            for node in self.walk()
            if node.name in ("ip4", "ip6") and node.qualifier == "+"
            for network in node.networks
        ]

    @property
    def included(self) -> list[str]:
        """Every domain whose record is drawn in, by include or redirect."""
        return [n.target for n in self.walk() if n.name in ("include", "redirect")]

    @property
    def problems(self) -> list[tuple[str, str]]:
        return [(node.problem, node.detail) for node in self.walk() if node.problem]

    def as_evidence(self, wanted: Sequence[IPNetwork]) -> dict[str, Any]:
        """The tree as plain values; `covers` counts the wanted networks a branch lists whole."""
        listed = self.all_networks
        row: dict[str, Any] = {
            "term": self.text,
            "cost": self.cost,
            "lookups": self.lookups,
            "covers": count_covered(listed, wanted),
            "networks": [str(network) for network in self.networks[:_SHOWN_NETWORKS]],
            "children": [child.as_evidence(wanted) for child in self.children[:_SHOWN_TERMS]],
        }
        if len(self.children) > _SHOWN_TERMS:
            row["terms_not_shown"] = len(self.children) - _SHOWN_TERMS
        if self.problem:
            row["problem"] = f"{self.problem}: {self.detail}"
        return row


@dataclass
class _Walk:
    """One expansion under way."""

    sender_domain: str
    lookup: Lookup
    costly: int = 0
    terms: int = 0

    def letters(self, domain: str) -> Letters:
        # Only letters that do not vary are ever expanded here, so the address is never looked at.
        return Letters(
            IPv4Address(0), domain, f"postmaster@{self.sender_domain}", "", self._validated
        )

    async def _validated(self) -> str:
        return "unknown"


async def expand(domain: str, lookup: Lookup) -> Node:
    """Expand the record of `domain`. DNS trouble is a problem at its node."""
    root = Node(text=domain, target=domain)
    await _expand_record(_Walk(domain, lookup), root, (domain,))
    return root


async def _expand_record(walk: _Walk, node: Node, path: tuple[str, ...]) -> None:
    answer = await _ask(walk, node.target, "TXT")
    if isinstance(answer, CouldNotTell):
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


async def _expand_term(walk: _Walk, path: tuple[str, ...], term: Term) -> Node:
    node = Node(term.text, term.name, qualifier=term.qualifier, cost=int(term.is_costly))
    if term.network is not None:
        node.networks.append(term.network)
    if not term.is_costly or term.varies:
        return node
    walk.costly += 1
    if walk.costly > MAX_COSTLY_TERMS:
        node.problem, node.detail = "too-many-lookups", term.text
        return node
    domain = path[-1]
    named = await expand_name(term.target, walk.letters(domain)) if term.target else domain
    node.target = named.lower()
    if term.name in ("include", "redirect"):
        await _expand_branch(walk, node, path)
    else:
        await _expand_hosts(walk, node, term)
    return node


async def _expand_branch(walk: _Walk, node: Node, path: tuple[str, ...]) -> None:
    if node.target in path:
        node.problem, node.detail = "loop", node.target
        return
    await _expand_record(walk, node, (*path, node.target))


async def _expand_hosts(walk: _Walk, node: Node, term: Term) -> None:
    hosts = [node.target]
    if term.name == "mx":
        answer = await _ask(walk, node.target, "MX")
        node.void = int(not isinstance(answer, Records | CouldNotTell))
        hosts = sorted(r.exchange for r in answer.records) if isinstance(answer, Records) else []
    for host in hosts:
        for rtype in ("A",) if term.name == "exists" else ("A", "AAAA"):
            answer = await _ask(walk, host, rtype)
            if isinstance(answer, Records) and term.name != "exists":
                node.networks.extend(network_of(a, term) for a in sorted_values(answer.values))
            if rtype == "A" and term.name != "mx":
                node.void = int(not isinstance(answer, Records | CouldNotTell))
