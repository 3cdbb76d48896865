"""Where bytes lie: under FILES_DIR, by random names that say nothing."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import transaction


def new_storage_path() -> str:
    """A name nobody can guess, in one of 256 folders."""
    name = secrets.token_hex(24)
    return f"{name[:2]}/{name}"


def path_of(stored_as: str) -> Path:
    folder = Path(settings.FILES_DIR).resolve()
    path = (folder / stored_as).resolve()
    assert folder in path.parents, "a place outside the folder"
    return path


def put(content: bytes) -> str:
    """Store the bytes, readable by us alone; return their place."""
    place = new_storage_path()
    path = path_of(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
    return place


def remove_on_commit(places: Iterable[str]) -> None:
    """Delete the bytes once the rows that spoke of them are gone for good."""
    transaction.on_commit(functools.partial(_remove, [place for place in places if place]))


def _remove(places: list[str]) -> None:
    for place in places:
        path_of(place).unlink(missing_ok=True)
