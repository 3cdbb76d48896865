"""The data folder, the lock on a checkout, the port, and the environment of the embedded mode."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
MAX_SOCKET_PATH_LENGTH = 100  # the kernel's limit is 108 bytes with the final zero, macOS's 104


class CannotRunError(Exception):
    """The product cannot start or continue. The message is for the user at the terminal."""


@dataclass(frozen=True)
class DataFolder:
    """The data of the embedded mode: database, broker, lab, logs, secret key."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def lab(self) -> Path:
        return self.path / "lab"

    @property
    def beat_schedule(self) -> Path:
        return self.path / "beat-schedule"

    def create(self) -> None:
        for folder in (self.path, self.logs, self.broker, self.path / "static"):
            folder.mkdir(parents=True, exist_ok=True)
        self.broker.chmod(0o700)

    def secret_key(self) -> str:
        """The stored secret key, created on the first call. Sessions survive a restart with it."""
        file = self.path / "secret-key"
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as target:
                target.write(secrets.token_urlsafe(64))
        return file.read_text().strip()


def lock_checkout(data: DataFolder, port: int) -> IO[str]:
    """Lock the checkout for this process. The kernel releases the lock when the process ends.

    Raises CannotRunError with the address of the process that has the lock.
    """
    lock = open(data.path / "run.lock", "a+")  # noqa: SIM115 - open until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "it is starting"
        lock.close()
        raise CannotRunError(f"This checkout is already running: {holder}.") from None
    lock.truncate(0)
    lock.write(f"http://{HOST}:{port}, process {os.getpid()}")
    lock.flush()
    return lock


def check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Closing connections of an earlier run do not block a server, so they must not fail here.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise CannotRunError(
                f"Port {port} needs root: choose one above 1023, such as `make run PORT=8000`."
            ) from None
        except OSError:
            raise CannotRunError(
                f"Port {port} is taken: choose another, such as `make run PORT={other_port(port)}`."
            ) from None


def live_port(port: int) -> int:
    """The port of the streams: the next one, or a free one."""
    for wanted in (port + 1, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, wanted))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise CannotRunError("No port is free for the streams of open pages.")


def other_port(port: int) -> int:
    return port + 1000 if port + 1000 < 65_536 else port - 1000


def broker_socket(data: DataFolder) -> Path:
    """The path of the broker's Unix socket. A path that is too long moves to a temporary folder."""
    usual = data.broker / "broker.sock"
    if len(os.fsencode(usual)) <= MAX_SOCKET_PATH_LENGTH:
        return usual
    return Path(tempfile.mkdtemp(prefix="gangway-")) / "broker.sock"


def embedded_environment(data: DataFolder, socket_path: Path) -> dict[str, str]:
    """The defaults of this mode. DATABASE_URL already has a default in the settings."""
    return {
        "VAR_DIR": str(data.path),
        "SECRET_KEY": data.secret_key(),
        "DEBUG": "off",
        "LAB": "on",
        "CELERY_BROKER_URL": f"redis+socket://{socket_path}",
        # Another database of the broker: web process and worker share rate limits and progress.
        "REDIS_URL": f"unix://{socket_path}?db=1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }
