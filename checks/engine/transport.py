"""One DNS question to one address and back: UDP with EDNS, TCP when truncated.

Replies are matched by id, question and source (RFC 5452 section 9): the socket is connected, so
the kernel drops other sources, each question has a source port and a random id of its own, and a
datagram that answers something else is ignored rather than believed.
"""

from __future__ import annotations

import asyncio
import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from checks.engine.lookup import CouldNotTell

# Small enough to cross any path unfragmented (DNS flag day 2020).
EDNS_PAYLOAD = 1232
_HEADER_BYTES = 12
_TRUNCATED_BIT = 0x02
_UNREADABLE = (dns.exception.DNSException, ValueError, IndexError, struct.error)
# Servers that predate EDNS answer one of these; the question is repeated without it (RFC 6891
# section 7).
_NO_EDNS_RCODES = (dns.rcode.FORMERR, dns.rcode.NOTIMP)


class _Truncated:
    """The reply did not fit: ask again over TCP."""


_TRUNCATED = _Truncated()
_Received = dns.message.Message | CouldNotTell | _Truncated


def query_name(name: str) -> dns.name.Name | None:
    """The name as DNS sees it, or None when no such name can exist (RFC 1035 section 2.3.4)."""
    labels = [label.encode("utf-8") for label in name.rstrip(".").split(".")] if name != "." else []
    try:
        return dns.name.Name([*labels, b""])
    except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
        return None


def build_query(
    name: dns.name.Name, rtype: str, *, recursion: bool, edns: bool = True
) -> dns.message.Message:
    query = dns.message.make_query(name, rtype, use_edns=0 if edns else -1, payload=EDNS_PAYLOAD)
    if not recursion:
        query.flags &= ~dns.flags.RD
    return query


async def exchange(
    name: dns.name.Name,
    rtype: str,
    *,
    address: str,
    port: int,
    recursion: bool,
    timeout_seconds: float,
) -> dns.message.Message | CouldNotTell:
    """Ask once. A silent, unreachable or unreadable server is a value, never an exception."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _exchange(name, rtype, address, port, recursion)
    except TimeoutError:
        return CouldNotTell("timeout")
    except (OSError, EOFError) as error:
        return CouldNotTell("unreachable", type(error).__name__)


async def _exchange(
    name: dns.name.Name, rtype: str, address: str, port: int, recursion: bool
) -> dns.message.Message | CouldNotTell:
    reply = await _one_way_or_other(build_query(name, rtype, recursion=recursion), address, port)
    if isinstance(reply, dns.message.Message) and reply.rcode() in _NO_EDNS_RCODES:
        plain = build_query(name, rtype, recursion=recursion, edns=False)
        return await _one_way_or_other(plain, address, port)
    return reply


async def _one_way_or_other(
    query: dns.message.Message, address: str, port: int
) -> dns.message.Message | CouldNotTell:
    reply = await _over_udp(query, address, port)
    return await _over_tcp(query, address, port) if isinstance(reply, _Truncated) else reply


class _Waiting(asyncio.DatagramProtocol):
    """Waits on one connected socket for the reply to one query."""

    def __init__(self, query: dns.message.Message) -> None:
        self.query = query
        self.reply: asyncio.Future[_Received] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, source: object) -> None:
        reply = read_reply(self.query, data)
        if reply is not None and not self.reply.done():
            self.reply.set_result(reply)

    def error_received(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_result(CouldNotTell("unreachable", type(error).__name__))


def read_reply(query: dns.message.Message, wire: bytes) -> _Received | None:
    """The reply in `wire`; None when it answers another question than ours."""
    if len(wire) < _HEADER_BYTES or int.from_bytes(wire[:2], "big") != query.id:
        return None
    if wire[2] & _TRUNCATED_BIT:
        return _TRUNCATED
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except _UNREADABLE as error:
        return CouldNotTell("malformed", type(error).__name__)
    return message if query.is_response(message) else None


async def _over_udp(query: dns.message.Message, address: str, port: int) -> _Received:
    loop = asyncio.get_running_loop()
    transport, waiting = await loop.create_datagram_endpoint(
        lambda: _Waiting(query), remote_addr=(address, port)
    )
    try:
        transport.sendto(query.to_wire())
        return await waiting.reply
    finally:
        transport.close()


async def _over_tcp(
    query: dns.message.Message, address: str, port: int
) -> dns.message.Message | CouldNotTell:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = read_reply(query, await reader.readexactly(length))
    finally:
        writer.close()
    if reply is None or isinstance(reply, _Truncated):
        return CouldNotTell("malformed", "not an answer to the question asked")
    return reply
