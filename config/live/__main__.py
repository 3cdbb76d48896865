"""Serve the streams of open pages: `python -m config.live --host 0.0.0.0 --port 8001`."""

from __future__ import annotations

import argparse
import gc
import resource
import socket
import sys

import uvicorn

BACKLOG = 4096
# Linux ends a connection whose reader has accepted nothing for so long.
SLOW_READER_MS = 20_000
# A reader that is slower than its events costs no more memory than this.
_SEND_BUFFER_BYTES = 16_384
_STOP_SECONDS = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.live", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    _raise_file_limit()
    # Thousands of streams live for hours: a search for garbage reads all of them and finds nothing.
    gc.set_threshold(100_000, 50, 100)
    config = uvicorn.Config(
        "config.asgi:application",
        lifespan="on",
        ws="none",
        loop="asyncio",
        # Paths contain the tokens of share links. Django's settings configure the logs.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with _listen(options.host, options.port) as listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # Connections inherit these options.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SLOW_READER_MS)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def _raise_file_limit() -> None:
    """Each stream is an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
