"""Exchange one DNS query with one address: UDP with EDNS, then TCP when truncated."""

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
# Servers without EDNS answer with one of these codes. The query is repeated without EDNS (RFC 6891
# section 7).
_NO_EDNS_RCODES = (dns.rcode.FORMERR, dns.rcode.NOTIMP)
_TIMEOUT = LookupFailure("timeout")


async def exchange(
    sockets: UdpSockets,
    question: DnsQuestion,
    endpoint: Endpoint,
    *,
    recursion: bool,
    timeout_seconds: float,
    first_reply: ReceivedReply | None = None,
) -> DnsMessage | LookupFailure:
    """Send the query once. A silent, unreachable or unreadable server is a LookupFailure.

    `first_reply` is the reply to an earlier datagram with EDNS. Never raises for the network.
    """
    clock = asyncio.get_running_loop().time
    # One deadline for all attempts: fallbacks to TCP or without EDNS must not extend the timeout.
    deadline = clock() + timeout_seconds
    reply = first_reply or await sockets.query(
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
            reply = await sockets.query(
                question, endpoint, recursion=recursion, edns=False, timeout_seconds=timeout_seconds
            )
            if isinstance(reply, Truncated):
                return await _exchange_over_tcp(question, endpoint, recursion=recursion, edns=False)
            return reply
    except TimeoutError:
        return LookupFailure("truncated", "timeout") if isinstance(reply, Truncated) else _TIMEOUT


def is_final(reply: DnsMessage | Truncated) -> TypeGuard[DnsMessage]:
    """Return whether the reply is neither truncated nor a rejection of EDNS."""
    return isinstance(reply, DnsMessage) and reply.rcode not in _NO_EDNS_RCODES


async def _exchange_over_tcp(
    question: DnsQuestion, endpoint: Endpoint, *, recursion: bool, edns: bool
) -> DnsMessage | LookupFailure:
    """Exchange the query over TCP (RFC 7766). A closed port is "truncated", not a timeout."""
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
