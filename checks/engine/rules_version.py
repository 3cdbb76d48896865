"""The version of the rules: a digest of the engine's own source, so that no change is missed."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


@functools.cache
def version() -> str:
    """Return twelve hexadecimal digits that change with every change of the engine."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    # Sorted, with the path: every machine and every installation computes the same digest.
    for file in sorted(folder.rglob("*.py")):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
