from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable

import pytest


def connect() -> None:
    with socket.socket() as outside:
        outside.connect(("192.0.2.1", 443))


def send() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        return outside.sendto(b"?", ("192.0.2.53", 53))


def resolve() -> object:
    return socket.getaddrinfo("example.com", 443)


def fetch() -> object:
    return urllib.request.urlopen("http://example.com/", timeout=1)


@pytest.mark.parametrize("leave", [connect, send, resolve, fetch])
def test_no_test_leaves_this_machine(leave: Callable[[], object]) -> None:
    with pytest.raises(OSError, match=r"a test must not connect to (192\.0\.2\.|example\.com)"):
        leave()


def test_loopback_stays_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
