"""Name servers on separate loopback addresses: a registry, authoritative servers, two resolvers.

The test controls the records of each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

import dns.message
import dns.rrset

from checks.engine.dns.lookup import Record
from checks.engine.dns.network import Network
from checks.lab.name_servers import Reply, listen
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, Wire
from tests.checks.engine.dns.zone_lookup import read_zone

NETWORK = ip_network("127.66.0.0/24")
SERVERS = {f"ns{number}.dns.test": f"127.66.0.{number}" for number in range(1, 7)}
REGISTRY, RESOLVER, OLD_CACHE = "127.66.0.60", "127.66.0.70", "127.66.0.71"
FOUR = tuple(SERVERS)[:4]
# The initial records: the registry, the servers' addresses, and Mimecast's networks.
_INITIAL_ZONE = f"""
test NS a.registry.test
a.registry.test A {REGISTRY}
us._netblocks.mimecast.com TXT "v=spf1 ip4:207.211.31.0/25 ip4:205.139.110.0/24 ~all"
"""
_TRIES_SECONDS = (2.0, 3.0)
# A silent server is silent on purpose, so that a long timeout would only slow the test.
_SHORT_TRIES_SECONDS = (0.3,)


@dataclass
class NameServers:
    """The records of all servers, by host name and domain."""

    port: int = 0
    zones: dict[str, dict[str, list[Record]]] = field(default_factory=dict)
    delegated: dict[str, tuple[str, ...]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    without: dict[str, set[str]] = field(default_factory=dict)
    cached: list[Record] | None = None
    # Addresses of hosts outside the delegated domains, by name.
    hosts: dict[str, str] = field(default_factory=dict)
    ca_file: str = ""

    def clear(self) -> None:
        self.zones.clear()
        self.delegated.clear()
        self.silent.clear()
        self.without.clear()
        self.cached = None
        self.hosts.clear()
        self.ca_file = ""

    # Changes

    def delegate(self, domain: str, *hosts: str) -> None:
        """Delegate the domain to these hosts. New hosts get a copy of the zone."""
        before = self.delegated.get(domain, ())
        copy = self.zones[before[0]][domain] if before else []
        others = [record for record in copy if record.rtype != "NS"]
        name_servers = [Record(domain, "NS", 3600, host) for host in hosts]
        for host in {*before, *hosts}:
            self.zones.setdefault(host, {})[domain] = [*name_servers, *others]
        self.delegated[domain] = hosts

    def publish(
        self, domain: str, rtype: str, *values: str, ttl: int, on: Iterable[str] = ()
    ) -> None:
        """Replace the records of the type on all of the domain's servers, or on some."""
        fresh = [Record(domain, rtype, ttl, value) for value in values]
        for host in on or self.delegated[domain]:
            zone = self.zones[host][domain]
            others = [r for r in zone if (r.owner, r.rtype) != (domain, rtype)]
            self.zones[host][domain] = [*others, *fresh]

    def silence(self, *hosts: str) -> None:
        self.silent.update(hosts)

    def answer(self, *hosts: str) -> None:
        self.silent.difference_update(hosts)

    def lose(self, domain: str, *hosts: str) -> None:
        """Let these hosts answer without the zone, as during a reload."""
        self.without[domain] = set(hosts)

    def restore(self, domain: str) -> None:
        self.without.pop(domain, None)

    def cache(self, domain: str, rtype: str, *values: str, left: int) -> None:
        """Let a public resolver have this answer in its cache, for `left` more seconds."""
        self.cached = [Record(domain, rtype, left, value) for value in values]

    # Answers

    def network(self) -> Network:
        caches = ((OLD_CACHE, self.port),) if self.cached is not None else ()
        return Network(
            nameservers=((RESOLVER, self.port),),
            resolvers=caches,
            authoritative_port=self.port,
            allowed_networks=(NETWORK,),
            timeouts_seconds=_SHORT_TRIES_SECONDS if self.silent else _TRIES_SECONDS,
            ca_file=self.ca_file,
        )

    def records_at(self, host: str) -> list[Record]:
        zones = self.zones.get(host, {})
        return [
            record
            for domain, records in zones.items()
            if host not in self.without.get(domain, ())
            for record in records
        ]

    def records_of_resolver(self) -> list[Record]:
        """The records of the first server that answers, with the NS records of the zone itself.

        If no server answers, the NS records are those of the registry.
        """
        records = list(_initial_records())
        records += [Record(name, "A", 300, address) for name, address in self.hosts.items()]
        for domain, hosts in self.delegated.items():
            asked = next((host for host in hosts if host not in self.silent), "")
            here = [record for record in self.records_at(asked) if _is_below(record.owner, domain)]
            records += here or [Record(domain, "NS", 3600, host) for host in hosts]
        return records

    def referrals(self) -> dict[str, Behaviour]:
        return {
            domain: functools.partial(_refer, hosts) for domain, hosts in self.delegated.items()
        }


def _is_below(owner: str, domain: str) -> bool:
    return owner == domain or owner.endswith(f".{domain}")


@functools.cache
def _initial_records() -> tuple[Record, ...]:
    hosts = [Record(host, "A", 3600, address) for host, address in SERVERS.items()]
    return (*read_zone(_INITIAL_ZONE), *hosts)


def _refer(
    hosts: tuple[str, ...], server: Nameserver, query: dns.message.Message, over_tcp: bool
) -> Wire:
    response = dns.message.make_response(query)
    names = [f"{host}." for host in hosts]
    zone = query.question[0].name
    response.authority.append(dns.rrset.from_text_list(zone, 172_800, "IN", "NS", names))
    return response.to_wire()


Zone = Callable[[], tuple[list[Record], dict[str, Behaviour]]]


def _reply(servers: NameServers, host: str, zone: Zone) -> Reply:
    def reply(wire: bytes, over_tcp: bool) -> Wire:
        if host in servers.silent:
            return None
        records, behaviours = zone()
        server = Nameserver("", behaviours, recursive=not host)
        server.zone = records
        return server.reply_to(wire, over_tcp=over_tcp)

    return reply


def _served(servers: NameServers) -> Iterator[tuple[str, Reply]]:
    """Each address with its reply function. Resolvers have no name, so they are never silent."""
    yield RESOLVER, _reply(servers, "", lambda: (servers.records_of_resolver(), {}))
    yield OLD_CACHE, _reply(servers, "", lambda: (servers.cached or [], {}))
    yield REGISTRY, _reply(servers, "a.registry.test", lambda: ([], servers.referrals()))
    for host, address in SERVERS.items():
        yield address, _reply(servers, host, functools.partial(_records_at, servers, host))


def _records_at(servers: NameServers, host: str) -> tuple[list[Record], dict[str, Behaviour]]:
    return servers.records_at(host), {}


@contextlib.contextmanager
def on_loopback() -> Iterator[NameServers]:
    """Serve in a separate thread, because the engine runs its own event loop."""
    servers = NameServers(port=_free_port())
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for address, reply in _served(servers):
                await listen(address, servers.port, reply, stack)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(5), "the name servers did not come up"
    try:
        yield servers
    finally:
        done.set()
        thread.join()


def _free_port() -> int:
    """A port that is free at one of the addresses. No other program uses the others."""
    with socket.create_server((RESOLVER, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
