"""Storage of file contents below FILES_DIR, under random names."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import transaction


def new_storage_path() -> str:
    """An unguessable relative path in one of 256 folders."""
    name = secrets.token_hex(24)
    return f"{name[:2]}/{name}"


def path_of(stored_as: str) -> Path:
    folder = Path(settings.FILES_DIR).resolve()
    path = (folder / stored_as).resolve()
    assert folder in path.parents, "a path outside the folder"
    return path


def put(content: bytes) -> str:
    """Store the bytes, readable only by the process owner. Returns their relative path."""
    place = new_storage_path()
    path = path_of(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
    return place


def remove_on_commit(paths: Iterable[str]) -> None:
    """Delete the files after the transaction that deletes their rows commits."""
    transaction.on_commit(functools.partial(_remove, [place for place in paths if place]))


def _remove(paths: list[str]) -> None:
    for place in paths:
        path_of(place).unlink(missing_ok=True)
