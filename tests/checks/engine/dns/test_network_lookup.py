"""NetworkLookup against real name servers on loopback, one behaviour for each test."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import dns.rcode
import pytest

from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Referral,
    Server,
)
from checks.engine.dns.network import Network, Route
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, nameserver, network_of
from tests.checks.engine.dns.network_lookups import ZONE, by_domain_name, network_lookup

TEXT = Records((Record("example.test", "TXT", 300, "one two"),))


def resolve(
    name: str, rtype: str, zone: str = ZONE, **behaviours: Behaviour
) -> tuple[Answer, Nameserver]:
    async def run() -> tuple[Answer, Nameserver]:
        async with (
            nameserver(zone, by_domain_name(behaviours)) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            return await lookup.resolve(name, rtype), server

    return asyncio.run(run())


def query(behaviour: Behaviour) -> Answer:
    async def run() -> Answer:
        async with (
            nameserver(ZONE, {"example.test": behaviour}) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            return await lookup.query(there, "example.test", "TXT")

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "rtype", "expected"),
    [
        ("example.test", "TXT", TEXT),
        ("EXAMPLE.test.", "TXT", TEXT),
        ("example.test", "A", NoRecord()),
        ("nothing.example.test", "A", NoName()),
        ("dns.test", "A", NoRecord()),
        (f"{'a' * 64}.test", "A", NoName()),
        ("two..dots.test", "A", NoName()),
    ],
)
def test_resolve_returns_typed_answers(name: str, rtype: str, expected: Answer) -> None:
    answer, _ = resolve(name, rtype)

    assert answer == expected


def test_resolve_follows_unresolved_aliases() -> None:
    answer, _ = resolve("www.example.test", "A")

    assert answer == Records(
        records=(Record("host.example.test", "A", 60, "127.0.0.9"),),
        chain=(
            Record("www.example.test", "CNAME", 300, "web.example.test"),
            Record("web.example.test", "CNAME", 300, "host.example.test"),
        ),
    )


def test_resolve_detects_alias_loop() -> None:
    answer, _ = resolve("turn.example.test", "A")

    assert answer == LookupFailure("cname-loop", "turn.example.test")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (loopback.drop, "timeout"),
        (loopback.fail_with(dns.rcode.SERVFAIL), "servfail"),
        (loopback.fail_with(dns.rcode.REFUSED), "refused"),
        (loopback.malformed, "malformed"),
        (loopback.wrong_id, "timeout"),
        (loopback.wrong_question, "timeout"),
    ],
)
def test_resolve_failures(behaviour: Behaviour, reason: str) -> None:
    answer, _ = resolve("example.test", "TXT", example_test=behaviour)

    assert isinstance(answer, LookupFailure)
    assert answer.reason == reason


def test_resolve_referral_is_no_answer() -> None:
    async def run() -> Answer:
        async with (
            nameserver(ZONE, {"example.test": loopback.refer}, recursive=False) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            return await lookup.resolve("example.test", "MX")

    assert asyncio.run(run()) == LookupFailure("refused", "recursion not available")


def test_resolve_truncated_uses_tcp() -> None:
    answer, server = resolve("example.test", "TXT", example_test=loopback.truncate)

    assert answer == TEXT
    assert server.queries == {("example.test", "TXT", "udp"): 1, ("example.test", "TXT", "tcp"): 1}


def test_resolve_repeats_without_edns() -> None:
    answer, server = resolve("example.test", "TXT", example_test=loopback.refuse_edns)

    assert answer == TEXT
    assert server.queries["example.test", "TXT", "udp"] == 2


def test_resolve_repeats_lost_datagram() -> None:
    answer, server = resolve("example.test", "TXT", example_test=loopback.drop_first(1))

    assert answer == TEXT
    assert server.queries["example.test", "TXT", "udp"] == 2


def test_resolve_uses_next_name_server() -> None:
    async def run() -> Answer:
        failing = loopback.fail_with(dns.rcode.SERVFAIL)
        async with (
            nameserver(ZONE, {"example.test": failing}) as bad,
            nameserver(ZONE) as good,
            network_lookup(network_of(bad, good)) as lookup,
        ):
            return await lookup.resolve("example.test", "TXT")

    assert asyncio.run(run()) == TEXT


def test_resolve_closed_port_is_unreachable() -> None:
    async def run() -> Answer:
        async with nameserver(ZONE) as server:
            network = network_of(server)
        # The event loop closes an abandoned socket in its next iteration.
        await asyncio.sleep(0)
        async with network_lookup(network) as lookup:
            return await lookup.resolve("example.test", "TXT")

    answer = asyncio.run(run())

    assert isinstance(answer, LookupFailure)
    assert answer.reason == "unreachable"


def test_equal_queries_are_sent_once() -> None:
    async def run() -> tuple[list[Answer], int]:
        async with nameserver(ZONE) as server, network_lookup(network_of(server)) as lookup:
            answers = await asyncio.gather(
                *(lookup.resolve(name, "TXT") for name in ("example.test", "Example.test.") * 5)
            )
            return answers, server.queries["example.test", "TXT", "udp"]

    assert asyncio.run(run()) == ([TEXT] * 10, 1)


def test_query_outlives_cancelled_waiter() -> None:
    async def run() -> Answer:
        async with (
            nameserver(ZONE, {"example.test": loopback.drop_first(1)}) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            patient = asyncio.create_task(lookup.resolve("example.test", "TXT"))
            hurried = asyncio.create_task(lookup.resolve("example.test", "TXT"))
            await asyncio.sleep(0.01)
            hurried.cancel()
            return await patient

    assert asyncio.run(run()) == TEXT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (loopback.answer, TEXT),
        (loopback.truncate, TEXT),
        (loopback.without_aa, LookupFailure("lame", "not authoritative")),
        (loopback.refer, Referral("lame", "referral", ("ns.elsewhere.test",))),
        (loopback.fail_with(dns.rcode.REFUSED), LookupFailure("refused", "REFUSED")),
        (loopback.drop, LookupFailure("timeout")),
    ],
)
def test_query_needs_authoritative_answer(behaviour: Behaviour, expected: Answer) -> None:
    assert query(behaviour) == expected


@pytest.mark.parametrize(
    "rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED, dns.rcode.SERVFAIL]
)
def test_query_finds_case_sensitive_server(rcode: dns.rcode.Rcode) -> None:
    # Field case 24: the server has records for the name in lower case only.
    found = query(loopback.lower_case_only(rcode))

    assert found == TEXT
    assert isinstance(found, Records)
    assert found.is_case_sensitive


def test_query_in_mixed_case_is_usual() -> None:
    found = query(loopback.answer)

    assert isinstance(found, Records)
    assert not found.is_case_sensitive


@pytest.mark.parametrize(
    "behaviour",
    [loopback.fold_case, loopback.fold_case_over_udp, loopback.drop_mixed_case, loopback.forge],
)
def test_query_survives_changed_case(behaviour: Behaviour) -> None:
    assert query(behaviour) == TEXT


def test_denial_is_repeated_in_lower_case_once() -> None:
    async def run() -> list[int]:
        async with (
            nameserver(ZONE) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            await lookup.query(there, "example.test", "A")
            await lookup.query(there, "example.test", "TXT")
            await lookup.query(there, "none.example.test", "TXT")
            names = (("example.test", "A"), ("example.test", "TXT"), ("none.example.test", "TXT"))
            return [server.queries[name, rtype, "udp"] for name, rtype in names]

    # The server ignores case as soon as it has answered mixed case with records.
    assert asyncio.run(run()) == [2, 1, 1]


def test_query_private_address_is_refused() -> None:
    async def run() -> tuple[Answer, int]:
        async with nameserver(ZONE) as server:
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            async with network_lookup(Network(nameservers=(("127.0.0.1", server.port),))) as lookup:
                return await lookup.query(there, "example.test", "TXT"), server.queries.total()

    assert asyncio.run(run()) == (LookupFailure("not-allowed", "127.0.0.1"), 0)


def test_route_uses_its_servers_and_port() -> None:
    async def run() -> tuple[Answer, object, int]:
        async with nameserver(ZONE) as lab, nameserver("") as world:
            network = Network(
                nameservers=(("127.0.0.1", world.port),),
                allowed_networks=(ip_network("127.0.0.0/8"),),
                routes=(Route("test", (("127.0.0.1", lab.port),), authoritative_port=lab.port),),
            )
            async with network_lookup(network) as lookup:
                answer = await lookup.resolve("example.test", "TXT")
                found = await lookup.delegation("example.test")
                await lookup.resolve("latest", "TXT")
            assert isinstance(found, Delegation)
            return answer, {s.port for s in found.servers} == {lab.port}, world.queries.total()

    assert asyncio.run(run()) == (TEXT, True, 1)


def test_resolve_with_authoritative_server() -> None:
    async def run() -> object:
        refusing = loopback.fail_with(dns.rcode.REFUSED)
        async with (
            nameserver(ZONE, {"com": refusing}, recursive=False) as server,
            network_lookup(network_of(server, authoritative_port=server.port)) as lookup,
        ):
            found = await lookup.delegation("example.test")
            assert isinstance(found, Delegation)
            return await lookup.query(found.servers[0], "example.test", "TXT")

    assert asyncio.run(run()) == TEXT
