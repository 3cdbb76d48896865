"""The lab's name servers: the same answers over UDP and TCP, with the behaviour of the state."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from checks.lab.addresses import SERVERS, LabEndpoints
from checks.lab.answers import authoritative_answer, refusal, resolver_answer
from checks.lab.zone_records import LabState, Mode

TCP_IDLE_SECONDS = 10
SMALLEST_UDP = 512  # RFC 1035 section 4.2.1: the limit without EDNS

Reply = Callable[[bytes, bool], bytes | None]
CurrentState = Callable[[], LabState]


def authoritative(number: int, state: CurrentState, endpoints: LabEndpoints) -> Reply:
    """The reply of name server `number`; None for no reply."""

    def reply(wire: bytes, over_tcp: bool) -> bytes | None:
        now, query = state(), _parsed(wire)
        mode = now.mode_of(number)
        if query is None or mode is Mode.SILENT:
            return None
        if mode is Mode.ANSWER:
            answer = authoritative_answer(query, now.zones_at(number), endpoints)
        else:
            answer = refusal(query, _RCODES[mode])
        return _as_wire(query, answer, over_tcp)

    return reply


def resolver(state: CurrentState, endpoints: LabEndpoints) -> Reply:
    """The reply of the resolver, from the first name server that answers."""

    def reply(wire: bytes, over_tcp: bool) -> bytes | None:
        now, query = state(), _parsed(wire)
        if query is None:
            return None
        answering = [number for number in SERVERS if now.mode_of(number) is Mode.ANSWER]
        if answering:
            answer = resolver_answer(query, now.zones_at(answering[0]), endpoints)
        else:
            answer = refusal(query, dns.rcode.SERVFAIL)
        return _as_wire(query, answer, over_tcp)

    return reply


async def listen(address: str, port: int, reply: Reply, stack: contextlib.AsyncExitStack) -> None:
    """Serve `reply` on one address until the stack is closed."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(reply), local_addr=(address, port)
    )
    stack.callback(transport.close)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve_stream(reader, writer, reply)

    server = await asyncio.start_server(connection, address, port)
    stack.callback(server.close)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self.reply(data, False)
        if wire is not None:
            self.transport.sendto(wire, addr)


async def _serve_stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply
) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        while True:
            async with asyncio.timeout(TCP_IDLE_SECONDS):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = reply(await reader.readexactly(length), True)
            if wire is not None:
                writer.write(struct.pack("!H", len(wire)) + wire)
                await writer.drain()
    writer.close()


def _parsed(wire: bytes) -> dns.message.Message | None:
    try:
        query = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):
        return None
    return query if len(query.question) == 1 else None


def _as_wire(query: dns.message.Message, answer: dns.message.Message, over_tcp: bool) -> bytes:
    if over_tcp:
        return answer.to_wire(max_size=65_535)
    room = max(SMALLEST_UDP, query.payload) if query.edns >= 0 else SMALLEST_UDP
    try:
        return answer.to_wire(max_size=room)
    except dns.exception.TooBig:
        return _truncated(query, answer).to_wire(max_size=room)


def _truncated(query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    short = dns.message.make_response(query)
    short.flags = answer.flags | dns.flags.TC
    return short


_RCODES = {Mode.REFUSE: dns.rcode.REFUSED, Mode.SERVFAIL: dns.rcode.SERVFAIL}
