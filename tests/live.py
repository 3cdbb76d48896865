"""The real stream process on a port of its own, and readers of its streams."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from tenants.models import User
from tests.interop.processes import free_port, wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class LiveProcess:
    """`python -m config.live` on the database of the tests."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port(HOST)
        self.log = log
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self._streams: list[EventStream] = []

    def start(self) -> None:
        stored = {"DATABASE_URL": database_url(), "SECRET_KEY": settings.SECRET_KEY}
        stored |= {"DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(self.log.parent)}
        # As in `make run`: pages of another port of this machine open the streams.
        stored["LIVE_PORT"] = str(self.port)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.live", "--port", str(self.port)],
                cwd=CHECKOUT,
                env={**os.environ, "REDIS_URL": "", **stored, **self.environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(HOST, self.port, self.log)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def cookie_of(self, user: User) -> str:
        """The Cookie header of a new session."""
        return _cookie_of(user)["Cookie"]

    def open(self, user: User | None, path: str, **headers: str) -> EventStream:
        stream = EventStream(self.port, path, {**_cookie_of(user), **headers})
        self._streams.append(stream)
        return stream

    def read(self, user: User, path: str) -> tuple[int, str]:
        """The status and the text of an answer that is no stream."""
        connected = HTTPConnection(HOST, self.port, timeout=60)
        with contextlib.closing(connected):
            connected.request("GET", path, headers=_cookie_of(user))
            response = connected.getresponse()
            return response.status, response.read().decode()

    def close(self) -> None:
        """Kill the process, and close all readers."""
        self.kill()
        self.close_streams()

    def close_streams(self) -> None:
        while self._streams:
            self._streams.pop().close()


def database_url() -> str:
    """The address of the test database, for another process."""
    stored = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{stored['NAME']}"
    password = f":{stored['PASSWORD']}" if stored["PASSWORD"] else ""
    return (
        f"postgres://{stored['USER']}{password}@{stored['HOST']}:{stored['PORT']}/{stored['NAME']}"
    )


def _cookie_of(user: User | None) -> dict[str, str]:
    if user is None:
        return {}
    client = Client()
    client.force_login(user, backend=BACKEND)
    name = settings.SESSION_COOKIE_NAME
    return {"Cookie": f"{name}={client.cookies[name].value}"}


class EventStream:
    """One reader. `status` is that of the response; a thread collects the events of a stream."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=60)
        self._connection.request("GET", path, headers=dict(headers))
        self._socket = self._connection.sock
        self._response: HTTPResponse = self._connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers
        self._events: queue.Queue[tuple[str, str]] = queue.Queue()
        self.ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self._reader.start()

    def _read(self) -> None:
        name = data = ""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            while line := self._response.readline():
                field, _, value = line.decode().rstrip("\n").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data":
                    data = value.strip()
                elif not field and (name or data):
                    self._events.put((name, data))
                    name = data = ""
        self.ended.set()

    def next_revision(self, seconds: float = 10) -> str:
        """The next revision. Fails the test if none arrives."""
        until = time.monotonic() + seconds
        while True:
            try:
                name, data = self._events.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no revision within {seconds} seconds")
            if not name:
                return data

    def has_no_revision(self, seconds: float) -> bool:
        time.sleep(seconds)
        while not self._events.empty():
            if not self._events.get()[0]:
                return False
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before, or by the process
            self._socket.shutdown(socket.SHUT_RDWR)
        if self.status == 200:
            self._reader.join()
        self._response.close()
        self._connection.close()
        self._socket.close()


@pytest.fixture(scope="session")
def started_live_process(
    django_db_setup: None, live_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveProcess]:
    """The stream process on the test database, which the live server stores in a file."""
    started = LiveProcess(tmp_path_factory.mktemp("live") / "live.log")
    yield started
    started.close()
    # PostgreSQL ends the sessions of a killed process a moment later. The database is deleted next.
    time.sleep(1)


@pytest.fixture
def live_process(started_live_process: LiveProcess) -> Iterator[LiveProcess]:
    """One process for all tests; a test may kill it."""
    if not started_live_process.is_alive:
        started_live_process.start()
    yield started_live_process
    started_live_process.close_streams()
