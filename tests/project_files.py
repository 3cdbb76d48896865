"""The files of the project, without git: a released archive and a bare machine have none."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def project_files(checkout: Path = CHECKOUT) -> Iterator[Path]:
    """Every file that .gitignore does not exclude, relative to the checkout, sorted."""
    patterns = _ignored_patterns(checkout)
    for folder, subfolders, names in os.walk(checkout):
        here = Path(folder).relative_to(checkout)
        subfolders[:] = sorted(n for n in subfolders if not _is_ignored(here / n, patterns))
        yield from (here / n for n in sorted(names) if not _is_ignored(here / n, patterns))


def _ignored_patterns(checkout: Path) -> list[str]:
    lines = (checkout / ".gitignore").read_text().splitlines()
    return ["/.git", *(line.rstrip("/") for line in lines if line and not line.startswith("#"))]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    """Our .gitignore has two kinds of patterns: a path from the top, and a name in any folder."""
    return any(
        fnmatch.fnmatch(f"/{path.as_posix()}" if pattern.startswith("/") else path.name, pattern)
        for pattern in patterns
    )
