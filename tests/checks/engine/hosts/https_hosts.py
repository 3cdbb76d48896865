"""A real HTTPS server on loopback with one response, and the response reader without a server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from checks.engine.hosts import https


@asynccontextmanager
async def https_host(
    tls: ssl.SSLContext, response: bytes, *, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    """Answer each request with `response`, or with silence; yield the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if response:
                writer.write(response)
                await writer.drain()
            await reader.read(100)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, address, port, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def read_bytes(content: bytes) -> https.Fetched | https.NotFetched:
    """Return the result of the reader for exactly these bytes."""

    async def read() -> https.Fetched | https.NotFetched:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await https.read_response(reader)

    return asyncio.run(read())
