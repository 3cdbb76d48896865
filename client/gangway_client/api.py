"""Requests to the REST API, with a sentence for every error."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from gangway_client import VERSION
from gangway_client.credentials import Credentials, is_this_machine
from gangway_client.errors import ClientError, NoAnswer

Json = dict[str, Any]
# A waiting request answers after 50 seconds at the latest.
_PAUSE_SECONDS = 2
_TIMEOUT = httpx.Timeout(70, connect=10)


class Api:
    """The API of one server with one token."""

    def __init__(self, credentials: Credentials) -> None:
        self._server = credentials.server
        self._client = httpx.Client(
            base_url=f"{credentials.server}/api/v1/",
            headers={
                "Authorization": f"Bearer {credentials.token}",
                "Accept": "application/json",
                "User-Agent": f"gangway-client/{VERSION}",
            },
            timeout=_TIMEOUT,
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Json:
        """The JSON object at the path below /api/v1/. Raises ClientError."""
        return self._read(self._send("GET", path, params=_without_empty(query)))

    def post(self, path: str, body: Json) -> Json:
        return self._read(self._send("POST", path, json=body))

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """The rows of all pages of a list."""
        page = self.get(path, **query)
        yield from page["results"]
        while page["next"]:
            page = self._read(self._send("GET", own_address(self._server, page["next"])))
            yield from page["results"]

    def wait(self, path: str, seconds: int) -> Json:
        """The check after its verdict has settled, or as it is after so many seconds.

        Where no process waits, the answer arrives at once, and this pauses before the next.
        """
        began = time.monotonic()
        response = self._send("GET", path, params={"wait_for": "settled", "timeout": seconds})
        if response.status_code == 307:
            response = self._waited(response.headers["Location"], path)
        found = self._read(response)
        if not found["is_settled"] and time.monotonic() - began < _PAUSE_SECONDS:
            time.sleep(min(seconds, _PAUSE_SECONDS))
        return found

    def _waited(self, location: str, path: str) -> httpx.Response:
        try:
            response = self._send("GET", waiting_address(self._server, location))
        except NoAnswer:
            return self._send("GET", path)
        # A proxy without the process that waits, or a process with too many requests.
        is_unavailable = response.status_code in (404, 429) or response.status_code >= 500
        return self._send("GET", path) if is_unavailable else response

    # --- One request

    def _send(self, method: str, address: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, address, **options)
        except httpx.TimeoutException:
            raise NoAnswer(f"{self._server} does not answer.") from None
        except httpx.HTTPError as error:
            raise NoAnswer(f"{self._server} cannot be reached: {_reason(error)}.") from None

    def _read(self, response: httpx.Response) -> Json:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise NoAnswer(
                f"{self._server} does not answer as Gangway's API does"
                f" (status {response.status_code}). Is the address right?"
            )
        if response.is_success:
            return body
        raise _error_of(response.status_code, body)


def own_address(server: str, address: str) -> str:
    """The same path and query on the server that the user named: the token is sent there alone."""
    parts = urlsplit(address)
    return f"{server}{parts.path}?{parts.query}"


def waiting_address(server: str, location: str) -> str:
    """The address of the process that waits: the same server, or another port of this machine."""
    target, own = urlsplit(location), urlsplit(server)
    is_same_machine = target.hostname == own.hostname and is_this_machine(own.hostname or "")
    if target.netloc and target.scheme == own.scheme and is_same_machine:
        return location
    return own_address(server, location)


def _without_empty(query: Json) -> Json:
    return {name: value for name, value in query.items() if value not in (None, "")}


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def _error_of(status: int, problem: Json) -> ClientError:
    """The sentences of the problem detail (RFC 9457)."""
    errors = problem.get("errors") or {}
    details = " ".join(f"{name}: {text}" for name, texts in errors.items() for text in texts)
    sentence = details or str(problem.get("detail") or f"The server answers with status {status}.")
    if status == 401:
        return ClientError(f"{sentence} Sign in again with: gangway login")
    return (NoAnswer if status == 429 or status >= 500 else ClientError)(sentence)
