"""PostgreSQL and Redis of a drill: own data, own ports, killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg2
import pytest

from tests.interop.processes import free_port, listens, program, wait_for

HOST = "127.0.0.1"
USER = "postgres"


class Server:
    """A server process of the drill. It keeps the data that it stores when it is killed."""

    def __init__(self, command: Sequence[str], port: int, log: Path, host: str = HOST) -> None:
        self.command, self.port, self.log, self.host = command, port, log, host
        self.process: subprocess.Popen[bytes] | None = None

    def start_without_waiting(self) -> None:
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def start(self) -> None:
        self.start_without_waiting()
        if self.host == HOST:
            wait_for(HOST, self.port, self.log)
        else:
            # The guard of the tests refuses other addresses to Python's sockets.
            _wait_until(self._accepts_libpq)

    def _accepts_libpq(self) -> bool:
        try:
            psycopg2.connect(host=self.host, port=self.port, user=USER, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def pause(self) -> None:
        """The server accepts connections and does not answer, until `resume`."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """Kill the server and all its children, as a power failure does."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _wait_until(lambda: self.host != HOST or not listens(HOST, self.port))


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


def binaries() -> Path:
    """The folder with the programs of the newest PostgreSQL; skips the test without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[-1]


def _options(port: int, host: str, *, has_small_log: bool) -> list[str]:
    values = [f"port={port}", f"listen_addresses={host}", "unix_socket_directories=", "fsync=off"]
    if has_small_log:
        # The log soon needs a new segment, instead of one of the 80 MB that it has.
        values += ["wal_recycle=off", "min_wal_size=2MB", "max_wal_size=4MB"]
    return [part for value in values for part in ("-c", value)]


@contextlib.contextmanager
def own_postgresql(
    folder: Path,
    *,
    host: str = HOST,
    prefix: Sequence[str] = (),
    root: Path | None = None,
    wal: Path | None = None,
) -> Iterator[Server]:
    """A cluster of its own, with its tables in `root` and its write-ahead log in `wal`.

    PostgreSQL refuses to run as root, so it runs as its package's user. `prefix` is a command that
    starts it elsewhere.
    """
    if os.geteuid() != 0:
        pytest.skip("a drill requires root")
    programs = binaries()
    # The folder of the tests is private to root.
    made = Path(tempfile.mkdtemp(prefix="gangway-drill-", dir="/var/tmp"))
    data, port = (root or made) / "cluster", free_port(HOST)
    data.mkdir()
    for owned in (made, data.parent, data):
        shutil.chown(owned, USER, USER)
    as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
    # A full disk of the tables is an error of one statement, a full disk of the log a crash.
    places = ["-D", str(data), "--waldir", str(wal or made / "wal")]
    places += ["--wal-segsize", "1"] if wal else []
    subprocess.run(
        [*as_user, str(programs / "initdb"), *places, "-A", "trust", "-N"],
        check=True,
        capture_output=True,
    )
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all samenet trust\nhost all all 10.213.0.0/16 trust\n")
    options = _options(port, host, has_small_log=wal is not None)
    server = Server(
        [*prefix, *as_user, str(programs / "postgres"), "-D", str(data), *options],
        port,
        folder / "postgresql.log",
        host,
    )
    server.start()
    # It listens before it accepts connections.
    _wait_until(server._accepts_libpq)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(made)
