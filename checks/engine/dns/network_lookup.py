"""The real `Lookup`: resolvers and authoritative servers over the network, answers shared."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from checks.engine.addresses import may_query, parse_address
from checks.engine.dns.answers import (
    REFERRAL,
    DecodedReply,
    ReplyEnding,
    read_authoritative,
    read_recursive,
)
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
    sorted_values,
)
from checks.engine.dns.network import Endpoint, Network
from checks.engine.dns.query_pool import (
    NO_SERVER,
    AliasFollower,
    QueryPool,
    ReplyReader,
    ServerQuery,
    SharedResult,
    wait_for_all,
)
from checks.engine.dns.wire import make_question

MAX_ALIASES = 16
# Registries have a dozen servers or more; a few are enough to ask whether a name exists.
_MAX_REGISTRY_SERVERS = 3
_MAX_PARENT_SERVERS = 2


@dataclass(frozen=True)
class _HostAddresses:
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
    may be waiting for the same answer. `max_in_flight` limits how many are on the wire at once.
    """

    def __init__(self, network: Network, *, max_in_flight: int = 256) -> None:
        self._network = network
        self._pool = QueryPool(network.timeouts_seconds, max_in_flight=max_in_flight)
        self._permitted: dict[str, bool] = {}

    async def resolve(self, name: str, rtype: str) -> Answer:
        """Ask the resolvers in turn, as the world would; aliases are followed to their end."""
        shared = self._resolve_shared(name, rtype)
        return shared.result() if shared.is_done else await shared.wait()

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        """The same of several names at once."""
        return await wait_for_all([self._resolve_shared(name, rtype) for name in names])

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Ask one authoritative server. An alias that leads out of its zones is resolved."""
        return await self._query_shared(server, name, rtype).wait()

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        """The same of several servers at once."""
        return await wait_for_all([self._query_shared(server, name, rtype) for server in servers])

    def resolvers_for(self, name: str) -> tuple[Endpoint, ...]:
        """The resolvers that confirm what servers say; none where none are set."""
        return self._network.resolvers_for(name)

    async def query_resolver(self, resolver: Endpoint, name: str, rtype: str) -> Answer:
        """What one of them holds, with the seconds that are left of it as TTL."""
        key = ("resolver", resolver, name, rtype)
        known = self._pool.get(key) or self._submit(
            key, (resolver,), name, rtype, recursion=True, read_reply=read_recursive
        )
        return await known.wait()

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        """Walk up from the name to its zone's apex, then find every server's addresses."""
        name = name.rstrip(".").lower()
        return await self._pool.run_once(
            ("delegation", name), lambda: self._delegation(name)
        ).wait()

    async def close(self) -> None:
        """Drop the questions nobody waits for any more."""
        await self._pool.close()

    def _resolve_shared(self, name: str, rtype: str) -> SharedResult[Answer]:
        known = self._pool.get((name, rtype))
        if known is not None:
            return known
        name = name.rstrip(".").lower() or "."
        key = (name, rtype)
        return self._pool.get(key) or self._submit(
            key,
            self._network.nameservers_for(name),
            name,
            rtype,
            recursion=True,
            read_reply=read_recursive,
            follow_alias=lambda reply: self._follow_alias(reply, rtype, ()),
        )

    def _query_shared(self, server: Server, name: str, rtype: str) -> SharedResult[Answer]:
        name = name.rstrip(".").lower() or "."
        key = (server.address, server.port, name, rtype)
        known = self._pool.get(key)
        if known is not None:
            return known
        if not self._may_query(server.address):
            return self._pool.set_known(key, LookupFailure("not-allowed", server.address))
        return self._submit(
            key,
            ((server.address, server.port),),
            name,
            rtype,
            recursion=False,
            read_reply=read_authoritative,
            follow_alias=lambda reply: self._follow_alias(reply, rtype, ()),
        )

    def _submit(
        self,
        key: Hashable,
        servers: Sequence[Endpoint],
        name: str,
        rtype: str,
        *,
        recursion: bool,
        read_reply: ReplyReader,
        follow_alias: AliasFollower | None = None,
    ) -> SharedResult[Answer]:
        question = make_question(name, rtype)
        if question is None:
            return self._pool.set_known(key, NoName())
        if not servers:
            return self._pool.set_known(key, NO_SERVER)
        return self._pool.submit(
            key, ServerQuery(question, servers, name, rtype, recursion, read_reply, follow_alias)
        )

    async def _follow_alias(
        self, reply: DecodedReply, rtype: str, earlier: tuple[Record, ...]
    ) -> Answer:
        """Go on where a reply ends in an alias: a server need not know the target's zone."""
        while reply.end is ReplyEnding.UNRESOLVED_ALIAS:
            earlier += reply.chain
            name = reply.last_name
            if len(earlier) > MAX_ALIASES or any(link.owner == name for link in earlier):
                return LookupFailure("cname-loop", name)
            question = make_question(name, rtype)
            if question is None:
                return NoName(earlier)
            servers = self._network.nameservers_for(name)
            server_query = ServerQuery(
                question, servers, name, rtype, recursion=True, read_reply=read_recursive
            )
            found = await self._pool.query_servers(server_query)
            if isinstance(found, LookupFailure):
                return found
            reply = found
        return reply.as_answer(earlier)

    async def _delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        found = await self._apex(name)
        if not isinstance(found, Records):
            return found
        zone = found.records[0].owner
        # A resolver keeps a delegation for as long as it lives, and goes on asking the servers of
        # an old one. Only the parent knows; and whom either names, somebody asks.
        parent_hosts, is_confirmed = await self._parent_name_servers(zone)
        hosts = tuple(sorted({*found.values, *parent_hosts}))
        # Providers serve thousands of zones from the same few hosts.
        located = await self._locate_shared(hosts)
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

    async def _parent_name_servers(self, zone: str) -> tuple[tuple[str, ...], bool]:
        """The servers that the parent zone delegates to, and whether nothing is left to ask.

        A parent whose servers cannot be found, or serve the zone below as well, has no second
        word. False where it has one and did not give it.
        """
        _, _, parent = zone.partition(".")
        parent_delegation = await self.delegation(parent) if parent else None
        if not isinstance(parent_delegation, Delegation) or not parent_delegation.servers:
            return (), True
        for server in parent_delegation.servers[:_MAX_PARENT_SERVERS]:
            answer = await self.query(server, zone, "NS")
            if isinstance(answer, Referral):
                return answer.hosts, True
            if not isinstance(answer, LookupFailure):
                return (), True
        return (), False

    async def _locate_shared(self, hosts: tuple[str, ...]) -> dict[str, _HostAddresses]:
        return await self._pool.run_once(("hosts", hosts), lambda: self._locate_all(hosts)).wait()

    async def _locate_all(self, hosts: Sequence[str]) -> dict[str, _HostAddresses]:
        found = await asyncio.gather(*(self._locate(host) for host in hosts))
        return dict(zip(hosts, found, strict=True))

    async def _apex(self, name: str) -> Records | NoName | LookupFailure:
        """The NS records of the nearest zone at or above the name."""
        labels = name.split(".")
        exists = True
        for depth in range(len(labels)):
            candidate = ".".join(labels[depth:])
            answer = await self.resolve(candidate, "NS")
            if isinstance(answer, LookupFailure):
                return answer
            exists = exists and not isinstance(answer, NoName)
            if isinstance(answer, Records) and not answer.chain:
                is_registry = candidate != name and "." not in candidate
                if is_registry and not exists:
                    return await self._confirm_missing(".".join(labels[depth - 1 :]), answer)
                return answer
        return LookupFailure("refused", "no zone found") if exists else NoName()

    async def _confirm_missing(self, name: str, registry: Records) -> NoName | LookupFailure:
        """The resolvers know no such name: do the registry's own servers say so too?

        A resolver may filter, lie or hold an old NXDOMAIN (RFC 2308 section 5), so that its word
        alone is no answer.
        """
        port = self._network.authoritative_port_for(name)
        hosts = tuple(sorted(set(registry.values)))[:_MAX_REGISTRY_SERVERS]
        located = await self._locate_shared(hosts)
        servers = [Server(h, a, port) for h in hosts for a in located[h].usable[:1]]
        answers = await self.query_all(servers, name, "NS")
        answered = [a for a in answers if not isinstance(a, LookupFailure) or a.detail == REFERRAL]
        if answered and all(isinstance(answer, NoName) for answer in answered):
            return NoName()
        return LookupFailure("unconfirmed", "the resolvers alone say that there is no such name")

    async def _locate(self, host: str) -> _HostAddresses:
        """A server's addresses that may be asked; none where any is in doubt."""
        answers = await wait_for_all([self._resolve_shared(host, rtype) for rtype in ("A", "AAAA")])
        # Sorted, for servers rotate their answers and the same zone must look the same each time.
        found = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if not found:
            certain = all(isinstance(answer, NoName | NoRecord) for answer in answers)
            return _HostAddresses(is_addressless=certain)
        if isinstance(answers[0], LookupFailure):
            return _HostAddresses()
        allowed = [text for text in found if self._may_query(text)]
        usable = tuple(text for text in allowed if ":" not in text or has_route(text))
        return _HostAddresses(usable, needs_ipv6=bool(allowed) and not usable)

    def _may_query(self, text: str) -> bool:
        known = self._permitted.get(text)
        if known is None:
            address = parse_address(text)
            known = address is not None and may_query(address, self._network.allowed_networks)
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
