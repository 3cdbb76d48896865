"""One DNS question to one address and back: UDP with EDNS, TCP when truncated."""

from __future__ import annotations

import asyncio
import os
from typing import TypeGuard

import dns.rcode

from checks.engine.channels import Channels, Received
from checks.engine.lookup import CouldNotTell
from checks.engine.messages import Message
from checks.engine.network import Endpoint
from checks.engine.reading import Truncated, read_reply
from checks.engine.wire import Question, query

_MOST_TCP_BYTES = 65_535
# Servers that predate EDNS answer one of these; the question is repeated without it (RFC 6891
# section 7).
_NO_EDNS_RCODES = (dns.rcode.FORMERR, dns.rcode.NOTIMP)
_SILENCE = CouldNotTell("timeout")


async def exchange(
    channels: Channels,
    asked: Question,
    endpoint: Endpoint,
    *,
    recursion: bool,
    timeout_seconds: float,
    first: Received | None = None,
) -> Message | CouldNotTell:
    """Ask once. A silent, unreachable or unreadable server is a value, never an exception.

    `first` is what a datagram with EDNS has brought back already.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + timeout_seconds
    reply = first or await channels.ask(
        asked, endpoint, recursion=recursion, edns=True, timeout_seconds=timeout_seconds
    )
    if isinstance(reply, CouldNotTell) or is_final(reply):
        return reply
    try:
        async with asyncio.timeout(until - clock()):
            if isinstance(reply, Truncated):
                reply = await _over_tcp(asked, endpoint, recursion=recursion, edns=True)
            if isinstance(reply, CouldNotTell) or is_final(reply):
                return reply
            reply = await channels.ask(
                asked, endpoint, recursion=recursion, edns=False, timeout_seconds=timeout_seconds
            )
            if isinstance(reply, Truncated):
                return await _over_tcp(asked, endpoint, recursion=recursion, edns=False)
            return reply
    except TimeoutError:
        return CouldNotTell("truncated", "timeout") if isinstance(reply, Truncated) else _SILENCE


def is_final(reply: Message | Truncated) -> TypeGuard[Message]:
    """Is the reply neither cut short nor a refusal of EDNS?"""
    return isinstance(reply, Message) and reply.rcode not in _NO_EDNS_RCODES


async def _over_tcp(
    asked: Question, endpoint: Endpoint, *, recursion: bool, edns: bool
) -> Message | CouldNotTell:
    """The same over a stream (RFC 7766). That nobody listens there is told apart from silence."""
    number = int.from_bytes(os.urandom(2))
    try:
        wire = await _converse(query(asked, number, recursion=recursion, edns=edns), endpoint)
    except (OSError, EOFError) as error:
        return CouldNotTell("truncated", type(error).__name__)
    reply = read_reply(asked, number, wire, most_bytes=_MOST_TCP_BYTES)
    if reply is None or isinstance(reply, Truncated):
        return CouldNotTell("malformed", "not an answer to the question asked")
    return reply


async def _converse(wanted: bytes, endpoint: Endpoint) -> bytes:
    reader, writer = await asyncio.open_connection(*endpoint)
    try:
        writer.write(len(wanted).to_bytes(2) + wanted)
        length = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
