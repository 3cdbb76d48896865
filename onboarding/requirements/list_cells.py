"""Expand cells that contain a list of entries, as policies and rules of Exchange have. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from onboarding.requirements.cell_types import clean, printable
from onboarding.requirements.columns import ListHeading, TableDefinition
from onboarding.requirements.tables import MAX_ROWS, FileLine, UnreadableFile, too_many_rows

# The name of a type instead of its values, which Export-Csv writes for a list.
_TYPE_NAME = re.compile(r"(?:System|Microsoft\.Exchange)\.[\w.`]+(?:\[.*\])?")
_RECIPIENT = re.compile(r"\[(?:SMTP|EX):[^\]]*\]", re.IGNORECASE)
# Get-InboundConnector prints an address space as type:domain;cost.
_COST = re.compile(r"(?<=:)([^\s:;,{}]+);[0-9]+(?![^\s;,}])")
# The texts of exports for “none”, also after a program translated them.
_NO_VALUES = frozenset(
    {"", "false", "$false", "falsch", "faux", "falso", "onwaar", "none", "n/a", "#n/a"}
    | {"null", "$null", "(null)", "<null>", "-", "--", "–", "—", "{}", "[]", "()", "(none)"}
    | {"<none>", "not set", "(not set)", "(empty)", "<empty>", "not configured"}
)
_EVERY_DOMAIN = "*"
_SUBDOMAINS = "*."


def is_no_value(text: str) -> bool:
    """Whether the cell of an export has no value: empty, or a text such as `$null`."""
    return text.strip().casefold() in _NO_VALUES


def list_headings(kind: TableDefinition, headings: FileLine) -> dict[int, ListHeading]:
    """The headings of lists by their place in the row."""
    known = {asked.heading.casefold(): asked for asked in kind.list_headings}
    cells = [clean(cell).casefold() for cell in headings.cells]
    return {place: known[cell] for place, cell in enumerate(cells) if cell in known}


def expand_lists(
    kind: TableDefinition,
    lists: Mapping[int, ListHeading],
    lines: Sequence[FileLine],
    typed: Callable[[FileLine], dict[str, str]],
) -> tuple[list[FileLine], list[str]]:
    """A line with the columns of the sheet for each value of the lists, and notes.

    The lines have the row number of their list. Raises UnreadableFile.
    """
    expanded: list[FileLine] = []
    everyone = 0
    for line in lines:
        others = typed(line)
        for place, asked in lists.items():
            text = line.cells[place] if place < len(line.cells) else ""
            for value in _values(text, line.number, asked.heading):
                cells = {**others, **asked.values, asked.column: value}
                if asked.has_patterns and not _read_pattern(cells, asked):
                    everyone += 1
                    continue
                ordered = [cells.get(column.name, "") for column in kind.columns]
                expanded.append(FileLine(line.number, ordered))
        if len(expanded) > MAX_ROWS + 1:
            raise too_many_rows()
    if not expanded:
        names = "”, “".join(asked.heading for asked in lists.values())
        raise UnreadableFile(f"No row has a value in the columns “{names}”.")
    notes = [f"Rows with lists: {len(lines):,}. Entries in them: {len(expanded):,}."]
    if everyone:
        notes.append(
            f"Skipped: “*”, which is every domain and no partner. It occurs {everyone:,}×."
        )
    return expanded, notes


def _read_pattern(cells: dict[str, str], asked: ListHeading) -> bool:
    """Replace a pattern of sub-domains by its domain, with a note. False for every domain."""
    value = cells[asked.column].split(":")[-1]
    if value == _EVERY_DOMAIN:
        return False
    if value.startswith(_SUBDOMAINS):
        cells[asked.column] = value.removeprefix(_SUBDOMAINS)
        cells["note"] = f"With its sub-domains: {printable(value)}"
    return True


def _values(text: str, number: int, heading: str) -> list[str]:
    plain = text.strip().strip("{}")
    if is_no_value(plain):
        return []
    if _TYPE_NAME.fullmatch(plain):
        raise UnreadableFile(
            f"Row {number} has “{printable(plain[:60])}” instead of the values of {heading}."
            f" Export them with: Select-Object @{{n='{heading}'; e={{$_.{heading} -join ';'}}}}"
        )
    plain = _COST.sub(r"\1", plain)
    recipients = _RECIPIENT.findall(plain)
    if recipients:
        return recipients
    parts = [part.strip() for part in re.split(r"[;,\n]+", plain)]
    return [word for part in parts if part for word in _words(part)]


def _words(part: str) -> list[str]:
    """The words of a list with blanks between its values. A name with blanks is one value."""
    words = part.split()
    return words if all("." in word for word in words) else [part]
