"""The address of the server and the token: from the environment, or from a file of the user."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gangway_client.errors import ClientError

SERVER, TOKEN = "GANGWAY_SERVER", "GANGWAY_TOKEN"
_HOW = "Sign in with: gangway login --server https://gangway.example"


@dataclass(frozen=True)
class Credentials:
    server: str
    token: str


def server_address(text: str) -> str:
    """The address without a path. Raises ClientError unless it protects the token.

    HTTPS is required, except on this machine.
    """
    parts = urlsplit(text if "//" in text else f"https://{text}")
    with contextlib.suppress(ValueError):
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            if parts.username or parts.password:
                raise ClientError("Enter the address without a user name and password.")
            if parts.scheme == "http" and not is_this_machine(parts.hostname):
                raise ClientError(
                    f"http://{parts.netloc} would send the token unencrypted. Use https."
                )
            return f"{parts.scheme}://{parts.netloc}"
    raise ClientError(f"“{text}” is not an address. Example: https://gangway.example")


def is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def path() -> Path:
    """The file of the user, in the folder of the XDG specification."""
    folder = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(folder) / "gangway" / "credentials.json"


def load() -> Credentials:
    """The credentials. Raises ClientError when there are none, or when others can read the file."""
    server, token = os.environ.get(SERVER, ""), os.environ.get(TOKEN, "")
    if server and token:
        return Credentials(server_address(server), token)
    if server or token:
        missing = TOKEN if server else SERVER
        raise ClientError(f"{missing} is not set. Set both {SERVER} and {TOKEN}, or neither.")
    return _read(path())


def _read(file: Path) -> Credentials:
    try:
        mode = file.stat().st_mode
        stored = json.loads(file.read_text(encoding="utf-8"))
        found = Credentials(server_address(stored["server"]), stored["token"])
    except FileNotFoundError:
        raise ClientError(f"You are not signed in. {_HOW}") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ClientError(f"{file} cannot be read. {_HOW}") from None
    if mode & 0o077:
        raise ClientError(f"Other users can read {file}. Run: chmod 600 {file}")
    return found


def store(credentials: Credentials) -> Path:
    """Write the file with mode 600, completely or not at all. Return its path."""
    file = path()
    content = json.dumps({"server": credentials.server, "token": credentials.token})
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp creates the file with mode 600.
        descriptor, temporary = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(content)
        os.replace(temporary, file)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}.") from None
    return file


def delete() -> bool:
    """Delete the file. Return whether there was one."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ClientError(f"{path()} cannot be deleted: {error.strerror}.") from None
    return True
