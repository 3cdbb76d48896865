"""The address and program behind the current request, for the activity log."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from tenants.client_address import client_address


@dataclass(frozen=True)
class RequestOrigin:
    """The client's address and user agent. Both are empty in workers and commands."""

    address: str = ""
    agent: str = ""


_NO_REQUEST = RequestOrigin()
_current: ContextVar[RequestOrigin] = ContextVar("origin", default=_NO_REQUEST)


def current_request_origin() -> RequestOrigin:
    return _current.get()


def request_origin_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Set the origin of the current request until its response is complete."""

    def middleware(request: HttpRequest) -> HttpResponse:
        address = client_address(request)
        agent = str(request.META.get("HTTP_USER_AGENT", ""))[:200]
        token = _current.set(RequestOrigin(address, agent))
        try:
            return get_response(request)
        finally:
            _current.reset(token)

    return middleware
