"""The servers of a name's zone, and the existence of the name."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import dns.rcode
import pytest

from checks.engine.dns import network_lookup as network_lookup_module
from checks.engine.dns.lookup import Delegation, LookupFailure, NoName, Server
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Behaviour, nameserver, network_of
from tests.checks.engine.dns.network_lookups import ZONE, by_domain_name, network_lookup


def delegation(name: str, zone: str = ZONE, **behaviours: Behaviour) -> object:
    async def run() -> object:
        async with (
            nameserver(zone, by_domain_name(behaviours)) as server,
            network_lookup(network_of(server, authoritative_port=5300)) as lookup,
        ):
            return await lookup.delegation(name)

    return asyncio.run(run())


BOTH = (Server("ns1.dns.test", "127.0.0.1", 5300), Server("ns2.dns.test", "127.0.0.2", 5300))


@pytest.mark.parametrize("name", ["example.test", "host.example.test", "no.such.example.test"])
def test_delegation_walks_up_to_the_apex(name: str) -> None:
    assert delegation(name) == Delegation("example.test", BOTH, is_confirmed=False)


def test_delegation_of_alias_is_own_zone() -> None:
    zone = ZONE + "alias.example.test CNAME dns.test\ndns.test NS ns1.dns.test\n"

    found = delegation("alias.example.test", zone)

    assert found == Delegation("example.test", BOTH, is_confirmed=False)


def delegated_by(registry_behaviour: Behaviour) -> Delegation:
    """The delegation of example.test. The registry's server is not the resolver."""

    async def run() -> object:
        async with (
            nameserver(ZONE) as resolver,
            nameserver(ZONE, {"example.test": registry_behaviour}, recursive=False) as registry,
            network_lookup(
                replace(
                    network_of(resolver, authoritative_port=registry.port),
                    timeouts_seconds=(0.2,),
                )
            ) as lookup,
        ):
            return await lookup.delegation("example.test")

    found = asyncio.run(run())
    assert isinstance(found, Delegation)
    return found


def test_delegation_joins_resolver_and_parent() -> None:
    """A resolver caches an old delegation; the parent refers to ns.elsewhere.test."""
    found = delegated_by(loopback.refer)

    assert {server.name for server in found.servers} == {"ns1.dns.test", "ns2.dns.test"}
    assert found.addressless == ("ns.elsewhere.test",)
    assert found.is_confirmed


@pytest.mark.parametrize(
    ("glue", "queried", "differing"),
    [
        # Field case 01: the registrar's host record was never changed.
        (
            [("ns1.dns.test", "127.0.0.11")],
            {"127.0.0.1", "127.0.0.2", "127.0.0.11"},
            ["127.0.0.11"],
        ),
        ([("ns1.dns.test", "127.0.0.1")], {"127.0.0.1", "127.0.0.2"}, []),
        (
            [("ns1.dns.test", "127.0.0.1"), ("ns2.dns.test", "127.0.0.12")],
            {"127.0.0.1", "127.0.0.2", "127.0.0.12"},
            ["127.0.0.12"],
        ),
        # The guard applies to glue, too. Resolvers still use the address.
        ([("ns1.dns.test", "10.0.0.1")], {"127.0.0.1", "127.0.0.2"}, ["10.0.0.1"]),
        # An old IPv6 address, which this machine cannot reach.
        (
            [("ns1.dns.test", "2a00:1450::54")],
            {"127.0.0.1", "127.0.0.2"},
            ["2a00:1450::54"],
        ),
        # A server that only the parent zone names.
        (
            [("ns9.dns.test", "127.0.0.19")],
            {"127.0.0.1", "127.0.0.2", "127.0.0.19"},
            ["127.0.0.19"],
        ),
    ],
)
def test_delegation_includes_glue(
    glue: list[tuple[str, str]], queried: set[str], differing: list[str]
) -> None:
    found = delegated_by(loopback.refer_with_glue("example.test", *glue))

    assert {server.address for server in found.servers} == queried
    assert [server.address for server in found.glue_only] == differing
    unreached = [address for address in differing if ":" in address]
    assert [server.address for server in found.unqueried] == unreached


def test_delegation_unconfirmed_by_parent() -> None:
    assert not delegated_by(loopback.drop).is_confirmed


def test_delegation_shared_with_parent() -> None:
    assert delegated_by(loopback.answer).is_confirmed


def unregistered(name: str, **behaviours: Behaviour) -> object:
    """The delegation of a name that the resolver does not know. The registry has another server."""

    async def run() -> object:
        async with (
            nameserver(ZONE) as resolver,
            nameserver(ZONE, by_domain_name(behaviours), recursive=False) as registry,
            network_lookup(
                replace(
                    network_of(resolver, authoritative_port=registry.port),
                    timeouts_seconds=(0.2,),
                )
            ) as lookup,
        ):
            return await lookup.delegation(name)

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["unregistered.test", "_dmarc.unregistered.test"])
def test_delegation_of_unregistered_name(name: str) -> None:
    assert unregistered(name) == NoName()


@pytest.mark.parametrize(
    "behaviour", [loopback.drop, loopback.refer, loopback.fail_with(dns.rcode.SERVFAIL)]
)
def test_delegation_denied_by_resolvers_only(behaviour: Behaviour) -> None:
    found = unregistered("unregistered.test", unregistered_test=behaviour)

    assert isinstance(found, LookupFailure)
    assert found.reason == "unconfirmed"


def test_delegation_with_failing_parent() -> None:
    failing = loopback.fail_with(dns.rcode.SERVFAIL)

    assert delegation("example.test", example_test=failing) == LookupFailure("servfail", "SERVFAIL")


@pytest.mark.slow
def test_delegation_names_unusable_servers() -> None:
    zone = """
    example.test NS ns1.dns.test
    example.test NS private.dns.test
    example.test NS silent.dns.test
    example.test NS gone.dns.test
    ns1.dns.test A 127.0.0.1
    private.dns.test A 10.0.0.1
    """

    assert delegation("example.test", zone, silent_dns_test=loopback.drop) == Delegation(
        zone="example.test",
        servers=(Server("ns1.dns.test", "127.0.0.1", 5300),),
        unresolved=("private.dns.test", "silent.dns.test"),
        addressless=("gone.dns.test",),
    )


def test_delegation_names_ipv6_only_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zone = """
    example.test NS six.dns.test
    example.test NS both.dns.test
    example.test NS local.dns.test
    six.dns.test AAAA 2a00:1450::53
    both.dns.test A 127.0.0.1
    both.dns.test AAAA 2a00:1450::54
    local.dns.test AAAA fd00::53
    """
    # This machine may have IPv6. The test needs one without.
    monkeypatch.setattr(network_lookup_module, "has_route", lambda address: False)

    assert delegation("example.test", zone) == Delegation(
        zone="example.test",
        servers=(Server("both.dns.test", "127.0.0.1", 5300),),
        unresolved=("local.dns.test", "six.dns.test"),
        ipv6_only=("six.dns.test",),
        unqueried=(Server("both.dns.test", "2a00:1450::54", 5300),),
    )
