"""Build the PowerShell command that corrects a mistake. It is shown, never executed."""

from __future__ import annotations

from collections.abc import Iterable

# PowerShell accepts all of these as the end of a single-quoted text.
_QUOTES = "'\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}" + (
    "\N{SINGLE LOW-9 QUOTATION MARK}\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}"
)
_DOUBLED = str.maketrans({mark: mark * 2 for mark in _QUOTES})


def quoted(text: str) -> str:
    """A text of an export as a PowerShell literal: no part of it can become a command."""
    printable = "".join(char for char in text if char.isprintable())
    return f"'{printable.translate(_DOUBLED)}'"


def listed(texts: Iterable[str]) -> str:
    """Several texts, separated by commas."""
    return ",".join(map(quoted, texts))
