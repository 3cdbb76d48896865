"""The real `Lookup`: resolvers and authoritative servers over the network, answers shared."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

from checks.engine.addresses import may_ask, parse_address
from checks.engine.channels import Channels
from checks.engine.decoding import End, Reply, read_authoritative, read_recursive
from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    NoName,
    NoRecord,
    Record,
    Records,
    Server,
    sorted_values,
)
from checks.engine.messages import Message
from checks.engine.network import Endpoint, Network
from checks.engine.transport import exchange
from checks.engine.wire import question

MAX_ALIASES = 16
_T = TypeVar("_T")
_Read = Callable[[Message, str, str], Reply | CouldNotTell]


class NetworkLookup:
    """Asks the network, each question once: one instance serves one batch of subjects.

    Questions in flight are shared, and outlive a subject that ran out of its time, because others
    may be waiting for the same answer. `exchanges` limits how many are on the wire at once.
    """

    def __init__(self, network: Network, *, exchanges: int = 256) -> None:
        self._network = network
        self._on_the_wire = asyncio.Semaphore(exchanges)
        self._asked: dict[tuple[str, ...], asyncio.Task[Any]] = {}
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
        return cast(_T, await asyncio.shield(task))

    async def _resolve(self, name: str, rtype: str, chain: tuple[Record, ...]) -> Answer:
        servers = self._network.nameservers_for(name)
        reply = await self._put(servers, name, rtype, recursion=True, read=read_recursive)
        if isinstance(reply, CouldNotTell):
            return reply
        return await self._finish(reply, rtype, chain)

    async def _ask(self, server: Server, name: str, rtype: str) -> Answer:
        address = parse_address(server.address)
        if address is None or not may_ask(address, self._network.allowed_networks):
            return CouldNotTell("not-allowed", server.address)
        at = [(server.address, server.port)]
        reply = await self._put(at, name, rtype, recursion=False, read=read_authoritative)
        if isinstance(reply, CouldNotTell):
            return reply
        return await self._finish(reply, rtype, ())

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
        hosts = sorted(set(found.values))
        located = await asyncio.gather(*(self._locate(host) for host in hosts))
        port = self._network.authoritative_port_for(zone)
        return Delegation(
            zone=zone,
            servers=tuple(
                Server(host, address, port)
                for host, addresses in zip(hosts, located, strict=True)
                for address in addresses or ()
            ),
            unresolved=tuple(h for h, found in zip(hosts, located, strict=True) if found is None),
            addressless=tuple(h for h, found in zip(hosts, located, strict=True) if found == ()),
        )

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
                return NoName() if is_registry and not exists else answer
        return CouldNotTell("refused", "no zone found") if exists else NoName()

    async def _locate(self, host: str) -> tuple[str, ...] | None:
        """A server's addresses that may be asked: none for certain (), or None when in doubt."""
        answers = await asyncio.gather(self.resolve(host, "A"), self.resolve(host, "AAAA"))
        # Sorted, for servers rotate their answers and the same zone must look the same each time.
        addresses = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if not addresses:
            certain = all(isinstance(answer, NoName | NoRecord) for answer in answers)
            return () if certain else None
        if isinstance(answers[0], CouldNotTell):
            return None
        return tuple(address for address in addresses if self._is_usable(address)) or None

    def _is_usable(self, text: str) -> bool:
        address = parse_address(text)
        if address is None or not may_ask(address, self._network.allowed_networks):
            return False
        return address.version == 4 or has_route(text)


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
