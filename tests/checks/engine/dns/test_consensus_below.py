"""Names below a domain: the answers of the domain's servers count only for their own zone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from checks.engine.dns.consensus import AuthoritativeAnswers, query_authoritative_below
from checks.engine.dns.lookup import LookupFailure
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import (
    Behaviour,
    Nameserver,
    Wire,
    nameserver,
    network_of,
)
from tests.checks.engine.dns.network_lookups import network_lookup

NAME = "sel._domainkey.example.test"
CHILD = "_domainkey.example.test"
PARENT = f"""
test          NS   ns1.dns.test
example.test  NS   ns1.dns.test
ns1.dns.test  A    127.0.0.1
ns2.dns.test  A    127.0.0.2
{NAME}        TXT  "in the domain's zone"
"""
DELEGATED = f"{PARENT}{CHILD} NS ns1.dns.test\n{CHILD} NS ns2.dns.test\n"


def out_of(zone: str, rtype: str = "NS") -> Behaviour:
    """An authoritative answer that names its zone."""
    content = "ns1.dns.test." if rtype == "NS" else "ns1.dns.test. who.dns.test. 1 2 3 4 5"

    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = server.response_to(query)
        response.authority.append(dns.rrset.from_text(f"{zone}.", 60, "IN", rtype, content))
        return response.to_wire()

    return behaviour


def refer_texts(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    is_text = query.question[0].rdtype == dns.rdatatype.TXT
    return (loopback.refer if is_text else loopback.answer)(server, query, over_tcp)


def query_below(zone: str, behaviour: Behaviour) -> tuple[list[str], str, int]:
    """Return the servers that answered, their zone, and the number of queries."""

    async def run() -> tuple[list[str], str, int]:
        async with (
            nameserver(zone, {NAME: behaviour}) as first,
            nameserver(zone, address="127.0.0.2", port=first.port),
            network_lookup(network_of(first, authoritative_port=first.port)) as lookup,
        ):
            asked = await query_authoritative_below(lookup, "example.test", NAME, "TXT")
            assert isinstance(asked, AuthoritativeAnswers)
            walked = first.queries[NAME, "NS", "udp"] + first.queries[CHILD, "NS", "udp"]
            heard = [s.name for s, a in asked.answers if not isinstance(a, LookupFailure)]
            return heard, asked.delegation.zone, walked

    return asyncio.run(run())


@pytest.mark.parametrize("rtype", ["NS", "SOA"])
def test_below_same_zone_needs_no_delegation(rtype: str) -> None:
    assert query_below(PARENT, out_of("example.test", rtype)) == (
        ["ns1.dns.test"],
        "example.test",
        0,
    )


@pytest.mark.parametrize(
    "behaviour",
    [out_of(CHILD), out_of(CHILD, "SOA"), loopback.answer, out_of("test")],
    ids=["the child's NS", "the child's SOA", "no zone", "a zone above"],
)
def test_below_own_zone_queries_its_servers(behaviour: Behaviour) -> None:
    heard, zone, _ = query_below(DELEGATED, behaviour)

    assert (heard, zone) == (["ns1.dns.test", "ns2.dns.test"], CHILD)


def test_below_referral_queries_its_servers() -> None:
    heard, zone, _ = query_below(DELEGATED, refer_texts)

    # The first server is lame for the child zone: it is queried, and its answer does not count.
    assert (heard, zone) == (["ns2.dns.test"], CHILD)


def test_below_unnamed_zone_needs_delegation() -> None:
    answers: list[Callable[[Nameserver, dns.message.Message, bool], Wire]] = []

    def in_turn(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        answers.append(out_of("example.test") if not answers else loopback.answer)
        return answers[-1](server, query, over_tcp)

    two = f"{DELEGATED}example.test NS ns2.dns.test\n"
    heard, zone, _ = query_below(two, in_turn)

    assert (heard, zone) == (["ns1.dns.test", "ns2.dns.test"], CHILD)
