"""Name servers of a small world, on loopback addresses of their own: a registry, those that the
client's domains are delegated to, and two resolvers. A test decides what each of them holds."""

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
# What is there before any client: the registry, the servers' addresses, and Mimecast's networks.
GROUND = f"""
test NS a.registry.test
a.registry.test A {REGISTRY}
us._netblocks.mimecast.com TXT "v=spf1 ip4:207.211.31.0/25 ip4:205.139.110.0/24 ~all"
"""
_TRIES_SECONDS = (2.0, 3.0)
# Somebody is silent on purpose: nobody waits for long.
_SHORT_TRIES_SECONDS = (0.3,)


@dataclass
class NameServers:
    """What everybody gives out. Servers are named by their host, as delegations name them."""

    port: int = 0
    zones: dict[str, dict[str, list[Record]]] = field(default_factory=dict)
    delegated: dict[str, tuple[str, ...]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    without: dict[str, set[str]] = field(default_factory=dict)
    held: list[Record] | None = None

    def clear(self) -> None:
        self.zones.clear()
        self.delegated.clear()
        self.silent.clear()
        self.without.clear()
        self.held = None

    # What people do

    def delegate(self, domain: str, *hosts: str) -> None:
        """The registry and the zone itself name these; those new to it hold a copy of the zone."""
        before = self.delegated.get(domain, ())
        copy = self.zones[before[0]][domain] if before else []
        kept = [record for record in copy if record.rtype != "NS"]
        named = [Record(domain, "NS", 3600, host) for host in hosts]
        for host in {*before, *hosts}:
            self.zones.setdefault(host, {})[domain] = [*named, *kept]
        self.delegated[domain] = hosts

    def publish(
        self, domain: str, rtype: str, *values: str, ttl: int, on: Iterable[str] = ()
    ) -> None:
        """These records in place of those of the type, on the domain's servers or on some."""
        fresh = [Record(domain, rtype, ttl, value) for value in values]
        for host in on or self.delegated[domain]:
            zone = self.zones[host][domain]
            others = [r for r in zone if (r.owner, r.rtype) != (domain, rtype)]
            self.zones[host][domain] = [*others, *fresh]

    def silence(self, *hosts: str) -> None:
        self.silent.update(hosts)

    def speak(self, *hosts: str) -> None:
        self.silent.difference_update(hosts)

    def lose(self, domain: str, *hosts: str) -> None:
        """These reload, and meanwhile know of no such name."""
        self.without[domain] = set(hosts)

    def find_again(self, domain: str) -> None:
        self.without.pop(domain, None)

    def keep_in_cache(self, domain: str, rtype: str, *values: str, left: int) -> None:
        """A resolver of the world's holds this answer for so many seconds yet."""
        self.held = [Record(domain, rtype, left, value) for value in values]

    # What servers say

    def network(self) -> Network:
        caches = ((OLD_CACHE, self.port),) if self.held is not None else ()
        return Network(
            nameservers=((RESOLVER, self.port),),
            resolvers=caches,
            authoritative_port=self.port,
            allowed_networks=(NETWORK,),
            timeouts_seconds=_SHORT_TRIES_SECONDS if self.silent else _TRIES_SECONDS,
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
        """A resolver takes what the first server that speaks has, and goes by the zone's own word
        on who its servers are. Where it finds none it goes by the registry's."""
        found = list(_ground())
        for domain, hosts in self.delegated.items():
            asked = next((host for host in hosts if host not in self.silent), "")
            here = [record for record in self.records_at(asked) if record.owner == domain]
            found += here or [Record(domain, "NS", 3600, host) for host in hosts]
        return found

    def referrals(self) -> dict[str, Behaviour]:
        return {
            domain: functools.partial(_refer, hosts) for domain, hosts in self.delegated.items()
        }


@functools.cache
def _ground() -> tuple[Record, ...]:
    hosts = [Record(host, "A", 3600, address) for host, address in SERVERS.items()]
    return (*read_zone(GROUND), *hosts)


def _refer(
    hosts: tuple[str, ...], server: Nameserver, query: dns.message.Message, over_tcp: bool
) -> Wire:
    response = dns.message.make_response(query)
    names = [f"{host}." for host in hosts]
    zone = query.question[0].name
    response.authority.append(dns.rrset.from_text_list(zone, 172_800, "IN", "NS", names))
    return response.to_wire()


Holds = Callable[[], tuple[list[Record], dict[str, Behaviour]]]


def _reply(world: NameServers, host: str, holds: Holds) -> Reply:
    def reply(wire: bytes, over_tcp: bool) -> Wire:
        if host in world.silent:
            return None
        records, behaviours = holds()
        server = Nameserver("", behaviours, recursive=not host)
        server.zone = records
        return server.reply_to(wire, over_tcp=over_tcp)

    return reply


def _served(world: NameServers) -> Iterator[tuple[str, Reply]]:
    """By address, who answers there. Resolvers have no name that anybody could silence."""
    yield RESOLVER, _reply(world, "", lambda: (world.records_of_resolver(), {}))
    yield OLD_CACHE, _reply(world, "", lambda: (world.held or [], {}))
    yield REGISTRY, _reply(world, "a.registry.test", lambda: ([], world.referrals()))
    for host, address in SERVERS.items():
        yield address, _reply(world, host, functools.partial(_held_at, world, host))


def _held_at(world: NameServers, host: str) -> tuple[list[Record], dict[str, Behaviour]]:
    return world.records_at(host), {}


@contextlib.contextmanager
def on_loopback() -> Iterator[NameServers]:
    """They answer from a thread of their own, for the engine runs its own event loop."""
    world = NameServers(port=_free_port())
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for address, reply in _served(world):
                await listen(address, world.port, reply, stack)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(5), "the name servers did not come up"
    try:
        yield world
    finally:
        done.set()
        thread.join()


def _free_port() -> int:
    """One that is free at one of the addresses; nobody else uses the others."""
    with socket.create_server((RESOLVER, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
