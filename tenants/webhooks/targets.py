"""One HTTP request to the target of a webhook: bounded, pinned to one address, no redirects."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotResolvedError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from tenants.public_addresses import (
    NoPublicAddressError,
    is_private_literal,
    public_address,
    resolved,
)

# Of the whole delivery after the resolution of the name, and of that resolution.
TOTAL_SECONDS = 10.0
RESOLVE_SECONDS = 5.0
# The part of the answer that is read. The log shows its first characters.
MAX_BYTES = 2048
LOGGED_CHARACTERS = 200
SCHEMES: Container[str] = ("https",)
# Other ports belong to other services of a host, such as mail or a database.
PORTS: Container[int] = (443, 8443)


class TargetError(Exception):
    """The target cannot receive a request. The sentence is shown in the delivery log."""


@dataclass(frozen=True)
class Answer:
    """The status of the target, the first characters of its answer, and its Retry-After."""

    status: int
    text: str
    retry_after_seconds: int


def _is_internal(parts: SplitResult) -> bool:
    """Whether the operator allows this scheme, host and port (WEBHOOK_INTERNAL_HOSTS)."""
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{named}:{_port_of(parts)}"
    return origin in settings.WEBHOOK_INTERNAL_HOSTS


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def why_not_target(address: str, *, may_be_internal: bool) -> str:
    """The reason why an address cannot be a target; empty for a possible one. No network.

    `may_be_internal`: the webhook is one of all tenants, which administrators manage. A client must
    neither reach the operator's network nor read its answers. A name is resolved at each delivery
    only: `post` refuses one that leads to a private address.
    """
    refused = _why_not_address(address, may_be_internal=may_be_internal)
    if refused:
        return refused
    parts = urlsplit(address)
    is_internal = may_be_internal and _is_internal(parts)
    if not is_internal and is_private_literal(parts.hostname or ""):
        return "Enter the address of a server with a public IP address."
    return ""


def _why_not_address(address: str, *, may_be_internal: bool) -> str:
    """The reason why the scheme, the port or the user of the address is refused."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", _port_of(parts)
    except ValueError:
        return "Enter a complete address, such as https://desk.example/hooks."
    if parts.scheme not in ("https", "http") or not host:
        return "Enter a complete address, such as https://desk.example/hooks."
    if parts.username or parts.password:
        return "Enter an address without a user name and a password."
    if may_be_internal and _is_internal(parts):
        return ""
    if parts.scheme not in SCHEMES:
        return "Enter an address that starts with https."
    if port not in PORTS:
        return "Enter an address with the port 443 or 8443."
    return ""


def post(address: str, body: bytes, headers: Mapping[str, str], *, may_be_internal: bool) -> Answer:
    """Send the body. Raises TargetError for a target that cannot be reached in time.

    1. The name is resolved once, and the connection uses exactly the address that was checked.
    2. A timer closes the connection at the end of the time, also while a slow target sends bytes.
    3. A redirect is an answer like any other: it is never followed.
    """
    refused = _why_not_address(address, may_be_internal=may_be_internal)
    if refused:
        raise TargetError(refused)
    parts = urlsplit(address)
    port = _port_of(parts)
    is_internal = may_be_internal and _is_internal(parts)
    ip = _resolve(parts.hostname or "", port, is_internal=is_internal)
    until = time.monotonic() + TOTAL_SECONDS
    try:
        with (
            socket.create_connection((ip, port), timeout=TOTAL_SECONDS) as plain,
            _closing_at(until, plain),
        ):
            return _exchange(plain, parts, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise TargetError(_describe(error, is_late=time.monotonic() >= until)) from error


@contextmanager
def _closing_at(until: float, plain: socket.socket) -> Iterator[None]:
    """End every read and write on the connection at that time.

    The second descriptor of the connection remains valid while TLS owns the first.
    """
    with socket.socket(fileno=socket.dup(plain.fileno())) as twin:
        timer = threading.Timer(until - time.monotonic(), _shut, [twin])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # A timer that runs at this moment would otherwise shut a reused descriptor.
            timer.join()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the target closed it
        connection.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int, *, is_internal: bool) -> str:
    """The address to connect to. The resolver of the system has no limit of its own."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        if is_internal:
            return pool.submit(resolved, host, port).result(RESOLVE_SECONDS)[0]
        return pool.submit(public_address, host, port).result(RESOLVE_SECONDS)
    except NotResolvedError as error:
        raise TargetError("The name of the target was not resolved in time.") from error
    except NoPublicAddressError as error:
        raise TargetError("The target has no public address.") from error
    finally:
        pool.shutdown(wait=False)


def _exchange(
    plain: socket.socket, parts: SplitResult, body: bytes, headers: Mapping[str, str]
) -> Answer:
    host = parts.hostname or ""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, parts.port)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, parts.port)
        connection.sock = _context().wrap_socket(plain, server_hostname=host)
    else:
        connection.sock = plain
    try:
        connection.request("POST", path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        text = response.read1(MAX_BYTES).decode("utf-8", "replace")
        waits = response.headers.get("Retry-After", "")
        return Answer(
            response.status,
            " ".join(text.split()).replace("\0", "")[:LOGGED_CHARACTERS],
            int(waits) if waits.isascii() and waits.isdecimal() and len(waits) < 8 else 0,
        )
    finally:
        connection.close()


def _context() -> ssl.SSLContext:
    """Verify the certificate. Every flag is set here: the defaults depend on the Python version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    context.load_default_certs()
    return context


def _describe(error: Exception, *, is_late: bool) -> str:
    """A sentence without the texts of the system, which can contain the address."""
    if is_late or isinstance(error, TimeoutError):
        return f"The target did not answer within {TOTAL_SECONDS:g} seconds."
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The certificate of the target is not valid."
    if isinstance(error, ssl.SSLError):
        return "The target does not support TLS."
    if isinstance(error, ConnectionRefusedError):
        return "The target refused the connection."
    return "The connection to the target ended without an answer."
