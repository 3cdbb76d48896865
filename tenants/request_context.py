"""The address, program and API token behind the current request, for the activity log."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse

from tenants.client_address import client_address


@dataclass(frozen=True)
class RequestOrigin:
    """The client's address and user agent. Both are empty in workers and commands.

    `token_id` and `token_name` identify the API token of the request, if it has one, and
    `scim_token_id` the token of the directory. `is_repeated`: a conflict repeats the request.
    """

    address: str = ""
    agent: str = ""
    token_id: str = ""
    token_name: str = ""
    scim_token_id: str = ""
    is_repeated: bool = False


_NO_REQUEST = RequestOrigin()
_current: ContextVar[RequestOrigin] = ContextVar("origin", default=_NO_REQUEST)


def current_request_origin() -> RequestOrigin:
    return _current.get()


def set_token(token_id: str, name: str) -> None:
    """Add the API token to the origin of the current request, until its response is complete."""
    _current.set(replace(_current.get(), token_id=token_id, token_name=name))


def set_scim_token(token_id: str) -> None:
    """Add the token of the directory to the origin of the current request."""
    _current.set(replace(_current.get(), scim_token_id=token_id))


def set_repeated() -> None:
    """Note that a conflict of transactions repeats the current request."""
    _current.set(replace(_current.get(), is_repeated=True))


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
