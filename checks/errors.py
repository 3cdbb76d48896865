from __future__ import annotations


class CheckError(Exception):
    """Something about a check that a person should read."""
