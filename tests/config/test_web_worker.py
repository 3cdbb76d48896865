"""The worker of the web server: requested runs never delay pages."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.config.product import CHECKOUT, free_port

pytestmark = pytest.mark.slow
RUN = "/t/abc/checks/def/run/"
THREADS = 8


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    tmp_path = tmp_path_factory.mktemp("web")
    number, log = free_port(), tmp_path / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn"]
    command += ["--graceful-timeout", "2", "--bind", f"127.0.0.1:{number}"]
    command += ["tests.config.slow_runs:application"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "LAB": "off"}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output
        )
    try:
        until = time.monotonic() + 60
        while not _answers(number):
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield number
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return bool(_request(port, "GET", "/"))
    except OSError:
        return False


def _request(port: int, method: str, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, b"x=1" if method == "POST" else None)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _press(port: int, path: str) -> None:
    with suppress(OSError, http.client.HTTPException):  # the test stops the server
        _request(port, "POST", path)


def _crowd(port: int, path: str, people: int) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=_press, args=(port, path), daemon=True) for _ in range(people)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    return threads


def _seconds(port: int, method: str, path: str) -> float:
    started_at = time.monotonic()
    _request(port, method, path)
    return time.monotonic() - started_at


@pytest.mark.parametrize(
    ("method", "path", "pool"),
    [
        ("POST", RUN, "runs"),
        ("POST", "/h/token/run/?next=1", "runs"),
        ("GET", RUN, "ThreadPoolExecutor"),
        ("POST", "/t/abc/comments/?next=/run/", "ThreadPoolExecutor"),
    ],
)
def test_request_has_its_pool(port: int, method: str, path: str, pool: str) -> None:
    assert _request(port, method, path).startswith(pool)


def test_kept_connection_changes_the_pool(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    names = []
    for method, path in (("GET", "/"), ("POST", RUN), ("GET", "/")):
        connection.request(method, path, b"x=1" if method == "POST" else None)
        names.append(connection.getresponse().read().decode()[:4])
    connection.close()

    assert names == ["Thre", "runs", "Thre"]


def test_silent_connections_use_no_thread(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * THREADS)]

    seconds = _seconds(port, "GET", "/")

    silent[0].settimeout(20)
    assert (silent[0].recv(1), seconds < 0.9) == (b"", True)
    for each in silent:
        each.close()


def test_crowd_delays_no_page(port: int) -> None:
    """The last test of the module: its requests of runs still wait at its end."""
    crowd = _crowd(port, RUN, people=3 * THREADS)

    pages = [_seconds(port, "GET", "/tenants/") for _ in range(5)]
    change = _seconds(port, "POST", "/t/abc/tasks/def/confirm/")

    assert any(thread.is_alive() for thread in crowd)
    assert (max(pages) < 0.9, change < 1.9) == (True, True)
