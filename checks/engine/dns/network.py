"""Network configuration of the engine: name servers, ports, exceptions and timeouts.

The caller builds it from settings and passes it in.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import dns.exception
import dns.resolver

from checks.engine.addresses import IPNetwork, parse_address

Endpoint = tuple[str, int]


@dataclass(frozen=True)
class Route:
    """Other name servers, and another authoritative port, for every name under `suffix`."""

    suffix: str
    nameservers: tuple[Endpoint, ...]
    authoritative_port: int = 53

    def covers(self, name: str) -> bool:
        return name == self.suffix or name.endswith("." + self.suffix)


@dataclass(frozen=True)
class Network:
    """The network configuration of a vantage. Only configured name servers are trusted.

    - `nameservers`: the resolvers; empty for those of the system.
    - `resolvers`: queried in addition to the authoritative servers, to find outdated caches.
    - `timeouts_seconds`: one attempt for each value, with that timeout.
    """

    nameservers: tuple[Endpoint, ...] = ()
    resolvers: tuple[Endpoint, ...] = ()
    authoritative_port: int = 53
    allowed_networks: tuple[IPNetwork, ...] = ()
    routes: tuple[Route, ...] = ()
    timeouts_seconds: tuple[float, ...] = (1.0, 2.0, 3.0)
    connect_timeout_seconds: float = 5.0
    ca_file: str = ""
    https_port: int = 443

    def nameservers_for(self, name: str) -> tuple[Endpoint, ...]:
        route = self._route(name)
        if route is not None:
            return route.nameservers
        return self.nameservers or system_nameservers()

    def resolvers_for(self, name: str) -> tuple[Endpoint, ...]:
        """Return the extra resolvers; none for a name of a route, which is not in public DNS."""
        return () if self._route(name) else self.resolvers

    def authoritative_port_for(self, name: str) -> int:
        route = self._route(name)
        return self.authoritative_port if route is None else route.authoritative_port

    def _route(self, name: str) -> Route | None:
        matching = [route for route in self.routes if route.covers(name)]
        # The longest suffix is the most specific route.
        return max(matching, key=lambda route: len(route.suffix), default=None)


def parse_endpoint(text: str, default_port: int) -> tuple[str, int] | None:
    """Parse `host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`; None for a bad port."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        if rest and not rest.startswith(":"):
            return None
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit())):
        return None
    # Six digits are enough to be out of range; `int` of a very long text is slow.
    number = int(port[:6] or default_port)
    return (host, number) if 0 < number < 65536 else None


@functools.cache
def system_nameservers() -> tuple[Endpoint, ...]:
    """Return the machine's resolvers; none without a configuration."""
    try:
        resolver = dns.resolver.Resolver(configure=True)
    except dns.exception.DNSException:
        return ()
    servers = [str(server) for server in resolver.nameservers]
    return tuple((server, 53) for server in servers if parse_address(server) is not None)
