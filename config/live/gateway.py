"""Requests and queries of the stream process, in threads with one database connection each."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

THREADS = 4
Result = TypeVar("Result")
Scope = Mapping[str, Any]
_COPIED = (
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "root_path",
    "query_string",
    "headers",
    "client",
    "server",
)


class Gateway(BaseHandler):
    """Answers a request with the whole of Django: its middleware, the permission and the view.

    Django's own ASGI handler reserves a thread and a database connection until the end of a
    stream. Here a request ends with the permission for the stream.
    """

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")

    async def respond(self, scope: Scope) -> HttpResponseBase:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._respond, scope)

    async def query(self, read: Callable[[], Result]) -> Result:
        """The result of a function that uses the database. Raises its errors."""

        def run() -> Result:
            close_old_connections()
            try:
                return read()
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _respond(self, scope: Scope) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        response = self.get_response(ASGIRequest(scope, io.BytesIO()))
        if not response.streaming:
            # Sends request_finished, which returns the database connection.
            response.close()
        return response

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def kept(scope: Scope) -> Scope:
    """The parts of a request from which it can be repeated later."""
    return {name: scope[name] for name in _COPIED if name in scope}
