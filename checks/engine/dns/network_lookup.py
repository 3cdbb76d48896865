"""The `Lookup` that queries resolvers and authoritative servers, with shared answers."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from checks.engine.addresses import is_public, may_query, parse_address
from checks.engine.dns import dnssec
from checks.engine.dns.answers import (
    MAX_ALIASES,
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
from checks.engine.dns.validations import Validations
from checks.engine.dns.wire import make_question

# A parent zone accepts 13 servers or little more. A delegation with hundreds would make every check
# a flood of queries to them, or to the servers of their names (CVE-2020-8616).
MAX_SERVER_NAMES = 32
MAX_SERVERS = 64
# Registries have a dozen servers or more. A few are enough to confirm that a name does not exist.
_MAX_REGISTRY_SERVERS = 3
_MAX_PARENT_SERVERS = 2
# A difference between mixed and lower case must be repeated this often.
_COMPARISONS = 3
# Each label of a name can be a zone with servers of its own. Deeper zones are not confirmed.
_MAX_CONFIRMED_LABELS = 8


@dataclass(frozen=True)
class _HostAddresses:
    """The usable addresses of a name server, or the reason why there is none.

    `published` are all addresses at its name, also those that must not be queried from here.
    `unroutable` are the IPv6 addresses without a route from this machine. `has_ipv6` is False when
    the lookup of the IPv6 addresses failed.
    """

    usable: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    unroutable: tuple[str, ...] = ()
    is_addressless: bool = False
    has_ipv6: bool = True

    def lacks(self, address: str) -> bool:
        """Return whether the name certainly does not publish the address."""
        return address not in self.published and (self.has_ipv6 or ":" not in address)

    @property
    def needs_ipv6(self) -> bool:
        return bool(self.unroutable) and not self.usable

    @property
    def is_unresolved(self) -> bool:
        return not self.usable and not self.is_addressless


class NetworkLookup:
    """Queries the network, each question once. One instance serves one batch of subjects.

    Queries in flight are shared. They outlive a subject that exceeds its budget, because other
    subjects may wait for the same answer. `max_in_flight` limits the queries in flight.
    """

    def __init__(self, network: Network, *, max_in_flight: int = 256) -> None:
        self._network = network
        self._pool = QueryPool(network.timeouts_seconds, max_in_flight=max_in_flight)
        self._permitted: dict[str, bool] = {}
        # The names whose zone was requested: domains, and the zones above them.
        self._domains: set[str] = set()
        self._validations = Validations(
            self.resolve, network.nameservers_for, self._pool, network.timeouts_seconds
        )

    async def resolve(self, name: str, rtype: str) -> Answer:
        """Query the resolvers one after another; aliases are followed to their end."""
        shared = self._resolve_shared(name, rtype)
        # The shortcut spares a suspension for the many answers that the batch has already.
        answer = shared.result() if shared.is_done else await shared.wait()
        return await self._name_rejection(answer, name, rtype)

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        """Resolve several names at once; the answers are in the order of `names`."""
        answers = await wait_for_all([self._resolve_shared(name, rtype) for name in names])
        return [
            await self._name_rejection(answer, name, rtype)
            for answer, name in zip(answers, names, strict=True)
        ]

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        """Query one authoritative server. An alias to a foreign zone is resolved."""
        answer = await self._query_shared(server, name, rtype).wait()
        if self._is_compared(name, rtype):
            (answer,) = await self._compare_case((server,), [answer], name, rtype)
        return await self._validations.validated(server, answer, name, rtype)

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        """Query several servers at once; the answers are in the order of `servers`."""
        answers = await wait_for_all(
            [self._query_shared(server, name, rtype) for server in servers]
        )
        if self._is_compared(name, rtype):
            answers = await self._compare_case(servers, answers, name, rtype)
        if not self._validations.concerns(name):
            return answers
        return await asyncio.gather(
            *(
                self._validations.validated(server, answer, name, rtype)
                for server, answer in zip(servers, answers, strict=True)
            )
        )

    def resolvers_for(self, name: str) -> tuple[Endpoint, ...]:
        """Return the resolvers whose caches are compared with the servers; possibly none."""
        return self._network.resolvers_for(name)

    async def query_resolver(self, resolver: Endpoint, name: str, rtype: str) -> Answer:
        """Query one of these resolvers; the TTL is the remaining lifetime in seconds."""
        key = ("resolver", resolver, name, rtype)
        known = self._pool.get(key) or self._submit(
            key, (resolver,), name, rtype, recursion=True, read_reply=read_recursive
        )
        return await known.wait()

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        """Find the zone's apex at or above the name, then the addresses of every server."""
        name = name.rstrip(".").lower()
        self._domains.add(name)
        return await self._pool.run_once(
            ("delegation", name), lambda: self._delegation(name)
        ).wait()

    async def close(self) -> None:
        """Cancel the queries that are still in flight and close the sockets."""
        await self._pool.close()

    def _is_compared(self, name: str, rtype: str) -> bool:
        """Return whether a question is repeated in lower case: the MX records of a domain.

        One question for each server and domain. Of all records, a wrong MX record loses mail.
        """
        return rtype == "MX" and name.rstrip(".").lower() in self._domains

    async def _compare_case(
        self, servers: Sequence[Server], answers: Sequence[Answer], name: str, rtype: str
    ) -> list[Answer]:
        """Add the answers in lower case that differ, which RFC 4343 section 3 forbids."""
        plain = await wait_for_all(
            [self._query_shared(server, name, rtype, in_lower_case=True) for server in servers]
        )
        compared: list[Answer] = []
        for server, answer, lower in zip(servers, answers, plain, strict=True):
            if isinstance(answer, Records) and _differ(answer, lower):
                is_certain = await self._is_repeated(server, name, rtype, (answer, lower))
                compared.append(replace(answer, lower_case=lower) if is_certain else answer)
            else:
                compared.append(answer)
        return compared

    async def _is_repeated(
        self, server: Server, name: str, rtype: str, answers: tuple[Answer, Answer]
    ) -> bool:
        """Return whether the server repeats both answers.

        It does not if it rotates its records, or if the zone has changed between two answers. A
        failed query repeats nothing.
        """
        for number in range(1, _COMPARISONS + 1):
            again = await wait_for_all(
                [
                    self._query_shared(server, name, rtype, in_lower_case=lower, attempt=number)
                    for lower in (False, True)
                ]
            )
            if not all(map(_repeats, answers, again)):
                return False
        return True

    async def _name_rejection(self, answer: Answer, name: str, rtype: str) -> Answer:
        """Return "dnssec-rejected" for a SERVFAIL that only a validating resolver returns."""
        if type(answer) is not LookupFailure or answer.reason != "servfail":
            return answer
        unchecked = await self._resolve_unchecked(name, rtype)
        return answer if isinstance(unchecked, LookupFailure) else LookupFailure(dnssec.REJECTED)

    async def _resolve_unchecked(self, name: str, rtype: str) -> Answer:
        """Query the resolvers with CD: they return records that they reject (RFC 4035 3.2.2)."""
        name = name.rstrip(".").lower() or "."
        key = ("unchecked", name, rtype)
        return await self._query_resolvers(key, name, rtype, unchecked=True).wait()

    async def _resolve_server(self, name: str, rtype: str) -> Answer:
        """Resolve a name of the delegation. The servers of a rejected zone are queried, too."""
        answer = await self.resolve(name, rtype)
        if not isinstance(answer, LookupFailure) or answer.reason != dnssec.REJECTED:
            return answer
        self._validations.rejected.add(name.rstrip(".").lower())
        return await self._resolve_unchecked(name, rtype)

    def _resolve_shared(self, name: str, rtype: str) -> SharedResult[Answer]:
        # First as given: most names are normalised, and the second lookup is then not needed.
        known = self._pool.get((name, rtype))
        if known is not None:
            return known
        name = name.rstrip(".").lower() or "."
        return self._query_resolvers((name, rtype), name, rtype)

    def _query_resolvers(
        self, key: tuple[str, ...], name: str, rtype: str, *, unchecked: bool = False
    ) -> SharedResult[Answer]:
        return self._pool.get(key) or self._submit(
            key,
            self._network.nameservers_for(name),
            name,
            rtype,
            recursion=True,
            unchecked=unchecked,
            read_reply=read_recursive,
            follow_alias=lambda reply: self._follow_alias(reply, rtype, ()),
        )

    def _query_shared(
        self,
        server: Server,
        name: str,
        rtype: str,
        *,
        in_lower_case: bool = False,
        attempt: int = 0,
    ) -> SharedResult[Answer]:
        name = name.rstrip(".").lower() or "."
        key: tuple[Hashable, ...] = (server.address, server.port, name, rtype)
        if in_lower_case or attempt:
            key = (*key, in_lower_case, attempt)
        known = self._pool.get(key)
        if known is not None:
            return known
        # A zone can delegate to 127.0.0.1 or 169.254.169.254: the guard is on every query.
        if not self._may_query(server.address):
            return self._pool.set_known(key, LookupFailure("not-allowed", server.address))
        return self._submit(
            key,
            ((server.address, server.port),),
            name,
            rtype,
            recursion=False,
            mixed_case=not in_lower_case,
            read_reply=read_authoritative,
            follow_alias=lambda reply: self._follow_foreign_alias(reply, rtype),
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
        mixed_case: bool = False,
        unchecked: bool = False,
    ) -> SharedResult[Answer]:
        question = make_question(name, rtype, mixed_case=mixed_case)
        plain = make_question(name, rtype) if mixed_case else None
        if question is not None and unchecked:
            question = replace(question, unchecked=True)
        # A name that cannot exist (RFC 1035 section 2.3.4) is answered without a query.
        if question is None:
            return self._pool.set_known(key, NoName())
        if not servers:
            return self._pool.set_known(key, NO_SERVER)
        # A domain without a record is a fault, so that each such answer is repeated. Other names
        # are often empty.
        case_key = (name, rtype) if name in self._domains else rtype
        return self._pool.submit(
            key,
            ServerQuery(
                question,
                servers,
                name,
                rtype,
                recursion,
                read_reply,
                plain,
                follow_alias,
                case_key,
            ),
        )

    async def _follow_foreign_alias(self, reply: DecodedReply, rtype: str) -> Answer:
        """Resolve the alias in the reply of an authoritative server.

        That server has answered: a failure concerns the target, which is in another zone.
        """
        answer = await self._follow_alias(reply, rtype, ())
        if not isinstance(answer, LookupFailure) or answer.reason == "cname-loop":
            return answer
        answer = await self._name_rejection(answer, reply.last_name, rtype)
        if isinstance(answer, LookupFailure) and answer.reason in dnssec.FAULTS:
            return answer
        return LookupFailure("alias-unresolved", reply.last_name)

    async def _follow_alias(
        self, reply: DecodedReply, rtype: str, earlier: tuple[Record, ...]
    ) -> Answer:
        """Resolve the alias at the end of a reply: a server need not know the target's zone."""
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
        # A resolver can cache an old delegation and query its servers until the TTL expires. Only
        # the parent zone is current. Senders use either set, so the check queries both.
        referral, is_confirmed = await self._parent_referral(zone)
        named = sorted({*found.values, *referral.hosts})
        hosts = tuple(named[:MAX_SERVER_NAMES])
        # Shared, because providers serve thousands of zones from the same few hosts.
        located = await self._locate_shared(hosts)
        port = self._network.authoritative_port_for(zone)
        # RFC 1034 section 4.2.1: the glue leads a resolver from the parent zone to the servers. An
        # address that the zone itself no longer publishes still answers those resolvers.
        differing = [
            Server(host, address, port)
            for host, address in referral.glue
            if host in located and located[host].lacks(address)
        ]
        glue = [server for server in differing if self._is_usable(server.address)]
        own = [Server(host, address, port) for host in hosts for address in located[host].usable]
        excess = len(named) - len(hosts) + max(len(own) + len(glue) - MAX_SERVERS, 0)
        own = own[:MAX_SERVERS]
        glue = glue[: MAX_SERVERS - len(own)]
        self._validations.add_zone(zone, [(each.address, each.port) for each in own])
        return Delegation(
            zone=zone,
            servers=(*own, *glue),
            # A name without an answer may have this address, so that nothing differs for certain.
            glue_only=tuple(each for each in differing if not located[each.name].is_unresolved)[
                :MAX_SERVERS
            ],
            unqueried=(
                *_unroutable(located, hosts, port),
                *(each for each in differing if self._is_unroutable(each.address)),
            )[:MAX_SERVERS],
            unresolved=tuple(host for host in hosts if located[host].is_unresolved),
            addressless=tuple(
                host
                for host in hosts
                if located[host].is_addressless and host not in {each.name for each in glue}
            ),
            ipv6_only=tuple(host for host in hosts if located[host].needs_ipv6),
            is_confirmed=is_confirmed,
            excess=excess,
        )

    async def _parent_referral(self, zone: str) -> tuple[Referral, bool]:
        """Return the servers that the parent zone delegates to, and whether that is certain.

        False when the servers of the parent zone did not answer. True, without servers, when they
        cannot be found, or serve the zone as well and so have no delegation of their own.
        """
        none = Referral("lame", REFERRAL)
        if zone.count(".") >= _MAX_CONFIRMED_LABELS:
            return none, False
        _, _, parent = zone.partition(".")
        parent_delegation = await self.delegation(parent) if parent else None
        if not isinstance(parent_delegation, Delegation) or not parent_delegation.servers:
            return none, True
        for server in parent_delegation.servers[:_MAX_PARENT_SERVERS]:
            answer = await self.query(server, zone, "NS")
            if isinstance(answer, Referral):
                return answer, True
            if not isinstance(answer, LookupFailure):
                return none, True
        return none, False

    async def _locate_shared(self, hosts: tuple[str, ...]) -> dict[str, _HostAddresses]:
        return await self._pool.run_once(("hosts", hosts), lambda: self._locate_all(hosts)).wait()

    async def _locate_all(self, hosts: Sequence[str]) -> dict[str, _HostAddresses]:
        found = await asyncio.gather(*(self._locate(host) for host in hosts))
        return dict(zip(hosts, found, strict=True))

    async def _apex(self, name: str) -> Records | NoName | LookupFailure:
        """Return the NS records of the nearest zone at or above the name."""
        labels = name.split(".")
        exists = True
        for depth in range(len(labels)):
            candidate = ".".join(labels[depth:])
            answer = await self._resolve_server(candidate, "NS")
            if isinstance(answer, LookupFailure):
                return answer
            # RFC 8020: one NXDOMAIN on the way up means that the name itself does not exist.
            exists = exists and not isinstance(answer, NoName)
            if isinstance(answer, Records) and not answer.chain:
                # A missing name directly below a top-level domain is an unregistered domain.
                is_registry = candidate != name and "." not in candidate
                if is_registry and not exists:
                    return await self._confirm_missing(".".join(labels[depth - 1 :]), answer)
                return answer
        return LookupFailure("refused", "no zone found") if exists else NoName()

    async def _confirm_missing(self, name: str, registry: Records) -> NoName | LookupFailure:
        """Return NoName when the registry's servers confirm the resolvers' NXDOMAIN.

        A resolver may filter names, forge answers or cache an old NXDOMAIN (RFC 2308 section 5), so
        its answer alone is not enough.
        """
        port = self._network.authoritative_port_for(name)
        hosts = tuple(sorted(set(registry.values)))[:_MAX_REGISTRY_SERVERS]
        located = await self._locate_shared(hosts)
        servers = [Server(h, a, port) for h in hosts for a in located[h].usable[:1]]
        answers = await self.query_all(servers, name, "NS")
        answered = [a for a in answers if not isinstance(a, LookupFailure) or a.detail == REFERRAL]
        if answered and all(isinstance(answer, NoName) for answer in answered):
            return NoName()
        return LookupFailure("unconfirmed", "only the resolvers deny the name")

    async def _locate(self, host: str) -> _HostAddresses:
        """Return the addresses of a server that may be queried; none when the A lookup failed."""
        rtypes = ("A", "AAAA")
        # Both at once; the second pass finds the answers of the first.
        await wait_for_all([self._resolve_shared(host, rtype) for rtype in rtypes])
        answers = [await self._resolve_server(host, rtype) for rtype in rtypes]
        # Sorted: servers rotate their answers, and equal zones must lead to equal evidence.
        found = [v for a in answers if isinstance(a, Records) for v in sorted_values(a.values)]
        if not found:
            certain = all(isinstance(answer, NoName | NoRecord) for answer in answers)
            return _HostAddresses(is_addressless=certain)
        # The list may be incomplete, so the server counts as unresolved and the verdict as UNKNOWN.
        if isinstance(answers[0], LookupFailure):
            return _HostAddresses()
        allowed = [text for text in found if self._may_query(text)]
        usable = tuple(text for text in allowed if self._is_usable(text))
        unroutable = tuple(text for text in allowed if text not in usable)
        has_ipv6 = not isinstance(answers[1], LookupFailure)
        return _HostAddresses(usable, tuple(found), unroutable, has_ipv6=has_ipv6)

    def _is_usable(self, text: str) -> bool:
        return self._may_query(text) and (":" not in text or has_route(text))

    def _is_unroutable(self, text: str) -> bool:
        return self._may_query(text) and not self._is_usable(text)

    def _may_query(self, text: str) -> bool:
        known = self._permitted.get(text)
        if known is None:
            address = parse_address(text)
            known = address is not None and may_query(address, self._network.allowed_networks)
            self._permitted[text] = known
        return known


def _differ(one: Answer, other: Answer) -> bool:
    """Return whether two answers have different records. A failed query differs from none."""
    if isinstance(one, LookupFailure) or isinstance(other, LookupFailure):
        return False
    first, second = (
        sorted_values(each.values) if isinstance(each, Records) else [] for each in (one, other)
    )
    return first != second


def _repeats(first: Answer, again: Answer) -> bool:
    """Return whether the second answer confirms the first one."""
    return not isinstance(again, LookupFailure) and not _differ(first, again)


def _unroutable(
    located: Mapping[str, _HostAddresses], hosts: Sequence[str], port: int
) -> Iterator[Server]:
    """Yield the addresses without a route of the servers that have another, usable address."""
    for host in hosts:
        if located[host].usable:
            yield from (Server(host, address, port) for address in located[host].unroutable)


@functools.lru_cache(maxsize=1024)
def has_route(address: str) -> bool:
    """Return whether this machine can send to the IPv6 address. Sends nothing.

    A machine with only a unique-local address (RFC 4193) may have a default route and still receive
    no answers from the public internet. So the source address that the kernel selects must be
    global when the target is.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        # `connect` on a datagram socket only selects a route and a source address.
        try:
            probe.connect((address, 53))
        except OSError:
            return False
        source = parse_address(probe.getsockname()[0])
    target = parse_address(address)
    return source is not None and target is not None and is_public(source) >= is_public(target)
