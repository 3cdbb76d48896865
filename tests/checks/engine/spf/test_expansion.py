"""The complete tree of an SPF record: every term, its lookups, its addresses and its limits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from checks.engine.spf import expansion
from checks.engine.spf.expansion import (
    MAX_COSTLY_TERMS,
    MAX_HOSTS,
    MAX_TERMS,
    ExpansionNode,
    Expansions,
    expand,
)
from tests.checks.engine.dns.zone_lookup import ZoneLookup

LONG = f"{'a' * 64}.test"
HOSTS = f"""
{LONG} A 192.0.2.1
host.test A 192.0.2.1
host.test AAAA 2001:db8::1
two.test A 192.0.2.8
two.test A 192.0.2.3
mail.test MX 10 two.test
mail.test MX 5 host.test
bare.test MX 5 gone.test
slow.test TROUBLE timeout
"""


def tree_of(record: str, zone: str = "", expansions: Expansions | None = None) -> ExpansionNode:
    lookup = ZoneLookup(f'One.test TXT "v=spf1 {record}"\n{HOSTS}{zone}')
    return asyncio.run(expand("one.test", lookup, expansions))


def listed(node: ExpansionNode) -> list[str]:
    return [str(network) for network in node.networks]


@pytest.mark.parametrize(
    ("record", "node", "networks"),
    [
        ("ip4:192.0.2.0/24", ExpansionNode("", "ip4"), ["192.0.2.0/24"]),
        ("~ip6:2001:db8::/32", ExpansionNode("", "ip6", qualifier="~"), ["2001:db8::/32"]),
        ("-all", ExpansionNode("", "all", qualifier="-"), []),
        (
            "a:Host.test/31//64",
            ExpansionNode("", "a", "host.test", cost=1),
            ["192.0.2.0/31", "2001:db8::/64"],
        ),
        # `a` of the record's own name, which has no address.
        ("?a", ExpansionNode("", "a", "one.test", "?", cost=1, void=1), []),
        ("a:gone.test", ExpansionNode("", "a", "gone.test", cost=1, void=1), []),
        ("a:slow.test", ExpansionNode("", "a", "slow.test", cost=1), []),
        # The empty answer for AAAA, and those for exchanges, are not void lookups.
        (
            "a:two.test",
            ExpansionNode("", "a", "two.test", cost=1),
            ["192.0.2.3/32", "192.0.2.8/32"],
        ),
        ("mx:bare.test", ExpansionNode("", "mx", "bare.test", cost=1), []),
        (
            "mx:mail.test",
            ExpansionNode("", "mx", "mail.test", cost=1),
            ["192.0.2.1/32", "2001:db8::1/128", "192.0.2.3/32", "192.0.2.8/32"],
        ),
        ("mx:gone.test", ExpansionNode("", "mx", "gone.test", cost=1, void=1), []),
        ("mx:slow.test", ExpansionNode("", "mx", "slow.test", cost=1), []),
        ("exists:host.test", ExpansionNode("", "exists", "host.test", cost=1), []),
        ("exists:gone.test", ExpansionNode("", "exists", "gone.test", cost=1, void=1), []),
        # A label of 64 characters is not queried.
        (f"a:{LONG}", ExpansionNode("", "a", LONG, cost=1, void=1), []),
        # Both macros have one value for all senders of this domain.
        ("a:%{d}", ExpansionNode("", "a", "one.test", cost=1, void=1), []),
        ("a:x.%{o}", ExpansionNode("", "a", "x.one.test", cost=1, void=1), []),
        ("a:%{i}.test", ExpansionNode("", "a", cost=1), []),
        ("ptr", ExpansionNode("", "ptr", cost=1), []),
        (
            "include:gone.test",
            ExpansionNode(
                "", "include", "gone.test", cost=1, problem="no-record", detail="gone.test"
            ),
            [],
        ),
        (
            "redirect=slow.test",
            ExpansionNode(
                "",
                "redirect",
                "slow.test",
                cost=1,
                problem="lookup-failed",
                detail="slow.test: timeout",
            ),
            [],
        ),
        (
            "include:One.test",
            ExpansionNode("", "include", "one.test", cost=1, problem="loop", detail="one.test"),
            [],
        ),
    ],
)
def test_node_of_each_term(record: str, node: ExpansionNode, networks: list[str]) -> None:
    (found,) = tree_of(record).children

    assert replace(found, networks=[]) == replace(node, text=record)
    assert listed(found) == networks


@pytest.mark.parametrize(
    ("included", "problem"),
    [
        ('x.test TXT "v=spf1 mx"\nx.test TXT "v=spf1 a"\n', ("several-records", "x.test")),
        ('x.test TXT "v=spf1 mx foo:bar"\n', ("syntax", "foo:bar")),
        ('x.test TXT "because"\n', ("no-record", "x.test")),
    ],
)
def test_problem_of_included_record(included: str, problem: tuple[str, str]) -> None:
    tree = tree_of("include:x.test include:x.test a:host.test -all", included)

    assert tree.problems == [problem]
    assert tree.children[0].children == []
    assert (tree.lookups, listed(tree.children[2])[0]) == (3, "192.0.2.1/32")


BRANCH = """
x.test TXT "v=spf1 ip4:10.0.0.0/8 a:gone.test redirect=y.test"
y.test TXT "v=spf1 -ip4:11.0.0.0/8 mx:gone.test ip4:12.0.0.0/8 +all"
"""


def test_totals_of_a_branch() -> None:
    tree = tree_of("ip4:9.0.0.0/8 include:x.test -all", BRANCH)
    own, branch, end = tree.children

    assert (tree.lookups, branch.lookups, own.lookups) == (4, 4, 0)
    assert (tree.void_lookups, branch.void_lookups, end.void_lookups) == (2, 2, 0)
    assert tree.included == ["x.test", "y.test"]
    assert (tree.has_pass_all, branch.has_pass_all, end.has_pass_all) == (True, True, False)
    assert not tree_of("ip4:9.0.0.0/8 ?all").has_pass_all
    nets = [ip_network(f"{n}.0.0.0/8") for n in (9, 10, 11, 12)]
    assert (tree.all_networks, tree.listed_networks) == (nets, [nets[0], nets[1], nets[3]])
    assert tree.ranges == [(4, n << 24, (n << 24) + 2**24 - 1) for n in (9, 10, 11, 12)]
    # A second reading of the totals does not add them again.
    assert (len(tree.all_networks), len(branch.ranges), len(own.all_networks)) == (4, 3, 1)


def test_evidence_of_a_branch() -> None:
    tree = tree_of("include:x.test include:gone.test -all", BRANCH)
    wanted = [ip_network("10.1.0.0/16"), ip_network("12.0.0.0/8"), ip_network("13.0.0.0/8")]

    evidence = tree.as_evidence(wanted)

    assert {key: evidence[key] for key in ("term", "cost", "lookups", "covers")} == {
        "term": "one.test",
        "cost": 0,
        "lookups": 5,
        "covers": 2,
    }
    branch, gone, end = evidence["children"]
    assert (branch["cost"], branch["lookups"], branch["covers"]) == (1, 4, 2)
    assert branch["children"][0]["networks"] == ["10.0.0.0/8"]
    assert gone["problem"] == "no-record: gone.test"
    assert end == {
        "term": "-all",
        "cost": 0,
        "lookups": 0,
        "covers": 0,
        "networks": [],
        "children": [],
    }
    # The region's networks can change between two batches.
    assert tree.as_evidence(wanted) is evidence
    assert tree.as_evidence(wanted[:1])["covers"] == 1


def test_evidence_is_limited() -> None:
    many = "".join(f"big.test A 10.0.0.{n}\n" for n in range(51))
    terms = " ".join(f"ip4:10.1.0.{n}" for n in range(99))

    evidence = tree_of(f"a:big.test {terms} -all", many).as_evidence([])
    short = tree_of(f"{terms} -all").as_evidence([])

    assert (len(evidence["children"]), evidence["terms_not_shown"]) == (100, 1)
    assert len(evidence["children"][0]["networks"]) == 50
    assert (len(short["children"]), "terms_not_shown" in short) == (100, False)


def test_costly_terms_are_limited() -> None:
    tree = tree_of(" ".join(["a:host.test"] * (MAX_COSTLY_TERMS + 1)))

    assert [len(node.networks) for node in tree.children] == [2] * MAX_COSTLY_TERMS + [0]
    assert tree.problems == [("too-many-lookups", "a:host.test")]


def test_hosts_are_limited() -> None:
    """Twelve exchanges, of which receivers query ten."""
    zone = "".join(f"mx.test MX 10 h{n:02}.test\nh{n:02}.test A 10.0.0.{n}\n" for n in range(12))
    tree = tree_of(" ".join(["mx:mx.test"] * (MAX_HOSTS // 10) + ["a:host.test"]), zone)

    assert [len(node.networks) for node in tree.children] == [10] * (MAX_HOSTS // 10) + [0]
    assert tree.problems == [("too-many-hosts", "mx.test"), ("too-many-lookups", "a:host.test")]


def test_ten_exchanges_are_no_problem() -> None:
    zone = "".join(f"mx.test MX 10 h{n}.test\nh{n}.test A 10.0.0.{n}\n" for n in range(10))
    (node,) = tree_of("mx:mx.test", zone).children

    assert (len(node.networks), node.problem, node.detail) == (10, "", "")


@pytest.mark.parametrize(
    ("more", "problems"), [(0, []), (1, [("too-long", "x.test")])], ids=["fits", "too-long"]
)
def test_terms_are_limited(more: int, problems: list[tuple[str, str]]) -> None:
    half = MAX_TERMS // 2
    zone = "".join(
        f'{name}.test TXT "v=spf1 {" ".join(["ip6:::"] * count)}"\n'
        for name, count in (("w", half), ("x", half - 2 + more))
    )

    assert tree_of("include:w.test include:x.test", zone).problems == problems


def test_exists_asks_for_one_family() -> None:
    lookup = ZoneLookup(f'one.test TXT "v=spf1 exists:host.test"\n{HOSTS}')

    asyncio.run(expand("one.test", lookup))

    assert set(lookup.asked) == {("one.test", "TXT"), ("host.test", "A")}


# Each limit is lowered, and reached by two terms, `include:x.test` and `include:y.test`.
LOWERED = [
    ("MAX_COSTLY_TERMS", 8, "a:host.test "),
    ("MAX_TERMS", 8, "ip6::: "),
    ("MAX_HOSTS", 6, "a:host.test "),
]


def zone_of_branches(term: str) -> str:
    return "".join(f'{name}.test TXT "v=spf1 {term * 2}"\n' for name in "xy")


@pytest.mark.parametrize(("limit", "value", "term"), LOWERED)
def test_branches_are_shared_within_limits(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, term: str
) -> None:
    monkeypatch.setattr(expansion, limit, value)
    zone, shared = zone_of_branches(term), Expansions()

    first = tree_of(f"{term * 2}include:x.test include:y.test", zone, shared)
    second = tree_of(f"include:x.test {term * 2}include:y.test", zone, shared)

    branches = [shared["include:x.test"].node, shared["include:y.test"].node]
    assert first.problems == second.problems == []
    assert all(each is branch for each, branch in zip(first.children[2:], branches, strict=True))
    assert all(each is branch for each, branch in zip(second.children[::3], branches, strict=True))


@pytest.mark.parametrize(("limit", "value", "term"), LOWERED)
def test_shared_branches_count_for_limits(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, term: str
) -> None:
    monkeypatch.setattr(expansion, limit, value)
    zone, shared = zone_of_branches(term), Expansions()
    tree_of("include:x.test include:y.test", zone, shared)
    record = f"{term * 3}include:x.test include:y.test"

    tree = tree_of(record, zone, shared)

    assert tree == tree_of(record, zone)
    assert len(tree.problems) == 1


def test_branch_is_expanded_once() -> None:
    lookup = ZoneLookup(
        'one.test TXT "v=spf1 include:x.test"\ntwo.test TXT "v=spf1 include:x.test"\n' + BRANCH
    )
    shared: Expansions = {}

    async def run() -> list[ExpansionNode]:
        return [await expand(name, lookup, shared) for name in ("one.test", "two.test")]

    one, two = asyncio.run(run())

    assert one.children[0] is two.children[0]
    assert lookup.asked["x.test", "TXT"] == 1
    assert list(shared) == ["include:x.test"]


@pytest.mark.parametrize(
    "included",
    [
        # It depends on the domain of the sender.
        'x.test TXT "v=spf1 a:%{o}"\n',
        # The loop ends elsewhere in the record of another domain.
        'x.test TXT "v=spf1 include:one.test"\n',
    ],
)
def test_branch_that_differs_is_not_shared(included: str) -> None:
    shared: Expansions = {}

    tree_of("include:x.test", included, shared)

    assert shared == {}
