"""The real `Lookup`: resolvers and authoritative servers over the network, answers shared."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from checks.engine.addresses import may_ask, parse_address
from checks.engine.channels import Channels
from checks.engine.decoding import REFERRAL, End, Reply, read_authoritative, read_recursive
from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    NoName,
    NoRecord,
    Record,
    Records,
    Referral,
    Server,
    sorted_values,
)
from checks.engine.messages import Message
from checks.engine.network import Endpoint, Network
from checks.engine.transport import exchange
from checks.engine.wire import question

MAX_ALIASES = 16
# Registries have a dozen servers or more; a few are enough to ask whether a name exists.
_REGISTRY_SERVERS = 3
_PARENT_SERVERS = 2
_T = TypeVar("_T")
_Read = Callable[[Message, str, str], Reply | CouldNotTell]


@dataclass(frozen=True)
class _Located:
    """Where a name server can be asked, or why nowhere."""

    usable: tuple[str, ...] = ()
    is_addressless: bool = False
    needs_ipv6: bool = False

    @property
    def is_unresolved(self) -> bool:
        return not self.usable and not self.is_addressless


class NetworkLookup:
    """Asks the network, each question once: one instance serves one batch of subjects.

    Questions in flight are shared, and outlive a subject that ran out of its time, because others
    may be waiting for the same answer. `exchanges` limits how many are on the wire at once.
    """

    def __init__(self, network: Network, *, exchanges: int = 256) -> None:
        self._network = network
        self._on_the_wire = asyncio.Semaphore(exchanges)
        self._asked: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._permitted: dict[str, bool] = {}
        self._channels: Channels | None = None

    async def resolve(self, name: str, rtype: str) -> Answer:
        """Ask the resolvers in turn, as the world would; aliases are followed to their end."""
        name = name.rstrip(".").lower() or "."
        return await self._once(("resolve", name, rtype), lambda: self._resolve(name, rtype, ()))

    async def ask(self, server: Server, name: str, rtype: str) -> Answer:
        """Ask one authoritative server. An alias that leads out of its zones is resolved."""
        name = name.rstrip(".").lower() or "."
        key = ("ask", server.address, str(server.port), name, rtype)
        return await self._once(key, lambda: self._ask(server, name, rtype))

    def resolvers_for(self, name: str) -> tuple[Endpoint, ...]:
        """The resolvers that confirm what servers say; none where none are set."""
        return self._network.resolvers_for(name)

    async def ask_resolver(self, resolver: Endpoint, name: str, rtype: str) -> Answer:
        """What one of them holds, with the seconds that are left of it as TTL."""
        key = ("resolver", resolver[0], str(resolver[1]), name, rtype)
        return await self._once(key, lambda: self._ask_resolver(resolver, name, rtype))

    async def delegation(self, name: str) -> Delegation | NoName | CouldNotTell:
        """Walk up from the name to its zone's apex, then find every server's addresses."""
        name = name.rstrip(".").lower()
        return await self._once(("delegation", name), lambda: self._delegation(name))

    async def close(self) -> None:
        """Drop the questions nobody waits for any more."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        if self._channels is not None:
            self._channels.close()

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(ask())
        # Most questions of a batch have been answered before: those cost nothing but the look.
        return cast(_T, task.result() if task.done() else await asyncio.shield(task))

    async def _resolve(self, name: str, rtype: str, chain: tuple[Record, ...]) -> Answer:
        servers = self._network.nameservers_for(name)
        reply = await self._put(servers, name, rtype, recursion=True, read=read_recursive)
        if isinstance(reply, CouldNotTell):
            return reply
        return await self._finish(reply, rtype, chain)

    async def _ask(self, server: Server, name: str, rtype: str) -> Answer:
        if not self._may_ask(server.address):
            return CouldNotTell("not-allowed", server.address)
        at = [(server.address, server.port)]
        reply = await self._put(at, name, rtype, recursion=False, read=read_authoritative)
        if isinstance(reply, CouldNotTell):
            return reply
        return await self._finish(reply, rtype, ())

    async def _ask_resolver(self, resolver: Endpoint, name: str, rtype: str) -> Answer:
        reply = await self._put([resolver], name, rtype, recursion=True, read=read_recursive)
        return reply if isinstance(reply, CouldNotTell) else reply.as_answer()

    async def _finish(self, reply: Reply, rtype: str, earlier: tuple[Record, ...]) -> Answer:
        """Go on where a reply ends in an alias: a server need not know the target's zone."""
        if reply.end is not End.UNFINISHED:
            return reply.as_answer(earlier)
        chain = earlier + reply.chain
        if len(chain) > MAX_ALIASES or any(link.owner == reply.last for link in chain):
            return CouldNotTell("cname-loop", reply.last)
        return await self._resolve(reply.last, rtype, chain)

    async def _put(
        self, servers: Sequence[Endpoint], name: str, rtype: str, *, recursion: bool, read: _Read
    ) -> Reply | CouldNotTell:
        """Ask the servers in turn; only silence is worth another, longer try."""
        asked = question(name, rtype)
        if asked is None:
            return Reply(End.NO_NAME, name)
        failure = CouldNotTell("unreachable", "no name server is configured")
        if self._channels is None:
            self._channels = Channels()
        waiting = list(servers)
        for timeout_seconds in self._network.timeouts_seconds:
            silent = []
            for endpoint in waiting:
                async with self._on_the_wire:
                    message = await exchange(
                        self._channels,
                        asked,
                        endpoint,
                        recursion=recursion,
                        timeout_seconds=timeout_seconds,
                    )
                reply = message if isinstance(message, CouldNotTell) else read(message, name, rtype)
                if isinstance(reply, Reply):
                    return reply
                failure = reply
                if "timeout" in (reply.reason, reply.detail):
                    silent.append(endpoint)
            waiting = silent
        return failure

    async def _delegation(self, name: str) -> Delegation | NoName | CouldNotTell:
        found = await self._apex(name)
        if not isinstance(found, Records):
            return found
        zone = found.records[0].owner
        # A resolver keeps a delegation for as long as it lives, and goes on asking the servers of
        # an old one. Only the parent knows; and whom either names, somebody asks.
        above, is_confirmed = await self._named_above(zone)
        hosts = tuple(sorted({*found.values, *above}))
        # Providers serve thousands of zones from the same few hosts.
        located = await self._once(("hosts", *hosts), lambda: self._locate_all(hosts))
        port = self._network.authoritative_port_for(zone)
        return Delegation(
            zone=zone,
            servers=tuple(
                Server(host, address, port) for host in hosts for address in located[host].usable
            ),
            unresolved=tuple(host for host in hosts if located[host].is_unresolved),
            addressless=tuple(host for host in hosts if located[host].is_addressless),
            ipv6_only=tuple(host for host in hosts if located[host].needs_ipv6),
            is_confirmed=is_confirmed,
        )

    async def _named_above(self, zone: str) -> tuple[tuple[str, ...], bool]:
        """The servers that the parent zone delegates to, and whether nothing is left to ask.

        A parent whose servers cannot be found, or serve the zone below as well, has no second
        word. False where it has one and did not give it.
        """
        _, _, parent = zone.partition(".")
        above = await self.delegation(parent) if parent else None
        if not isinstance(above, Delegation) or not above.servers:
            return (), True
        for server in above.servers[:_PARENT_SERVERS]:
            answer = await self.ask(server, zone, "NS")
            if isinstance(answer, Referral):
                return answer.hosts, True
            if not isinstance(answer, CouldNotTell):
                return (), True
        return (), False

    async def _locate_all(self, hosts: Sequence[str]) -> dict[str, _Located]:
        found = await asyncio.gather(*(self._locate(host) for host in hosts))
        return dict(zip(hosts, found, strict=True))

    async def _apex(self, name: str) -> Records | NoName | CouldNotTell:
        """The NS records of the nearest zone at or above the name."""
        labels = name.split(".")
        exists = True
        for depth in range(len(labels)):
            candidate = ".".join(labels[depth:])
            answer = await self.resolve(candidate, "NS")
            if isinstance(answer, CouldNotTell):
                return answer
            exists = exists and not isinstance(answer, NoName)
            if isinstance(answer, Records) and not answer.chain:
                is_registry = candidate != name and "." not in candidate
                if is_registry and not exists:
                    return await self._missing(".".join(labels[depth - 1 :]), answer)
                return answer
        return CouldNotTell("refused", "no zone found") if exists else NoName()

    async def _missing(self, name: str, registry: Records) -> NoName | CouldNotTell:
        """The resolvers know no such name: do the registry's own servers say so too?

        A resolver may filter, lie or hold an old NXDOMAIN (RFC 2308 section 5), so that its word
        alone is no answer.
        """
        port = self._network.authoritative_port_for(name)
        hosts = tuple(sorted(set(registry.values)))[:_REGISTRY_SERVERS]
        located = await self._once(("hosts", *hosts), lambda: self._locate_all(hosts))
        servers = [Server(h, a, port) for h in hosts for a in located[h].usable[:1]]
        answers = await asyncio.gather(*(self.ask(server, name, "NS") for server in servers))
        said = [a for a in answers if not isinstance(a, CouldNotTell) or a.detail == REFERRAL]
        if said and all(isinstance(answer, NoName) for answer in said):
            return NoName()
        return CouldNotTell("unconfirmed", "the resolvers alone say that there is no such name")

    async def _locate(self, host: str) -> _Located:
        """A server's addresses that may be asked; none where any is in doubt."""
        answers = await asyncio.gather(self.resolve(host, "A"), self.resolve(host, "AAAA"))
        # Sorted, for servers rotate their answers and the same zone must look the same each time.
        found = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if not found:
            certain = all(isinstance(answer, NoName | NoRecord) for answer in answers)
            return _Located(is_addressless=certain)
        if isinstance(answers[0], CouldNotTell):
            return _Located()
        allowed = [text for text in found if self._may_ask(text)]
        usable = tuple(text for text in allowed if ":" not in text or has_route(text))
        return _Located(usable, needs_ipv6=bool(allowed) and not usable)

    def _may_ask(self, text: str) -> bool:
        known = self._permitted.get(text)
        if known is None:
            address = parse_address(text)
            known = address is not None and may_ask(address, self._network.allowed_networks)
            self._permitted[text] = known
        return known


@functools.lru_cache(maxsize=1024)
def has_route(address: str) -> bool:
    """Can this machine send to the IPv6 address? Nothing is sent to find out.

    A machine with only a unique-local address (RFC 4193) may have a default route and still get
    no answers from the public internet, so the source the kernel picks must be as wide.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 53))
        except OSError:
            return False
        source = parse_address(probe.getsockname()[0])
    target = parse_address(address)
    return source is not None and target is not None and source.is_global >= target.is_global
