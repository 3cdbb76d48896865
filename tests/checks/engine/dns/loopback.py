"""A real name server on loopback. A test selects its behaviour for each name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from checks.engine.dns.network import Network
from tests.checks.engine.dns.zone_lookup import read_zone

Wire = bytes | None
Behaviour = Callable[["Nameserver", dns.message.Message, bool], Wire]
LOOPBACK = ip_network("127.0.0.0/8")


class Nameserver:
    """Answers authoritatively from zone text; `behaviours` of a name come first."""

    def __init__(self, zone: str, behaviours: dict[str, Behaviour], *, recursive: bool) -> None:
        self.zone = read_zone(zone)
        self.behaviours = behaviours
        self.recursive = recursive
        self.queries: Counter[tuple[str, str, str]] = Counter()
        self.address, self.port = "", 0
        self.last_source: tuple[str, int] = ("", 0)
        self.send: Callable[[bytes, tuple[str, int]], None] = lambda data, to: None

    def reply_to(self, wire: bytes, *, over_tcp: bool) -> Wire:
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        rtype = dns.rdatatype.to_text(query.question[0].rdtype)
        self.queries[name, rtype, "tcp" if over_tcp else "udp"] += 1
        return self.behaviours.get(name, answer)(self, query, over_tcp)

    def response_to(self, query: dns.message.Message) -> dns.message.Message:
        """The correct answer; only the CNAME for an alias."""
        response = dns.message.make_response(query, recursion_available=self.recursive)
        response.flags |= dns.flags.AA
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        rtype = dns.rdatatype.to_text(query.question[0].rdtype)
        here = [record for record in self.zone if record.owner == name]
        found = [r for r in here if r.rtype == rtype] or [r for r in here if r.rtype == "CNAME"]
        for record in found:
            value = record.value
            value = _strings(value) if record.rtype == "TXT" else value
            if record.rtype in ("NS", "CNAME", "MX", "PTR"):
                value = value.removesuffix(".") + "."
            rrset = dns.rrset.from_text(name + ".", record.ttl, "IN", record.rtype, value)
            same = response.get_rrset("ANSWER", rrset.name, rrset.rdclass, rrset.rdtype)
            if same is None:
                response.answer.append(rrset)
            else:
                same.add(rrset[0], record.ttl)
        below = any(record.owner.endswith("." + name) for record in self.zone)
        if not here and not below:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


def answer(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    return server.response_to(query).to_wire()


def drop(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    return None


def drop_first(count: int) -> Behaviour:
    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        asked = sum(number for key, number in server.queries.items() if key[0] == name)
        return None if asked <= count else answer(server, query, over_tcp)

    return behaviour


def truncate(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = server.response_to(query)
    if over_tcp:
        return response.to_wire()
    response.answer.clear()
    response.flags |= dns.flags.TC
    return response.to_wire()


def fail_with(rcode: dns.rcode.Rcode) -> Behaviour:
    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response.to_wire()

    return behaviour


def refuse_edns(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    if query.edns < 0:
        return answer(server, query, over_tcp)
    return fail_with(dns.rcode.FORMERR)(server, query, over_tcp)


def without_aa(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = server.response_to(query)
    response.flags &= ~dns.flags.AA
    return response.to_wire()


def refer(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = dns.message.make_response(query)
    response.authority.append(dns.rrset.from_text("test.", 60, "IN", "NS", "ns.elsewhere.test."))
    return response.to_wire()


def refer_with_glue(zone: str, *glue: tuple[str, str]) -> Behaviour:
    """Refer to the servers of the zone, with their addresses in the additional section."""

    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = dns.message.make_response(query)
        hosts = dict.fromkeys(f"{host}." for host, _ in glue)
        response.authority.append(dns.rrset.from_text(f"{zone}.", 60, "IN", "NS", *hosts))
        for host, address in glue:
            rtype = "AAAA" if ":" in address else "A"
            response.additional.append(dns.rrset.from_text(f"{host}.", 60, "IN", rtype, address))
        return response.to_wire()

    return behaviour


def lower_case_only(rcode: dns.rcode.Rcode) -> Behaviour:
    """Answer a name with an upper-case letter without records, with this code."""

    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        name = query.question[0].name.to_text()
        if name == name.lower():
            return answer(server, query, over_tcp)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        response.set_rcode(rcode)
        return response.to_wire()

    return behaviour


def fold_case(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """Repeat the question in lower case, as some servers do. It answers over UDP and TCP."""
    query.question[0].name = dns.name.from_text(query.question[0].name.to_text().lower())
    return answer(server, query, over_tcp)


def fold_case_over_udp(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """The same without TCP."""
    return None if over_tcp else fold_case(server, query, over_tcp)


def forge(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A forger knows the name, but not the letters in upper case. It cannot answer over TCP."""
    if over_tcp:
        return answer(server, query, over_tcp)
    made = dns.message.make_response(query)
    lower = query.question[0].name.to_text().lower()
    made.question[0].name = dns.name.from_text(lower)
    made.flags |= dns.flags.AA
    made.answer = [dns.rrset.from_text(lower, 300, "IN", "TXT", '"forged"')]
    return made.to_wire()


def drop_mixed_case(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A firewall that drops names with an upper-case letter."""
    name = query.question[0].name.to_text()
    return answer(server, query, over_tcp) if name == name.lower() else None


def wrong_id(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = server.response_to(query)
    response.id = query.id ^ 1
    return response.to_wire()


def wrong_question(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = server.response_to(query)
    response.question = [dns.rrset.from_text("other.test.", 0, "IN", "TXT")]
    return response.to_wire()


def malformed(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    return server.response_to(query).to_wire()[:-3]


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._server.send = self._transport.sendto

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self._server.last_source = source
        reply = self._server.reply_to(data, over_tcp=False)
        if reply is not None:
            self._transport.sendto(reply, source)


@asynccontextmanager
async def nameserver(
    zone: str = "",
    behaviours: dict[str, Behaviour] | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    recursive: bool = True,
) -> AsyncIterator[Nameserver]:
    """Serve `zone` until the block ends, with other behaviours for some names."""
    server = Nameserver(zone, behaviours or {}, recursive=recursive)

    async def serve_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = server.reply_to(await reader.readexactly(length), over_tcp=True)
        if reply is not None:
            writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()

    listener = await asyncio.start_server(serve_stream, address, port)
    server.address = address
    server.port = listener.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Udp(server), local_addr=(address, server.port)
    )
    try:
        yield server
    finally:
        transport.close()
        listener.close()


def network_of(*servers: Nameserver, authoritative_port: int = 53) -> Network:
    """A closed network of loopback name servers.

    The timeouts are long: a busy machine must not appear as a silent server, and a server that
    answers does not use them."""
    misbehaves = any(server.behaviours for server in servers)
    return Network(
        nameservers=tuple(("127.0.0.1", server.port) for server in servers),
        authoritative_port=authoritative_port,
        allowed_networks=(LOOPBACK,),
        timeouts_seconds=(0.1, 0.2) if misbehaves else (2.0, 3.0),
        connect_timeout_seconds=0.5,
    )


def _strings(text: str) -> str:
    """The text as character-strings of 255 octets at most (RFC 1035 section 3.3.14)."""
    parts = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
    return " ".join(f'"{part}"' for part in parts)
