"""A lookup for one test, and a small set of zones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from checks.engine.dns.network import Network
from checks.engine.dns.network_lookup import NetworkLookup
from tests.checks.engine.dns.loopback import Behaviour

ZONE = """
test            NS    ns1.dns.test
example.test    NS    ns1.dns.test
example.test    NS    ns2.dns.test
example.test    TXT   "one two"
example.test    MX    10 mx.example.test
www.example.test CNAME web.example.test
web.example.test CNAME host.example.test
host.example.test 60 A  127.0.0.9
turn.example.test CNAME back.example.test
back.example.test CNAME turn.example.test
ns1.dns.test    A     127.0.0.1
ns2.dns.test    A     127.0.0.2
"""


def by_domain_name(behaviours: dict[str, Behaviour]) -> dict[str, Behaviour]:
    """Convert keywords to names: an underscore becomes a dot."""
    return {name.replace("_", "."): behaviour for name, behaviour in behaviours.items()}


@asynccontextmanager
async def network_lookup(
    network: Network, *, max_in_flight: int = 256
) -> AsyncIterator[NetworkLookup]:
    lookup = NetworkLookup(network, max_in_flight=max_in_flight)
    try:
        yield lookup
    finally:
        await lookup.close()
