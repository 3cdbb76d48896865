"""HTTP requests to the OpenID provider: no redirects, bounded answers, no private addresses.

The provider's metadata names the addresses of its keys, tokens and user data. Only the host of
OIDC_SERVER_URL, which the operator has chosen, may be inside the operator's own network.
"""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from tenants.public_addresses import NoPublicAddressError, public_address

MAX_BYTES = 1024 * 1024
# Of one answer, and of one read. Metadata and keys are a few kilobytes.
TOTAL_SECONDS, READ_SECONDS = 15, 5


class UnsafeAnswer(requests.RequestException):
    """The provider redirects, leads to a plain connection, or sends too much or too slowly."""


class _Guarded:
    """Resolve the host once and connect to exactly the address that was checked."""

    trusted_host = ""
    _dns_host: str
    host: str
    port: int

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        if name.lower() != self.trusted_host:
            # A second resolution could return another address (DNS rebinding).
            self._dns_host = self._public_address(name)
        try:
            connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's class
            return connected
        finally:
            self._dns_host = name

    def _public_address(self, name: str) -> str:
        try:
            return public_address(name, self.port)
        except NoPublicAddressError as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]


class _Adapter(HTTPAdapter):
    def __init__(self, trusted_host: str) -> None:
        self._trusted_host = trusted_host
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        own = {"trusted_host": self._trusted_host}
        plain = type("_Plain", (_Guarded, HTTPConnection), own)
        secure = type("_Secure", (_Guarded, HTTPSConnection), own)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }


class ProviderSession(requests.Session):
    """A session for one provider. Raises RequestException for every refusal."""

    def __init__(self, server_url: str) -> None:
        super().__init__()
        server = urlsplit(server_url)
        self._allows_plain = server.scheme == "http"
        for prefix in ("https://", "http://"):
            self.mount(prefix, _Adapter((server.hostname or "").lower()))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send the request and read the whole answer."""
        if not self._allows_plain and urlsplit(request.url or "").scheme != "https":
            raise UnsafeAnswer("The provider's metadata names an address without HTTPS.")
        ends_at = time.monotonic() + TOTAL_SECONDS
        options |= {"stream": True, "allow_redirects": False}
        options["timeout"] = options.get("timeout") or READ_SECONDS
        response = super().send(request, **options)
        if response.is_redirect:
            response.close()
            raise UnsafeAnswer("The provider redirects.")
        response._content = _read(response, ends_at)
        return response


def _read(response: requests.Response, ends_at: float) -> bytes:
    """Read the body. Raises UnsafeAnswer when it is too long or too slow."""
    content = b""
    try:
        # `read1` returns the bytes that have arrived, so that the time is checked after each of
        # them. It decodes a compressed body in pieces of this size.
        while part := response.raw.read1(65_536, decode_content=True):
            content += part
            if len(content) > MAX_BYTES or time.monotonic() > ends_at:
                raise UnsafeAnswer("The provider's answer is too long or too slow.")
    except UnsafeAnswer:
        raise
    except (HTTPError, OSError) as error:
        raise requests.ConnectionError(str(error)) from error
    finally:
        response.close()
    return content


def provider_session() -> ProviderSession:
    """Return a session for the configured provider."""
    providers: dict[str, Any] = settings.SOCIALACCOUNT_PROVIDERS
    (app,) = providers["openid_connect"]["APPS"]
    return ProviderSession(app["settings"]["server_url"])
