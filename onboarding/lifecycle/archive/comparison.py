"""Compares two archives of one tenant: before an import, and of the imported tenant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import BinaryIO

from django.conf import settings

from onboarding.lifecycle.archive.format import ArchivedRow, canonical, read_rows
from onboarding.lifecycle.archive.tables import FILE_ORDER, PEOPLE

_ACTIVITY = FILE_ORDER[-1]
_MOST = 20


@dataclass
class _Summary:
    """The digest of each row by its table and its number, or by the id of a person."""

    digests: dict[tuple[str, str], str] = field(default_factory=dict)
    # The actor of each activity line, by number. Empty for checks and for Gangway itself.
    actors: dict[int, str] = field(default_factory=dict)


def differences(first: BinaryIO, second: BinaryIO) -> list[str]:
    """Sentences about the differences, at most 20; empty if the archives are equal.

    The second archive may have more activity lines at its end, and the people who act only in
    those. Raises ArchiveError if one of the files is no complete archive.
    """
    before, after = _summary(first), _summary(second)
    lines = len(before.actors)
    later = {actor for number, actor in after.actors.items() if number > lines}
    permitted = {(PEOPLE, actor) for actor in later}
    permitted |= {(_ACTIVITY, str(number)) for number in after.actors if number > lines}
    found = []
    for key in sorted(before.digests.keys() | (after.digests.keys() - permitted)):
        if before.digests.get(key) != after.digests.get(key):
            table, row = key
            found.append(f"Row {row} of “{table}” {_kind_of(key, before, after)}.")
    return found[:_MOST]


def _kind_of(key: tuple[str, str], before: _Summary, after: _Summary) -> str:
    if key not in before.digests:
        return "is only in the second archive"
    return "differs" if key in after.digests else "is only in the first archive"


def _summary(file: BinaryIO) -> _Summary:
    found = _Summary()
    for row in read_rows(file, FILE_ORDER, max_bytes=settings.ARCHIVE_MAX_BYTES):
        found.digests[row.table, _key(row)] = _digest(row)
        if row.table == _ACTIVITY:
            found.actors[row.number] = str(row.values.get("actor") or "")
    return found


def _key(row: ArchivedRow) -> str:
    return str(row.values.get("id")) if row.table == PEOPLE else str(row.number)


def _digest(row: ArchivedRow) -> str:
    return hashlib.sha256(canonical(row.values).encode()).hexdigest()
