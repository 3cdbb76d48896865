"""A hostile OpenID provider: redirects, private addresses, endless and slow answers.

The server is real and on loopback. It is allowed only as the configured host.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from tenants import provider_session
from tenants.provider_session import ProviderSession, UnsafeAnswer
from tenants.single_sign_on import CodeFlow
from tests import conftest

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
Serve = Callable[[socket.socket], None]


class Server:
    """One answer for each connection, and the number of connections."""

    def __init__(self, serve: Serve) -> None:
        self.serve, self.connections = serve, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with connection:
                    connection.recv(4096)
                    self.serve(connection)
            except OSError:
                continue


@contextmanager
def serving(serve: Serve) -> Iterator[Server]:
    server = Server(serve)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # `shutdown` wakes the thread in `accept`; `close` alone does not.
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(2)


def body(content: bytes, *headers: bytes) -> Serve:
    head = HEAD + b"".join(each + b"\r\n" for each in headers)
    return lambda connection: connection.sendall(head + b"\r\n" + content)


def redirect(to: str) -> Serve:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    return lambda connection: connection.sendall(answer.encode())


def endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b" " * 65_536)


def dribble(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.02)


def get(url: str, server_url: str) -> requests.Response:
    with ProviderSession(server_url) as session:
        return session.get(url)


def test_configured_host_may_be_private() -> None:
    with serving(body(b'{"issuer": "x"}')) as server:
        url = f"http://127.0.0.1:{server.port}/keys"

        assert get(url, url).json() == {"issuer": "x"}


@pytest.mark.parametrize("target", ["/other", "http://169.254.169.254/latest/meta-data/"])
def test_redirect_is_refused(target: str) -> None:
    with serving(redirect(target)) as server:
        url = f"http://127.0.0.1:{server.port}/"

        with pytest.raises(UnsafeAnswer, match="redirects"):
            get(url, url)

        assert server.connections == 1


# Each leads to loopback: the C library accepts decimal, octal, hexadecimal and short forms.
SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "0.0.0.0",
    "[::]",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_private_address_of_another_host_is_refused(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real function: the one of the tests refuses some spellings earlier.
    monkeypatch.setattr(socket, "getaddrinfo", conftest._getaddrinfo)
    with serving(body(b"{}")) as server:
        with pytest.raises(requests.ConnectionError, match=r"no public address|no address"):
            get(f"http://{host}:{server.port}/", "http://provider.example/")

        assert server.connections == 0


def test_address_that_was_checked_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second resolution returns loopback."""
    answers = iter(["203.0.114.9", "127.0.0.1", "127.0.0.1"])

    def resolve(host: str, port: int, *args: Any, **options: Any) -> Any:
        address = host if host[0].isdigit() else next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with serving(body(b"{}")) as server:
        # The tests refuse connections beyond loopback, and name the address of the attempt.
        with pytest.raises(requests.ConnectionError, match=r"203\.0\.114\.9"):
            get(f"http://rebinding.example:{server.port}/", "http://provider.example/")

        assert server.connections == 0


def test_mixed_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, *args: Any, **options: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("203.0.114.9", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    with pytest.raises(requests.ConnectionError, match="no public address"):
        get("http://mixed.example/", "http://provider.example/")


def test_plain_connection_is_refused_after_https() -> None:
    with pytest.raises(UnsafeAnswer, match="without HTTPS"):
        get("http://provider.example/keys", "https://provider.example/")


@pytest.mark.slow
@pytest.mark.parametrize(
    "serve",
    [
        endless,
        dribble,
        body(gzip.compress(b"\0" * 50_000_000), b"Content-Encoding: gzip"),
    ],
    ids=["endless", "dribble", "gzip"],
)
def test_answer_is_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_session, "TOTAL_SECONDS", 0.4)
    began = time.monotonic()
    with serving(serve) as server:
        url = f"http://127.0.0.1:{server.port}/"
        tracemalloc.start()
        try:
            with pytest.raises(UnsafeAnswer, match="too long or too slow"):
                get(url, url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert time.monotonic() - began < 4
    assert peak < 12 * provider_session.MAX_BYTES


def test_metadata_of_another_issuer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodeFlow, "openid_config", {"issuer": "https://other.example"})
    app = SocialApp(client_id="gangway", settings={"server_url": "https://provider.example"})

    with pytest.raises(OAuth2Error, match="another issuer"):
        CodeFlow.__new__(CodeFlow).verified_claims(app, "header.claims.signature")
