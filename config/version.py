"""The version number of Gangway."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
_HEADING = re.compile(r"^## (\d+\.\d+\.\d+)$", re.MULTILINE)


@cache
def version() -> str:
    """The first version heading of CHANGELOG.md, such as "0.1.0".

    An installation without the file, or with a file without a version, has the version "0".
    """
    try:
        text = CHANGELOG.read_text(encoding="utf-8")
    except OSError:
        return "0"
    heading = _HEADING.search(text)
    return heading.group(1) if heading else "0"
