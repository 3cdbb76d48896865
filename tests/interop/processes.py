"""Start a server program on loopback, wait until it listens, and stop it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 15
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def program(name: str, package: str) -> str:
    """Return the program's path; skip the test with a message if it is not installed."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed: apt install {package}")
    return found


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def wait_for(address: str, port: int, log: Path) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while not listens(address, port):
        if time.monotonic() > until:
            output_text = log.read_text(errors="replace") if log.exists() else "(no log)"
            pytest.fail(f"nothing listens on {address}:{port}; its output:\n{output_text}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, address: str, port: int) -> Iterator[None]:
    """Run the server in the foreground, in its own session, until the block ends."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_for(address, port, log)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def on_loopback(address: str) -> Iterator[None]:
    """Some servers listen only on addresses of an interface, although Linux does not require it."""
    ip = program("ip", "iproute2")
    if os.geteuid() != 0:
        pytest.skip("servers need addresses of their own: run the interop tests as root")
    subprocess.run([ip, "address", "replace", f"{address}/32", "dev", "lo"], check=True)
    try:
        yield
    finally:
        subprocess.run([ip, "address", "delete", f"{address}/32", "dev", "lo"], check=True)
