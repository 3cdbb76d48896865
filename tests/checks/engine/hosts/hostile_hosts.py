"""Servers on loopback that answer slowly, without end or with false lengths."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# Between two bytes of a dribbling server: shorter than the timeout of a connection, so that a
# timeout for each byte would never end.
PAUSE_SECONDS = 0.01


@asynccontextmanager
async def hostile_host(
    serve: Peer, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve each connection until the client closes it; yield the port."""
    connections: set[asyncio.Task[None]] = set()

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            connections.discard(task)
            writer.transport.abort()

    listener = await asyncio.start_server(serve_and_close, address, 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def dribble(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send one byte after the other."""
    for byte in content:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(PAUSE_SECONDS)


async def flood(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send the content again and again as fast as the client reads."""
    block = content * max(1, 65_536 // len(content))
    while True:
        writer.write(block)
        await writer.drain()


def dribbles(content: bytes, *, times: int = 1) -> Peer:
    """Dribble without waiting for the client, then stay silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await dribble(writer, content * times)
        await reader.read()

    return serve


def floods(content: bytes, *, first: bytes = b"") -> Peer:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await flood(writer, content)

    return serve


def converses(*replies: bytes, end: Peer) -> Peer:
    """Send the first reply, and each further one after a line of the client; then run `end`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, reply in enumerate(replies):
            if number:
                await reader.readline()
            writer.write(reply)
        await end(reader, writer)

    return serve


def answers_request(*, then: Peer) -> Peer:
    """Read the head of an HTTP request, then run `then`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await then(reader, writer)

    return serve


def dribbles_handshake(tls: ssl.SSLContext) -> Peer:
    """Complete a TLS handshake, but send its bytes one by one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = tls.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            incoming.write(await reader.read(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):
                session.do_handshake()
            await dribble(writer, outgoing.read())

    return serve


def speak_tls(context: ssl.SSLContext) -> Peer:
    """Serve TLS and send every alert, which a server of asyncio omits."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        while received := await reader.read(4096):
            incoming.write(received)
            with contextlib.suppress(ssl.SSLError):
                server.do_handshake()
            writer.write(outgoing.read())

    return serve
