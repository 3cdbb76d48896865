"""The preview of an archive: everything is verified, and nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, BinaryIO

from onboarding.lifecycle.archive.importing import why_not_import
from onboarding.lifecycle.archive.tables import CONTENTS, FILE_ORDER, PEOPLE
from onboarding.lifecycle.archive.validation import VerifiedRow, verified_rows

_MOST_NAMES = 50
_PROGRESS_EVERY = 500


def preview_of(file: BinaryIO, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """The content of the archive as plain JSON. Raises ArchiveError at the first fault.

    `refusal` is the sentence why the verified archive cannot be imported here; empty otherwise.
    `progress` receives the number of rows from time to time.
    """
    counts: Counter[str] = Counter()
    found: dict[str, Any] = {"people": [], "domains": [], "hosts": []}
    for number, row in enumerate(verified_rows(file), start=1):
        counts[row.table] += 1
        _notice(found, row)
        if progress is not None and number % _PROGRESS_EVERY == 0:
            progress(number)
    found["rows"] = {table: counts[table] for table in FILE_ORDER if table != CONTENTS}
    found["refusal"] = why_not_import(found["tenant"], found["name"])
    return found


def _notice(found: dict[str, Any], row: VerifiedRow) -> None:
    """The facts of the row that the administrator reviews."""
    values = row.values
    if row.table == "tenant":
        found |= {"tenant": values["public_id"], "name": values["name"]}
        found |= {"is_completed": values["completed_at"] is not None}
    elif row.table == "activity":
        found |= {"lines": values["number"], "head": values["hash"]}
    elif row.table == PEOPLE and len(found["people"]) < _MOST_NAMES:
        found["people"].append([values["name"], values["email"], values["side"]])
    elif row.table in ("domains", "hosts") and len(found[row.table]) < _MOST_NAMES:
        found[row.table].append(values["name"])
