"""Tables for people and JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

Rows = Sequence[dict[str, Any]]
_STYLES = {"pass": "green", "fail": "red", "warn": "yellow", "unknown": "yellow"}


def visible(value: Any) -> str:
    """The value as text for a terminal.

    Names are entered by many people: a control character could move the cursor or hide text.
    """
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(content: Any, file: TextIO | None = None) -> None:
    """One JSON document. Every character outside ASCII is escaped."""
    (file or sys.stdout).write(json.dumps(content, indent=2) + "\n")


def table(columns: Mapping[str, str], rows: Rows) -> Table:
    """A table of these columns: the name of the value by heading."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(name, row.get(name)) for name in columns.values()))
    return made


def _cell(name: str, value: Any) -> Text:
    style = _STYLES.get(str(value), "") if name == "verdict" else ""
    return Text(visible(value), style=style)


def print_rows(columns: Mapping[str, str], rows: Rows, empty: str) -> None:
    """The table on the standard output, or the sentence if there are no rows."""
    console = Console()
    console.print(table(columns, rows) if rows else Text(empty))
