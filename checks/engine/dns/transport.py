"""One DNS question to one address and back: UDP with EDNS, TCP when truncated."""

from __future__ import annotations

import asyncio
import os
from typing import TypeGuard

import dns.rcode

from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.network import Endpoint
from checks.engine.dns.reply_validation import Truncated, read_reply
from checks.engine.dns.udp_sockets import ReceivedReply, UdpSockets
from checks.engine.dns.wire import DnsQuestion, encode_query

_MAX_TCP_BYTES = 65_535
# Servers that predate EDNS answer one of these; the question is repeated without it (RFC 6891
# section 7).
_NO_EDNS_RCODES = (dns.rcode.FORMERR, dns.rcode.NOTIMP)
_TIMEOUT = LookupFailure("timeout")


async def exchange(
    channels: UdpSockets,
    question: DnsQuestion,
    endpoint: Endpoint,
    *,
    recursion: bool,
    timeout_seconds: float,
    first_reply: ReceivedReply | None = None,
) -> DnsMessage | LookupFailure:
    """Ask once. A silent, unreachable or unreadable server is a value, never an exception.

    `first_reply` is what a datagram with EDNS has brought back already.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout_seconds
    reply = first_reply or await channels.query(
        question, endpoint, recursion=recursion, edns=True, timeout_seconds=timeout_seconds
    )
    if isinstance(reply, LookupFailure) or is_final(reply):
        return reply
    try:
        async with asyncio.timeout(deadline - clock()):
            if isinstance(reply, Truncated):
                reply = await _exchange_over_tcp(question, endpoint, recursion=recursion, edns=True)
            if isinstance(reply, LookupFailure) or is_final(reply):
                return reply
            reply = await channels.query(
                question, endpoint, recursion=recursion, edns=False, timeout_seconds=timeout_seconds
            )
            if isinstance(reply, Truncated):
                return await _exchange_over_tcp(question, endpoint, recursion=recursion, edns=False)
            return reply
    except TimeoutError:
        return LookupFailure("truncated", "timeout") if isinstance(reply, Truncated) else _TIMEOUT


def is_final(reply: DnsMessage | Truncated) -> TypeGuard[DnsMessage]:
    """Is the reply neither cut short nor a refusal of EDNS?"""
    return isinstance(reply, DnsMessage) and reply.rcode not in _NO_EDNS_RCODES


async def _exchange_over_tcp(
    question: DnsQuestion, endpoint: Endpoint, *, recursion: bool, edns: bool
) -> DnsMessage | LookupFailure:
    """The same over a stream (RFC 7766). That nobody listens there is told apart from silence."""
    query_id = int.from_bytes(os.urandom(2))
    try:
        wire = await _send_over_tcp(
            encode_query(question, query_id, recursion=recursion, edns=edns), endpoint
        )
    except (OSError, EOFError) as error:
        return LookupFailure("truncated", type(error).__name__)
    reply = read_reply(question, query_id, wire, max_bytes=_MAX_TCP_BYTES)
    if reply is None or isinstance(reply, Truncated):
        return LookupFailure("malformed", "not an answer to the question asked")
    return reply


async def _send_over_tcp(query: bytes, endpoint: Endpoint) -> bytes:
    reader, writer = await asyncio.open_connection(*endpoint)
    try:
        writer.write(len(query).to_bytes(2) + query)
        length = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
