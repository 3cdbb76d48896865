"""Every stored value of an installation as text: all tables, all columns, all files."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from django.contrib.sessions.backends.db import SessionStore
from django.db import connection


def stored_texts(files: Path) -> Iterator[tuple[str, str]]:
    """Each value with its place, `table.column` or the path of a file, in lower case.

    Reads the tables of the database and not the models: no table can be forgotten. Compressed
    values, sessions and archives are unpacked.
    """
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name from the database
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    if value is not None:
                        yield f"{table}.{column}", _text(f"{table}.{column}", value).lower()
    for path in sorted(each for each in files.rglob("*") if each.is_file()):
        for content in _unpacked(path.read_bytes()):
            yield str(path.relative_to(files)), content.decode("utf-8", "replace").lower()


def places_of(values: set[str], files: Path) -> dict[str, set[str]]:
    """The places of each value that is stored somewhere."""
    found: dict[str, set[str]] = {}
    for place, text in stored_texts(files):
        for value in values:
            if value.lower() in text:
                found.setdefault(value, set()).add(place)
    return found


def _text(place: str, value: object) -> str:
    if place == "django_session.session_data":
        return str(SessionStore().decode(str(value)))
    if isinstance(value, memoryview | bytes):
        return b"".join(_unpacked(bytes(value))).decode("utf-8", "replace")
    return str(value)


def _unpacked(content: bytes) -> Iterator[bytes]:
    yield content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from (name.encode(), *_unpacked(archive.read(name)))
    try:
        yield zlib.decompress(content)
    except zlib.error:
        return
