"""No check leads a worker into its own network: every form of a private address, and rebinding."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from django.conf import settings

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts import partner_tls
from checks.engine.hosts.prober import NotProbed, Prober
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, Wire, nameserver, network_of
from tests.checks.engine.outcomes import codes

DOMAIN, HOST = "example.test", "mta-sts.example.test"
# The only allowed address: the server of the test. 127.0.0.2 represents the operator's network.
OURS, FORBIDDEN = "127.0.0.1", "127.0.0.2"
ZONE = f"""
test                  NS   ns1.dns.test
{DOMAIN}              NS   ns1.dns.test
ns1.dns.test          A    {OURS}
_mta-sts.{DOMAIN}     TXT  "v=STSv1; id=1"
"""
REGION = RegionFacts(id="eu", name="Europe", mx=("eu-1.mimecast.test",))
PRIVATE = [
    ("A", "127.0.0.2"),
    ("A", "0.0.0.0"),
    ("A", "10.0.0.1"),
    ("A", "100.64.0.1"),
    ("A", "169.254.169.254"),
    ("A", "172.16.0.1"),
    ("A", "192.168.1.1"),
    ("A", "168.63.129.16"),
    ("A", "224.0.0.1"),
    ("A", "255.255.255.255"),
    ("AAAA", "::"),
    ("AAAA", "::1"),
    ("AAAA", "::ffff:127.0.0.2"),
    ("AAAA", "::ffff:169.254.169.254"),
    ("AAAA", "::127.0.0.2"),
    ("AAAA", "64:ff9b::7f00:2"),
    ("AAAA", "64:ff9b:1::7f00:2"),
    ("AAAA", "2002:7f00:2::1"),
    ("AAAA", "2002:a9fe:a9fe::1"),
    ("AAAA", "2001:0:7f00:2::1"),
    ("AAAA", "2001::80ff:fffd"),
    ("AAAA", "fe80::1"),
    ("AAAA", "fec0::1"),
    ("AAAA", "fd00:ec2::254"),
    ("AAAA", "ff02::1"),
]
# Spellings that the C library would resolve without DNS. Gangway resolves every name by DNS.
LITERALS = [
    "127.0.0.2",
    "::1",
    "fe80::1%lo",
    "fe80::1%25lo",
    "::ffff:127.0.0.2",
    "2130706434",
    "0x7f000002",
    "0177.0.0.2",
    "127.2",
    "127.0.0.2.",
    "localhost",
    "localhost.",
    "ip6-localhost",
    "１２７.0.0.2",
    "127。0。0。2",
]
ATTEMPTS = 20
HOST_KINDS = (CheckKind.SMTP, CheckKind.LDAPS, CheckKind.LOCKDOWN)


def request_for(kind: CheckKind, host: str, port: int) -> CheckRequest:
    if kind is CheckKind.MTA_STS:
        return CheckRequest(kind, domain=DOMAIN, region=REGION)
    return CheckRequest(
        kind,
        host=host,
        port=port,
        vantage_allowed=kind is not CheckKind.LOCKDOWN,
        control=(OURS, port),
    )


async def _listen(serve: Any) -> tuple[int, list[asyncio.Server]]:
    """Listen on one port of three addresses. Another process may use it on one of them."""
    for _ in range(ATTEMPTS):
        listeners = [await asyncio.start_server(serve, OURS, 0)]
        port = listeners[0].sockets[0].getsockname()[1]
        try:
            for address in (FORBIDDEN, "::1"):
                listeners.append(await asyncio.start_server(serve, address, port))
        except OSError:
            for listener in listeners:
                listener.close()
        else:
            return port, listeners
    raise AssertionError("no port is free on all addresses")


def run_check(
    kind: CheckKind, host: str, zone: str, behaviours: dict[str, Behaviour] | None = None
) -> tuple[Outcome, list[str]]:
    """Return the outcome, and the addresses of this machine that were connected to."""
    reached: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("sockname")[0])
        writer.transport.abort()

    async def run() -> Outcome:
        async with nameserver(ZONE + zone, behaviours) as dns_server:
            port, listeners = await _listen(serve)
            network = replace(
                network_of(dns_server, authoritative_port=dns_server.port),
                allowed_networks=(ip_network(f"{OURS}/32"),),
                connect_timeout_seconds=0.2,
                https_port=port,
            )
            try:
                (outcome,) = await run_all(
                    [request_for(kind, host, port)],
                    network=network,
                    budget_seconds=5,
                    concurrency=1,
                )
                return outcome
            finally:
                for listener in listeners:
                    listener.close()

    return asyncio.run(run()), reached


@pytest.mark.parametrize(("rtype", "address"), PRIVATE)
def test_name_with_private_address(rtype: str, address: str) -> None:
    for kind in (*HOST_KINDS, CheckKind.MTA_STS):
        outcome, reached = run_check(kind, HOST, f"{HOST} {rtype} {address}\n")

        assert outcome.verdict is Verdict.UNKNOWN, kind
        assert set(codes(outcome)) <= {"host.not-allowed", "mta-sts.policy-unreached"}
        assert reached == []


@pytest.mark.parametrize("host", LITERALS)
def test_spelling_of_private_address(host: str) -> None:
    outcome, reached = run_check(CheckKind.SMTP, host, "")

    assert set(codes(outcome)) <= {
        "host.not-allowed",
        "host.no-address",
        "host.could-not-resolve",
    }
    assert reached == []


@pytest.mark.parametrize(("rtype", "address"), PRIVATE)
def test_partner_with_private_address(rtype: str, address: str) -> None:
    async def run() -> NotProbed | list[str]:
        async with nameserver(f"{HOST} {rtype} {address}\n") as dns_server:
            network = replace(network_of(dns_server), allowed_networks=())
            lookup = NetworkLookup(network)
            try:
                return await Prober(network, lookup).locate(HOST, partner_tls.PORT)
            finally:
                await lookup.close()

    assert isinstance(asyncio.run(run()), NotProbed)


def rebind() -> Behaviour:
    """The allowed address in the first answer, and the forbidden one in every later answer."""
    numbers = count()

    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = server.response_to(query)
        response.answer = []
        if query.question[0].rdtype == dns.rdatatype.A:
            address = FORBIDDEN if next(numbers) else OURS
            response.answer = [dns.rrset.from_text(query.question[0].name, 0, "IN", "A", address)]
        return response.to_wire()

    return behaviour


@pytest.mark.parametrize("kind", [*HOST_KINDS, CheckKind.MTA_STS])
def test_rebinding_between_check_and_connection(kind: CheckKind) -> None:
    _, reached = run_check(kind, HOST, f"{HOST} A {OURS}\n", {HOST: rebind()})

    assert reached
    assert set(reached) == {OURS}


def test_name_server_with_private_address_is_not_queried() -> None:
    async def run() -> object:
        async with nameserver(f"test NS ns.test\n{DOMAIN} NS ns.test\nns.test A {FORBIDDEN}") as at:
            network = replace(network_of(at, authoritative_port=at.port), allowed_networks=())
            lookup = NetworkLookup(network)
            try:
                found = await lookup.delegation(DOMAIN)
            finally:
                await lookup.close()
            assert not isinstance(found, LookupFailure)
            return found

    found = asyncio.run(run())

    assert getattr(found, "servers", None) == ()
    assert getattr(found, "unresolved", None) == ("ns.test",)


# Every function that opens a connection, with its guard. A new one needs a guard and a row.
GUARDED = {
    "checks/engine/dns/network_lookup.py": "has_route sends nothing",
    "checks/engine/dns/transport.py": "NetworkLookup._may_query, and the configured resolvers",
    "checks/engine/dns/udp_sockets.py": "NetworkLookup._may_query, and the configured resolvers",
    "checks/engine/hosts/prober.py": "Prober.locate",
    "config/live/__main__.py": "it listens, and opens no connection",
    "config/live/feeds.py": "the database",
    "config/run.py": "this machine",
    "config/supervisor/broker.py": "this machine",
    "config/supervisor/environment.py": "this machine",
    "tenants/provider_session.py": "ProviderSession",
    "tenants/webhooks/targets.py": "targets._resolve",
}
OPENS = {
    "open_connection",
    "create_connection",
    "create_datagram_endpoint",
    "HTTPConnection",
    "HTTPSConnection",
    "urlopen",
    "Session",
}


def opening_modules() -> Iterator[str]:
    root = Path(settings.BASE_DIR)
    for app in ("checks", "config", "onboarding", "tenants"):
        for path in sorted((root / app).rglob("*.py")):
            if "lab" not in path.parts and any(map(opens_connection, walk(path))):
                yield str(path.relative_to(root))


def walk(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def opens_connection(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        is_request = called.startswith(("requests.get", "requests.post", "requests.request"))
        return is_request or called == "socket.socket" or called.split(".")[-1] in OPENS
    return isinstance(node, ast.ClassDef) and any(
        ast.unparse(base) in ("requests.Session", "Session") for base in node.bases
    )


@pytest.mark.slow
def test_every_connection_has_a_guard() -> None:
    assert set(opening_modules()) == set(GUARDED)
