"""Parsed SPF terms, the syntax of a whole record, and the terms that are evaluated."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from checks.engine.spf.terms import (
    BadSyntax,
    SpfPolicy,
    Term,
    network_of,
    parse,
    parse_term,
    select,
)


def ip(kind: str, network: str, qualifier: str = "+") -> Term:
    return Term("", kind, qualifier, network=ip_network(network))


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("all", Term("", "all")),
        ("-ALL", Term("", "all", "-")),
        ("all:x.test", None),
        ("+include:X.test", Term("", "include", "+", "X.test")),
        ("include", None),
        ("include:", None),
        ("include=x.test", Term("", "=include")),
        ("includes:x.test", None),
        ("?exists:%{i}.x.test", Term("", "exists", "?", "%{i}.x.test")),
        ("exists", None),
        ("ptr", Term("", "ptr")),
        ("~ptr:x.test", Term("", "ptr", "~", "x.test")),
        ("ptr:", None),
        ("ptrx", None),
        ("ptr/24", None),
        ("a", Term("", "a")),
        ("A:x.test", Term("", "a", target="x.test")),
        ("a/24", Term("", "a", prefix4=24)),
        ("a//64", Term("", "a", prefix6=64)),
        ("mx:x.test/0//0", Term("", "mx", target="x.test", prefix4=0, prefix6=0)),
        ("mx/32//128", Term("", "mx")),
        ("a/33", None),
        ("a//129", None),
        ("a/024", None),
        ("a:", None),
        ("a:/24", None),
        ("ax.test", None),
        ("a:x.test/24/", None),
        ("ip4:192.0.2.1", ip("ip4", "192.0.2.1/32")),
        # Receivers accept bits after the prefix.
        ("-ip4:192.0.2.1/24", ip("ip4", "192.0.2.0/24", "-")),
        ("ip4:192.0.2.1/33", None),
        ("ip4:192.0.2.256", None),
        ("ip4:192.0.2", None),
        ("ip4", None),
        ("ip4/192.0.2.1", None),
        ("ip4:2001:db8::", None),
        ("ip6:2001:db8::/32", ip("ip6", "2001:db8::/32")),
        ("ip6:2001:db8::1/129", None),
        ("ip6:192.0.2.1", None),
        ("redirect=x.test", Term("", "redirect", target="x.test")),
        ("-redirect=x.test", None),
        ("redirect=", None),
        ("redirect:x.test", None),
        ("exp=%{d}.x.test", Term("", "exp", target="%{d}.x.test")),
        ("exp=x test", None),
        ("Other=x", Term("", "=other")),
        ("other=", Term("", "=other")),
        ("other=%", None),
        ("1a", None),
        ("", None),
        ("--all", None),
    ],
)
def test_parsed_term(text: str, term: Term | None) -> None:
    assert parse_term(text) == (None if term is None else replace(term, text=text))


@pytest.mark.parametrize(
    ("text", "evaluated", "unreached"),
    [
        ("v=spf1", [], []),
        ("v=spf1  mx   -all ", ["mx", "-all"], []),
        ("v=spf1 mx redirect=x.test", ["mx", "redirect=x.test"], []),
        ("v=spf1 redirect=x.test mx other=1 exp=y.test", ["mx", "redirect=x.test"], []),
        ("v=spf1 redirect=x.test -all mx a", ["-all"], ["mx", "a"]),
        ("v=spf1 mx all mx", ["mx", "all"], []),
    ],
)
def test_evaluation_ends_at_all(text: str, evaluated: list[str], unreached: list[str]) -> None:
    policy = parse(text)

    assert isinstance(policy, SpfPolicy)
    assert [term.text for term in policy.evaluated] == evaluated
    assert [term.text for term in policy.unreached] == unreached


def test_modifiers_of_a_record() -> None:
    policy = parse("v=spf1 exp=y.test mx other=1 other=2 redirect=x.test")

    assert isinstance(policy, SpfPolicy)
    assert (policy.redirect, policy.exp) == (
        Term("redirect=x.test", "redirect", target="x.test"),
        Term("exp=y.test", "exp", target="y.test"),
    )
    assert policy.mechanisms == (Term("mx", "mx"),)
    assert policy.text == "v=spf1 exp=y.test mx other=1 other=2 redirect=x.test"


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("v=spf1 mx foo bar", "foo"),
        ("v=spf1 redirect=x.test mx redirect=y.test", "redirect=y.test"),
        ("v=spf1 exp=x.test exp=y.test", "exp=y.test"),
        ("v=spf1 other=\u00e9 mx", "other=\u00e9"),
        ("v=spf1 mx\t-all", "mx\t-all"),
    ],
)
def test_first_invalid_term_is_named(text: str, term: str) -> None:
    assert parse(text) == BadSyntax(term)


def test_selected_records() -> None:
    texts = ["v=spf1", "V=SPF1 -all", "v=spf1-all", "v=spf10", " v=spf1", "v=spf1\n"]

    assert select(texts) == ["v=spf1", "V=SPF1 -all"]


@pytest.mark.parametrize(
    ("text", "costs", "macros", "dynamic", "target", "result"),
    [
        ("all", False, False, False, "", "pass"),
        ("ip4:192.0.2.1", False, False, False, "", "pass"),
        ("-include:x.test.", True, False, False, "x.test", "fail"),
        ("~a:%{d}.test", True, True, False, "%{d}.test", "softfail"),
        ("?exists:%{i}.test", True, True, True, "%{i}.test", "neutral"),
        ("mx", True, False, False, "", "pass"),
        ("ptr:x.test", True, False, True, "x.test", "pass"),
        ("redirect=%{o}", True, True, False, "%{o}", "pass"),
        ("exp=x.test", False, False, False, "x.test", "pass"),
    ],
)
def test_properties_of_a_term(
    text: str, costs: bool, macros: bool, dynamic: bool, target: str, result: str
) -> None:
    term = parse_term(text)

    assert term is not None
    assert (term.costs_lookup, term.has_macros, term.is_dynamic) == (costs, macros, dynamic)
    assert (term.plain_target, term.result) == (target, result)


@pytest.mark.parametrize(
    ("address", "network"), [("192.0.2.77", "192.0.2.0/24"), ("2001:db8::77", "2001:db8::/64")]
)
def test_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address, Term("", "a", prefix4=24, prefix6=64)) == ip_network(network)
