"""Match the columns of a file to the columns of a sheet. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from onboarding.requirements.cell_types import clean, fold, printable
from onboarding.requirements.columns import Column, SheetDefinition, ValidationContext
from onboarding.requirements.tables import FileLine, Table, UnreadableFile
from onboarding.requirements.validation import read_entry


@dataclass(frozen=True)
class Layout:
    """The columns in the file's order; None for an unused column of the file."""

    columns: list[Column | None]
    lines: list[FileLine]
    notes: list[str] = field(default_factory=list)
    has_headings: bool = False

    def typed(self, line: FileLine) -> dict[str, str]:
        pairs = zip(self.columns, line.cells, strict=False)
        return {column.name: text for column, text in pairs if column is not None}

    def surplus(self, line: FileLine) -> list[str]:
        """Cells to the right of the last column, if the file has no headings."""
        return [text for text in line.cells[len(self.columns) :] if text.strip()]


def read_layout(kind: SheetDefinition, table: Table) -> Layout:
    """The layout of the table, from its headings or else from the order of its columns.

    With headings, columns may have any order. Unknown columns are ignored, with a note. Raises
    UnreadableFile if a required column is missing.
    """
    first, *rest = table.lines
    found = [_named(kind, clean(cell)) for cell in first.cells]
    in_order = Layout(list(kind.columns), table.lines, list(table.notes))
    if not _are_headings(kind, found, first, in_order):
        return in_order
    notes = list(table.notes)
    for column in kind.columns:
        times = found.count(column)
        if times > 1:
            raise UnreadableFile(
                f"Two columns have the heading “{column.label}”. Remove one of them."
            )
        if not times and column.is_required and not column.default:
            raise UnreadableFile(
                f"No column has the heading “{column.label}”. Add it, or remove the headings."
            )
    unused = [
        clean(cell)
        for cell, column in zip(first.cells, found, strict=True)
        if column is None and clean(cell)
    ]
    if unused:
        listed = "”, “".join(printable(name[:40]) for name in unused)
        notes.append(f"Not used: the column{'s' if len(unused) > 1 else ''} “{listed}”.")
    if not rest:
        raise UnreadableFile("The file has headings but no rows.")
    return Layout(found, rest, notes, has_headings=True)


def _are_headings(
    kind: SheetDefinition, found: list[Column | None], first: FileLine, in_order: Layout
) -> bool:
    """Whether the first row consists of headings.

    A heading can also be a value: “address” is both. A row that is a valid entry is not a row of
    headings. Otherwise most of its cells, or all required columns, must be headings.
    """
    if not any(found):
        return False
    if not read_entry(kind, in_order.typed(first), ValidationContext()).problems:
        return False
    named = [column for column in found if column is not None]
    needed = [column for column in kind.columns if column.is_required and not column.default]
    filled = sum(1 for cell in first.cells if cell.strip())
    return 2 * len(named) >= filled or all(column in named for column in needed)


def _named(kind: SheetDefinition, heading: str) -> Column | None:
    wanted = fold(heading)
    if not wanted:
        return None
    for names in (_own_names, _other_names):
        for column in kind.columns:
            if wanted in names(column):
                return column
    return None


def _own_names(column: Column) -> set[str]:
    return {fold(column.label), fold(column.name), fold(column.console_heading)} - {""}


def _other_names(column: Column) -> set[str]:
    return {fold(name) for name in column.aliases}
