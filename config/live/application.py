"""The ASGI application of the stream process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from config.live.feeds import follow
from config.live.gateway import Gateway, Scope, kept
from config.live.hub import Hub
from config.live.stream import BEAT, END, Stream
from tenants.streams import StreamResponse, WaitResponse

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# This process serves nothing else, so that a mistake in a proxy does not make it a web server.
PREFIX, HEALTH = "/live/", "/health/"
_BUSY_SECONDS = 30
# A run without a new answer changes no revision, but ends a wait for it.
_CONDITION_SECONDS = 2


class LiveApplication:
    def __init__(self) -> None:
        self._gateway = Gateway()
        self.hub = Hub(self._gateway)
        self._background: list[asyncio.Task[None]] = []
        self._opening = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert scope["type"] == "http", "uvicorn runs without WebSockets"
        headers = dict(scope["headers"])
        allowed = _cross_origin_headers(headers)
        response = await self._respond(scope)
        if isinstance(response, WaitResponse):
            response = await self._wait(response, scope)
        is_stream = isinstance(response, StreamResponse) and not isinstance(response, WaitResponse)
        if not is_stream or scope["method"] != "GET":
            await _send_response(send, response, allowed)
            return
        assert isinstance(response, StreamResponse)
        # Without a pause after the check of the limits, so that streams at once respect them.
        stream = self.hub.add(response, kept(scope))
        first = [
            _start(200, _stream_headers(response, allowed)),
            _body(
                stream.first_message(headers.get(b"last-event-id", b"").decode("latin-1")),
                more=True,
            ),
        ]
        # Nothing else refers to the request for the hours of a stream.
        del response, scope, allowed, headers
        await self._serve(stream, first, receive, send)

    async def _respond(self, scope: Scope) -> HttpResponseBase:
        if not scope["path"].startswith((PREFIX, HEALTH)):
            return HttpResponse(status=404)
        if scope["path"].startswith(PREFIX) and not self.hub.has_capacity(self._opening):
            return _busy(503)
        self._opening += 1
        try:
            response = await self._gateway.respond(scope)
        finally:
            self._opening -= 1
        if isinstance(response, StreamResponse):
            return response if self.hub.has_capacity_for(response.subscription) else _busy(429)
        return response

    async def _wait(self, response: WaitResponse, scope: Scope) -> HttpResponseBase:
        """The next response that does not wait, or the present one at the end of the time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + response.seconds
        stream = self.hub.add(response, kept(scope))
        found: HttpResponseBase = response
        try:
            while isinstance(found, WaitResponse) and loop.time() < until:
                await _next_change(stream, response, until - loop.time())
                if loop.time() >= until or await self._is_over(response, stream):
                    # At the end, too: the permission may have ended during the wait.
                    found = await self._gateway.respond(scope)
        finally:
            self.hub.remove(stream)
        return found

    async def _is_over(self, response: WaitResponse, stream: Stream) -> bool:
        if response.is_over is None or stream.is_ended:
            return True
        try:
            return await self._gateway.query(response.is_over)
        except Error as error:
            logger.warning("the condition of a waiting request cannot be read: %s", error)
            return False

    async def _serve(
        self, stream: Stream, first: list[Message], receive: Receive, send: Send
    ) -> None:
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        gone.add_done_callback(lambda _: stream.end())
        try:
            while first:
                await send(first.pop(0))
            await _send_messages(stream, send)
        finally:
            gone.cancel()
            self.hub.remove(stream)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan of the process."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._background = [
                    asyncio.ensure_future(self.hub.run()),
                    asyncio.ensure_future(follow(self.hub)),
                ]
                for task in self._background:
                    task.add_done_callback(_stop_after_failure)
                await send({"type": "lifespan.startup.complete"})
            else:
                for task in self._background:
                    task.cancel()
                self._gateway.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _stop_after_failure(task: asyncio.Task[None]) -> None:
    """Stop the process, which starts again. Without this task its streams would be silent."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the stream process stops", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


async def _send_messages(stream: Stream, send: Send) -> None:
    while True:
        message = await stream.next_message()
        is_last = message == END
        await send(_body(message, more=not is_last))
        if is_last:
            return


async def _next_change(stream: Stream, response: WaitResponse, seconds: float) -> None:
    """Return after a change, or when it is time to read the condition of the request again."""
    loop = asyncio.get_running_loop()
    until = loop.time() + (
        seconds if response.is_over is None else min(seconds, _CONDITION_SECONDS)
    )
    try:
        while await asyncio.wait_for(stream.next_message(), until - loop.time()) == BEAT:
            pass
    except TimeoutError:
        return


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _busy(status: int) -> HttpResponse:
    """Too many streams. The page polls, and requests a stream again later."""
    return HttpResponse(status=status, headers={"Retry-After": str(_BUSY_SECONDS)})


def _start(status: int, headers: Headers) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _send_response(send: Send, response: HttpResponseBase, extra: Headers) -> None:
    assert isinstance(response, HttpResponse), "no address of this process answers in parts"
    await send(_start(response.status_code, _headers_of(response) + extra))
    await send(_body(response.content, more=False))


def _headers_of(response: HttpResponseBase) -> Headers:
    headers = [(name.lower(), value) for name, value in response.items()]
    cookies = [("set-cookie", each.OutputString()) for each in response.cookies.values()]
    return [(name.encode("latin-1"), str(v).encode("latin-1")) for name, v in headers + cookies]


def _stream_headers(response: HttpResponseBase, extra: Headers) -> Headers:
    replaced = (b"content-type", b"content-length")
    unreplaced = [pair for pair in _headers_of(response) if pair[0] not in replaced]
    # The last one: nginx passes each event on at once.
    own = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
    return unreplaced + own + extra


def _cross_origin_headers(headers: dict[bytes, bytes]) -> Headers:
    """Permission for the pages of `make run`, which another port of this machine serves.

    Behind a proxy pages and streams have one origin. A cookie belongs to a host, not to a port, so
    that every port of this machine receives the session anyway.
    """
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if not settings.LIVE_PORT or not origin:
        return []
    if urlsplit(origin).hostname != urlsplit(f"//{host}").hostname:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]
