"""The layout of an archive: canonical JSON, one row in each line, with a digest of each row. Pure.

Reading is bounded: one row is in memory at a time, and each row has a limited size and depth.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from onboarding.errors import OnboardingError

FORMAT = "gangway-tenant-archive"
VERSION = 1
# A part of a file has 512 KiB. The largest rows are the decisions and dry runs of big tenants.
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64

_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")
_TABLE = re.compile(r'"([a-z_]{1,40})":\[')
_END = re.compile(r'\},"sha256":"([0-9a-f]{64})"\}')


class ArchiveError(OnboardingError):
    """The archive cannot be written or imported. The message names the place."""


@dataclass(frozen=True)
class ArchivedRow:
    """One row of a table. `number` counts the rows of each table from 1."""

    table: str
    number: int
    values: dict[str, Any]

    @property
    def place(self) -> str:
        return f"row {self.number} of “{self.table}”"


def canonical(value: Any) -> str:
    """The value as JSON with sorted keys and no blanks."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_of_row(row: ArchivedRow) -> str:
    """SHA-256 as hex over the table, the number and the values: rows cannot be exchanged."""
    return hashlib.sha256(canonical([row.table, row.number, row.values]).encode()).hexdigest()


def first_line() -> str:
    return f'{{"format":"{FORMAT}","version":{VERSION},"tables":{{\n'


def line_of(row: ArchivedRow) -> str:
    return f'{{"row":{canonical(row.values)},"sha256":"{digest_of_row(row)}"}}'


def read_rows(file: BinaryIO, tables: Sequence[str], *, max_bytes: int) -> Iterator[ArchivedRow]:
    """The rows of the file, with verified digests, in the order of the tables.

    Raises ArchiveError at the first fault. Only the end of the file shows that nothing is missing.
    """
    lines = _BoundedLines(file, max_bytes)
    _read_first(lines.next())
    for place, table in enumerate(tables):
        _read_table_name(lines.next(), table, tables)
        yield from _rows_of(lines, table, is_last=place == len(tables) - 1)
    digest = lines.digest.hexdigest()
    end = _END.fullmatch(lines.next())
    if end is None or lines.next_or_none() is not None:
        raise ArchiveError("The archive does not end after its last table.")
    if end[1] != digest:
        raise ArchiveError("The archive was changed: its SHA-256 at the end differs.")


class _BoundedLines:
    """The lines of a file, with their digest and within the limits."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file, self._left = file, max_bytes
        self.number = 0
        self.digest = hashlib.sha256()

    def next(self) -> str:
        line = self.next_or_none()
        if line is None:
            raise ArchiveError("The archive is incomplete: its end is missing.")
        return line

    def next_or_none(self) -> str | None:
        line = self._file.readline(MAX_LINE_BYTES + 1)
        self.number += 1
        self._left -= len(line)
        if len(line) > MAX_LINE_BYTES:
            raise ArchiveError(f"Line {self.number} of the archive is longer than 16 MB.")
        if self._left < 0:
            raise ArchiveError("The archive is larger than ARCHIVE_MAX_BYTES permits.")
        if not line:
            return None
        self.digest.update(line)
        try:
            return line.decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise ArchiveError(f"Line {self.number} of the archive is not UTF-8 text.") from error


def _read_first(line: str) -> None:
    """Raises ArchiveError if it is not the first line of an archive of this version."""
    head = _loaded(line + "}}", "The first line") if line.endswith('"tables":{') else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ArchiveError("This file is not an archive of a tenant, or a program reformatted it.")
    version = head.get("version")
    if version != VERSION:
        raise ArchiveError(
            f"The archive has version {str(version)[:20]} of the format. This Gangway reads version"
            f" {VERSION}: update it first."
        )
    if unknown := sorted(set(head) - {"format", "version", "tables"}):
        raise ArchiveError(f"The archive has the unknown field “{unknown[0][:60]}”.")


def _read_table_name(line: str, table: str, tables: Sequence[str]) -> None:
    found = _TABLE.fullmatch(line)
    if found is not None and found[1] not in tables:
        raise ArchiveError(f"The archive has the unknown table “{found[1]}”.")
    if found is None or found[1] != table:
        raise ArchiveError(f"The archive has no table “{table}” at its place.")


def _rows_of(lines: _BoundedLines, table: str, *, is_last: bool) -> Iterator[ArchivedRow]:
    end = "]" if is_last else "],"
    number, has_next = 0, True
    while True:
        line = lines.next()
        if line == end and (number == 0 or not has_next):
            return
        if not has_next:
            raise ArchiveError(f"The table “{table}” does not end after row {number}.")
        number += 1
        has_next = line.endswith(",")
        yield _row(line.removesuffix(","), table, number)


def _row(line: str, table: str, number: int) -> ArchivedRow:
    place = ArchivedRow(table, number, {}).place
    found = _loaded(line, place.capitalize())
    if not isinstance(found, dict) or set(found) != {"row", "sha256"}:
        raise ArchiveError(f"{place.capitalize()} is not a row with its SHA-256.")
    if not isinstance(found["row"], dict):
        raise ArchiveError(f"{place.capitalize()} has no named values.")
    _refuse_unstorable(found["row"], place)
    row = ArchivedRow(table, number, found["row"])
    if digest_of_row(row) != found["sha256"]:
        raise ArchiveError(f"The archive was changed: {place} does not match its SHA-256.")
    return row


def _loaded(text: str, place: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ArchiveError(f"{place} is nested too deeply.") from error
    except ValueError as error:
        raise ArchiveError(f"{place} cannot be read as JSON.") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    """Raises ValueError for a number such as 1e999, which Python reads as infinity."""
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def _refuse_unstorable(value: Any, place: str, depth: int = 0) -> None:
    """PostgreSQL stores no NUL and no half of a surrogate pair."""
    if depth > MAX_DEPTH:
        raise ArchiveError(f"{place.capitalize()} is nested too deeply.")
    if isinstance(value, str):
        if _NUL_OR_SURROGATE.search(value):
            raise ArchiveError(f"{place.capitalize()} has a character that cannot be stored.")
    elif isinstance(value, dict):
        for key, each in value.items():
            _refuse_unstorable(key, place, depth + 1)
            _refuse_unstorable(each, place, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _refuse_unstorable(each, place, depth + 1)
