"""Storage of file contents below FILES_DIR, under random names.

A content is written under its name with the ending `.part` and gets its name after the transaction
that stores the row has committed:

1. A process that dies before the commit leaves a part without a row. `sweep_folder` deletes it.
2. A process that dies after the commit leaves a part with a row. The next reader, or
   `sweep_folder`, completes it.
3. A process that dies after the deletion of a row leaves a file without a row, as in 1.
"""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

_PART = ".part"
# The transaction of a younger file may still be open.
SWEEP_AFTER = timedelta(days=1)


def new_storage_path() -> str:
    """An unguessable relative path in one of 256 folders."""
    name = secrets.token_hex(24)
    return f"{name[:2]}/{name}"


def path_of(stored_as: str) -> Path:
    """The file of a stored row. Completes it if its writer died after the commit."""
    path = _path(stored_as)
    part = path.with_suffix(_PART)
    if not path.exists() and part.exists():
        _publish(stored_as)
    return path


def _path(stored_as: str) -> Path:
    folder = Path(settings.FILES_DIR).resolve()
    path = (folder / stored_as).resolve()
    assert folder in path.parents, "a path outside the folder"
    return path


@contextmanager
def writing(stored_as: str) -> Iterator[Path]:
    """The file to write the content to, readable only by the process owner.

    Afterwards it is on the disk, and an error deletes it. `publish_on_commit` gives it its name.
    """
    part = _path(stored_as).with_suffix(_PART)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(mode=0o600, exist_ok=False)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        part.unlink()
        raise


@contextmanager
def storing(content: bytes) -> Iterator[str]:
    """Write the content, and delete it after an error. Yields its relative path for the row.

    Call `publish_on_commit` in the transaction of the row.
    """
    place = new_storage_path()
    with writing(place) as part:
        part.write_bytes(content)
    try:
        yield place
    except BaseException:
        discard(place)
        raise


def publish_on_commit(stored_as: str) -> None:
    """Give the written file its name after the transaction that stores its row commits."""
    transaction.on_commit(functools.partial(_publish, stored_as))


def _publish(stored_as: str) -> None:
    path = _path(stored_as)
    # A reader or the sweep may be faster, and another transaction may have deleted the row.
    with suppress(FileNotFoundError):
        path.with_suffix(_PART).replace(path)


def discard(stored_as: str) -> None:
    """Delete a written file without a row."""
    _path(stored_as).with_suffix(_PART).unlink(missing_ok=True)


def remove_on_commit(paths: Iterable[str]) -> None:
    """Delete the files after the transaction that deletes their rows commits."""
    transaction.on_commit(functools.partial(_remove, [place for place in paths if place]))


def _remove(paths: list[str]) -> None:
    for place in paths:
        _path(place).unlink(missing_ok=True)
        discard(place)


def folders() -> list[str]:
    """The names of the folders that contain files."""
    root = Path(settings.FILES_DIR)
    return sorted(each.name for each in root.iterdir() if each.is_dir()) if root.is_dir() else []


def sweep_folder(
    folder: str, stored_in: Callable[[str], Collection[str]], *, now: datetime
) -> tuple[int, int]:
    """Complete the parts with a row, and delete the files without one.

    `stored_in` returns the relative paths of the rows in a folder. Returns the number of completed
    and of deleted files. Younger files remain: their transaction may be open.
    """
    old = [
        file
        for file in _path(f"{folder}/_").parent.iterdir()
        if datetime.fromtimestamp(file.stat().st_mtime, now.tzinfo) < now - SWEEP_AFTER
    ]
    # After the list of files: a row that is committed in between counts.
    stored = stored_in(folder)
    completed = deleted = 0
    for file in old:
        place = f"{folder}/{file.stem}"
        if place not in stored:
            file.unlink(missing_ok=True)
            deleted += 1
        elif file.suffix == _PART:
            _publish(place)
            completed += 1
    return completed, deleted
