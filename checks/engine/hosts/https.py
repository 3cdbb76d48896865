"""Fetch one small file over HTTPS from a host that a client's zone names. Follows no redirect.

The host passes the same address guard as any other. The connection uses exactly the address that
the guard has checked.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from checks.engine.hosts.certificates import client_context, matches, reason_of_tls
from checks.engine.hosts.handshakes import HandshakeFault, fault_of
from checks.engine.hosts.prober import (
    ConnectionFailure,
    HandshakeFailure,
    NotProbed,
    Prober,
    Streams,
    abort,
    read_tls_facts,
    reason_of,
)

WEB_PORTS = frozenset({443})
MAX_BODY = 64 * 1024
_MAX_HEAD = 16 * 1024
_MAX_HEADERS = 100
_MAX_INTERIM = 5
_STATUS_LINE = re.compile(r"HTTP/1\.[0-9] (?P<code>[1-5][0-9]{2})(?: |\Z)")
# Request timeout, too early and too many requests (RFC 9110, 8470, 6585).
_TEMPORARY = frozenset({"408", "425", "429"})


class FetchFailure(StrEnum):
    """The reason for a missing file. Inconclusive ones leave the file unknown."""

    UNREACHED = "unreached"
    UNAVAILABLE = "unavailable"
    NOT_ALLOWED = "not-allowed"
    CUT_OFF = "cut-off"
    UNREADABLE = "unreadable"
    NO_ADDRESS = "no-address"
    CERTIFICATE = "certificate"
    REDIRECT = "redirect"
    STATUS = "status"
    TOO_LARGE = "too-large"
    NOT_HTTP = "not-http"
    # The port is open, and the handshake fails.
    TLS_CLOSED = "tls-closed"
    TLS_SLOW = "tls-slow"
    TLS_ALERT = "tls-alert"
    TLS_TOO_OLD = "tls-too-old"
    TLS_NO_CERTIFICATE = "tls-no-certificate"
    TLS_UNKNOWN_NAME = "tls-unknown-name"
    TLS_CLIENT_CERTIFICATE = "tls-client-certificate"
    TLS_NOT_SERVED = "tls-not-served"
    TLS_FAILED = "tls-failed"

    @property
    def is_inconclusive(self) -> bool:
        return self in _INCONCLUSIVE


# Other senders may have more success: they retry, accept longer headers or decode the file.
_INCONCLUSIVE = (
    FetchFailure.UNREACHED,
    FetchFailure.UNAVAILABLE,
    FetchFailure.NOT_ALLOWED,
    FetchFailure.CUT_OFF,
    FetchFailure.UNREADABLE,
    FetchFailure.TLS_CLOSED,
    FetchFailure.TLS_SLOW,
    FetchFailure.TLS_ALERT,
)
_HANDSHAKES = {
    HandshakeFault.CLOSED: FetchFailure.TLS_CLOSED,
    HandshakeFault.TIMEOUT: FetchFailure.TLS_SLOW,
    HandshakeFault.ALERT: FetchFailure.TLS_ALERT,
    HandshakeFault.TOO_OLD: FetchFailure.TLS_TOO_OLD,
    HandshakeFault.NO_CERTIFICATE: FetchFailure.TLS_NO_CERTIFICATE,
    HandshakeFault.UNKNOWN_NAME: FetchFailure.TLS_UNKNOWN_NAME,
    HandshakeFault.CLIENT_CERTIFICATE: FetchFailure.TLS_CLIENT_CERTIFICATE,
    HandshakeFault.NOT_TLS: FetchFailure.TLS_NOT_SERVED,
    HandshakeFault.OTHER: FetchFailure.TLS_FAILED,
}


@dataclass(frozen=True)
class Fetched:
    """The file, and the address that served it."""

    body: bytes
    content_type: str
    address: str = ""


@dataclass(frozen=True)
class NotFetched:
    failure: FetchFailure
    detail: str = ""
    address: str = ""


@dataclass(frozen=True)
class NoHandshake(ConnectionFailure):
    """An open port without a completed handshake: another address of the host may complete it."""

    failure: FetchFailure


class _InvalidResponse(Exception):
    """The response is not HTTP or is too large, according to `failure`."""

    def __init__(self, failure: FetchFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure, self.detail = failure, detail


async def fetch(prober: Prober, host: str, path: str) -> Fetched | NotFetched:
    """GET a file of at most 64 KiB, as a strict client (RFC 8461 section 3.3).

    It requires TLS 1.2 or later, a trusted certificate for exactly this name, status 200 and no
    redirect. Returns NotFetched for every failure; never raises for one.
    """
    port = prober.network.https_port
    addresses = await prober.locate(host, port, ports=WEB_PORTS)
    if isinstance(addresses, NotProbed):
        return _not_located(addresses)
    address, result = await prober.connect_first(
        addresses, lambda each: _fetch_from(prober, each, port, host, path)
    )
    if isinstance(result, NoHandshake):
        return NotFetched(result.failure, result.reason, address)
    if isinstance(result, ConnectionFailure):
        return NotFetched(FetchFailure.UNREACHED, result.reason, address)
    if isinstance(result, NotFetched):
        return NotFetched(result.failure, result.detail, address)
    return Fetched(result.body, result.content_type, address)


def _not_located(not_probed: NotProbed) -> NotFetched:
    failure = {
        "host.no-address": FetchFailure.NO_ADDRESS,
        "host.not-allowed": FetchFailure.NOT_ALLOWED,
    }.get(not_probed.finding.code, FetchFailure.UNREACHED)
    return NotFetched(failure, str(not_probed.finding.params.get("reason", "")))


async def _fetch_from(
    prober: Prober, address: str, port: int, host: str, path: str
) -> Fetched | NotFetched | ConnectionFailure:
    context = client_context(verified=True, ca_file=prober.network.ca_file)
    is_after = False
    try:
        streams = await prober.connect(address, port, tls=context, host=host)
        if isinstance(streams, ConnectionFailure):
            return streams
        is_after = True
        try:
            # Twice the timeout of a connection: one for the start of the response, one for its end.
            async with asyncio.timeout(2 * prober.network.connect_timeout_seconds):
                return await _exchange(streams, host, path)
        finally:
            abort(streams[1])
    except ssl.SSLCertVerificationError as error:
        return NotFetched(FetchFailure.CERTIFICATE, error.verify_message)
    except HandshakeFailure as error:
        seconds = f"{error.seconds:g}" if error.seconds else error.reason
        return NoHandshake(seconds, _HANDSHAKES[fault_of(error.reason)])
    # After the handshake, and before SSLError, their base class.
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return ConnectionFailure("reset")
    except ssl.SSLError as error:
        return _failed_handshake(reason_of_tls(error), is_after=is_after)
    except TimeoutError:
        return ConnectionFailure("timeout")
    except OSError as error:
        return ConnectionFailure(reason_of(error))


def _failed_handshake(reason: str, *, is_after: bool) -> NotFetched | NoHandshake:
    failure = _HANDSHAKES[fault_of(reason, is_after=is_after)]
    if failure.is_inconclusive:
        return NoHandshake(reason, failure)
    return NotFetched(failure, reason)


async def _exchange(streams: Streams, host: str, path: str) -> Fetched | NotFetched:
    reader, writer = streams
    # The context verified the chain but not the name, so the name is compared here, before the
    # request is sent.
    certificate = read_tls_facts(writer, "").certificate
    if certificate is None or not matches(certificate, host):
        names = ", ".join(certificate.names[:4]) if certificate else "unreadable"
        return NotFetched(FetchFailure.CERTIFICATE, f"for {names}")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\n"
        "Accept-Encoding: identity\r\nUser-Agent: Gangway\r\nConnection: close\r\n\r\n"
    )
    writer.write(request.encode("ascii"))
    return await read_response(reader)


async def read_response(reader: asyncio.StreamReader) -> Fetched | NotFetched:
    """Read one HTTP/1.1 response (RFC 9112): body by length, in chunks, or until the end."""
    try:
        return await _read_response(reader)
    except _InvalidResponse as error:
        return NotFetched(error.failure, error.detail)
    except asyncio.IncompleteReadError:
        return NotFetched(FetchFailure.CUT_OFF, "closed")


async def _read_response(reader: asyncio.StreamReader) -> Fetched | NotFetched:
    for _ in range(_MAX_INTERIM + 1):
        status = await _line(reader)
        match = _STATUS_LINE.match(status)
        if match is None:
            return NotFetched(FetchFailure.NOT_HTTP, status[:60])
        code, headers = match["code"], await _headers(reader)
        # RFC 9110 section 15.2: any number of interim responses can precede the final one. 101
        # answers a request that this client does not send.
        if not code.startswith("1") or code == "101":
            break
    failure = _failure_of(code, headers)
    if failure is not None:
        return failure
    return Fetched(await _body(reader, headers), headers.get("content-type", "")[:100])


def _failure_of(code: str, headers: Mapping[str, str]) -> NotFetched | None:
    """Return the failure that status and headers state; None for a file that can be read."""
    location = headers.get("location", "")
    # RFC 8461 section 3.3: senders must not follow redirects. A target could be a private host.
    if code.startswith("3") and location:
        return NotFetched(FetchFailure.REDIRECT, location[:200])
    if code != "200":
        # Temporary: senders retry, so the policy is not missing.
        is_temporary = code.startswith("5") or code in _TEMPORARY
        failure = FetchFailure.UNAVAILABLE if is_temporary else FetchFailure.STATUS
        return NotFetched(failure, code)
    # Not decoded: the request accepts no encoding, and a compressed file can grow without limit.
    for name, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        encoding = headers.get(name.lower(), plain)[:40]
        if encoding.lower() != plain:
            return NotFetched(FetchFailure.UNREADABLE, f"{name}: {encoding}")
    return None


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise _InvalidResponse(FetchFailure.UNREADABLE, "a line without end") from error
    if len(line) > _MAX_HEAD:
        raise _InvalidResponse(FetchFailure.UNREADABLE, "a line without end")
    return line.decode("latin-1").replace("\0", "\ufffd").rstrip("\r\n")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = await _line(reader)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    raise _InvalidResponse(FetchFailure.UNREADABLE, "headers without end")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        return await _chunked(reader)
    length = headers.get("content-length")
    if length is None:
        return await _until_end(reader)
    # RFC 9110 section 8.6: a repeated length counts once.
    length, *others = (part.strip() for part in length.split(","))
    if any(each != length for each in others):
        raise _InvalidResponse(
            FetchFailure.NOT_HTTP, f"Content-Length: {headers['content-length'][:20]}"
        )
    if not (length.isascii() and length.isdigit()):
        raise _InvalidResponse(FetchFailure.NOT_HTTP, f"Content-Length: {length[:20]}")
    # More than six digits are too large in any case; `int` of a very long text is slow.
    if len(length) > 6 or int(length) > MAX_BODY:
        raise _InvalidResponse(FetchFailure.TOO_LARGE, length[:20])
    return await reader.readexactly(int(length))


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while part := await reader.read(MAX_BODY + 1 - len(body)):
        body += part
        if len(body) > MAX_BODY:
            raise _InvalidResponse(FetchFailure.TOO_LARGE, f"over {MAX_BODY}")
    return body


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    """Read a chunked body (RFC 9112 section 7.1). Trailers stay unread: the connection closes."""
    body = b""
    while True:
        size = (await _line(reader)).partition(";")[0].strip()
        try:
            count = int(size, 16) if len(size) <= 6 else MAX_BODY + 1
        except ValueError as error:
            raise _InvalidResponse(FetchFailure.NOT_HTTP, f"chunk {size[:20]}") from error
        if count == 0:
            return body
        # `int` accepts "-5", and `readexactly` would raise for it.
        if count < 0 or len(body) + count > MAX_BODY:
            raise _InvalidResponse(FetchFailure.TOO_LARGE, f"over {MAX_BODY}")
        body += await reader.readexactly(count)
        await _line(reader)
