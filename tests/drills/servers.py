"""PostgreSQL and Redis of a drill: own data, own ports, killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.interop.processes import free_port, listens, program, wait_for

HOST = "127.0.0.1"
USER = "postgres"


class Server:
    """A server process of the drill. It keeps the data that it stores when it is killed."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.command, self.port, self.log = command, port, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(HOST, self.port, self.log)

    def kill(self) -> None:
        """Kill the server and all its children, as a power failure does."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _wait_until(lambda: not listens(HOST, self.port))


def _wait_until(is_reached: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextlib.contextmanager
def own_redis(folder: Path) -> Iterator[Server]:
    port = free_port(HOST)
    command = [program("redis-server", "redis-server"), "--bind", HOST, "--port", str(port)]
    server = Server([*command, "--save", "", "--dir", str(folder)], port, folder / "redis.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def own_postgresql(folder: Path) -> Iterator[Server]:
    """A cluster of its own. PostgreSQL refuses to run as root, so it runs as its package's user."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries or os.geteuid() != 0:
        pytest.skip("PostgreSQL is not installed, or the drill does not run as root")
    # The folder of the tests is private to root.
    root = Path(tempfile.mkdtemp(prefix="gangway-drill-", dir="/var/tmp"))
    data, port = root / "cluster", free_port(HOST)
    data.mkdir()
    for owned in (root, data):
        shutil.chown(owned, USER, USER)
    as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
    subprocess.run(
        [*as_user, str(binaries[-1] / "initdb"), "-D", str(data), "-A", "trust", "-N"],
        check=True,
        capture_output=True,
    )
    options = ["-c", f"port={port}", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    server = Server(
        [*as_user, str(binaries[-1] / "postgres"), "-D", str(data), *options],
        port,
        folder / "postgresql.log",
    )
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(root)


@contextlib.contextmanager
def hanging_mail_server() -> Iterator[int]:
    """A mail server that accepts connections and never greets. Returns its port."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])
