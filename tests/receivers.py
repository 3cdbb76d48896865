"""A real HTTP receiver of webhooks on loopback, with an answer that a test chooses."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from checks.engine.addresses import is_public_text
from tenants.models import Tenant, User, Webhook
from tenants.webhooks import targets
from tenants.webhooks.services import SUBSCRIBABLE, NewWebhook, create_webhook

Answer = Callable[["Request", BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class Receiver:
    """The address of the server, and the requests in the order of their arrival."""

    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?key=1"

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]

    def types(self) -> list[str]:
        return [str(request.json["type"]) for request in self.requests]


def status(code: int, text: str = "", **headers: str) -> Answer:
    """Answer every request with this status."""

    def answer(request: Request, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


def in_turn(*codes: int) -> Answer:
    """Answer each request with the next status."""
    answers = iter(codes)

    def answer(request: Request, handler: BaseHTTPRequestHandler) -> None:
        status(next(answers))(request, handler)

    return answer


@contextmanager
def receiving(
    answer: Answer | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Serve on loopback until the end of the block."""
    respond = answer or status(204)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            receiver.requests.append(request)
            try:
                respond(request, self)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


def allow_receivers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receivers are on loopback, without TLS. They replace servers in the internet."""
    monkeypatch.setattr(targets, "SCHEMES", ("https", "http"))
    monkeypatch.setattr(targets, "PORTS", range(1, 65536))
    settings.PUBLIC_ADDRESS_TEST = "tests.receivers.is_public_or_receiver"


def is_public_or_receiver(address: str) -> bool:
    return address == "127.0.0.1" or is_public_text(address)


def webhook_for(
    receiver: Receiver, tenant: Tenant | None, by: User, **values: Any
) -> tuple[Webhook, str]:
    """A webhook to the receiver for all events, and its secret."""
    entry = NewWebhook(
        **{
            "name": "Service desk",
            "address": receiver.address,
            "format": "json",
            "events": [str(event.value) for event in SUBSCRIBABLE],
            **values,
        }
    )
    return create_webhook(tenant, entry, site="https://gangway.test", by=by)
