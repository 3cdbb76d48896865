from __future__ import annotations


class CheckError(Exception):
    """An error about a check, with a sentence for its reader."""
