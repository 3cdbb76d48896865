"""What the files of a closing pack are called."""

from __future__ import annotations

import re
from collections.abc import Iterator

from onboarding.models import EvidenceFile, Sheet
from onboarding.sheets.exporting import file_name

PAGE = "index.html"
CASE = "case.json"
OBSERVATIONS = "observations.json"
ACTIVITY = "activity.json"
README = "README.txt"
VERIFY = "verify.py"
DIGESTS = "SHA256SUMS"
_ODD = re.compile(r"[^\w.() -]")


def place_of_file(kept: EvidenceFile) -> str:
    """One line in the list of digests, whatever the file was called."""
    return f"files/{kept.public_id}-{_ODD.sub('_', kept.name)}"


def places_of_sheet(sheet: Sheet) -> Iterator[str]:
    for ending in ("csv", "xlsx"):
        yield f"sheets/{file_name(sheet, is_whole=True, ending=ending)}"
