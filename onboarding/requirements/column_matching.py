"""Match the columns of a file to the columns of a sheet. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from onboarding.requirements.cell_types import BadValue, clean, fold, printable
from onboarding.requirements.columns import Column, TableDefinition, ValidationContext
from onboarding.requirements.list_cells import expand_lists, is_no_value, list_headings
from onboarding.requirements.tables import (
    SAMPLE_ROWS,
    ChooseWorksheet,
    FileLine,
    Table,
    UnreadableFile,
)
from onboarding.requirements.validation import read_entry

_MAX_NAMED = 10  # the number of columns or rows that a note lists
# “[Required]” and “(optional)” behind the headings of templates.
_BRACKETED_NOTE = re.compile(r"[\[(][^\])]{0,200}[\])]|\*")
# A full stop, an at sign, a colon or a digit.
_ENTRY_SIGNS = re.compile(r"[.@:\d]")
# Windows PowerShell writes the type of the objects above the headings.
_TYPE_LINE = "#TYPE "
# The texts of an export for a switch that is off, also after a program translated them.
_SWITCHED_OFF = frozenset(
    {"false", "$false", "disabled", "off", "no", "0", "falsch", "faux", "falso", "onwaar"}
)


@dataclass(frozen=True)
class Layout:
    """The columns in the file's order; None for an unused column of the file."""

    columns: list[Column | None]
    lines: list[FileLine]
    notes: list[str] = field(default_factory=list)
    has_headings: bool = False

    def typed(self, line: FileLine) -> dict[str, str]:
        """The cells by column. Of two columns for one, the first that is not empty counts."""
        typed: dict[str, str] = {}
        for column, text in zip(self.columns, line.cells, strict=False):
            if column is not None and not typed.get(column.name, "").strip():
                typed[column.name] = text
        return typed

    def surplus(self, line: FileLine) -> list[str]:
        """Cells to the right of the last column. Right of headings, words are only notes."""
        beyond = [text for text in line.cells[len(self.columns) :] if text.strip()]
        return list(filter(_may_be_entry, beyond)) if self.has_headings else beyond


def read_layout(kind: TableDefinition, table: Table) -> Layout:
    """The layout of the table, from its headings or else from the order of its columns.

    With headings, columns may have any order, rows above the headings are ignored, and unknown
    columns too. Notes name them. Raises UnreadableFile if a required column is missing.
    """
    lines = [line for line in table.lines if not line.cells[0].strip(' "').startswith(_TYPE_LINE)]
    if not lines:
        raise UnreadableFile("The file is empty.")
    place = _heading_place(kind, lines)
    if place is None:
        _refuse_late_headings(kind, lines)
        _refuse_unknown_headings(kind, lines)
        return Layout(list(kind.columns), lines, list(table.notes))
    return _below_headings(kind, table, lines, place)


def _below_headings(
    kind: TableDefinition, table: Table, lines: Sequence[FileLine], place: int
) -> Layout:
    headings = lines[place]
    rest = [line for line in lines[place + 1 :] if line.cells != headings.cells]
    if not rest:
        raise UnreadableFile("The file has headings but no rows.")
    lists = list_headings(kind, headings)
    columns = _best_columns(_matches(kind, headings.cells))
    _refuse_missing_columns(kind, columns, {asked.column for asked in lists.values()})
    notes = [
        *table.notes,
        *_note_above(headings, lines[:place]),
        *_note_unused(headings, columns, set(lists)),
        *_note_unheaded(headings, rest),
    ]
    layout = Layout(columns, rest, notes, has_headings=True)
    if lists:
        _refuse_surplus(layout)
        switches = {name for asked in lists.values() for name in asked.switches}
        layout = _without_switched_off(headings, layout, switches)
        layout = _without_empty_exports(
            headings, layout, {asked.column for asked in lists.values()}
        )
        expanded, more = expand_lists(kind, lists, layout.lines, layout.typed)
        return Layout(list(kind.columns), expanded, layout.notes + more, has_headings=True)
    layout = _with_empty_cells(headings, layout)
    for column in kind.columns:
        layout = _with_precedence(headings, layout, column)
        layout = _without_other_meanings(headings, layout, column)
    _refuse_conflicts(headings, layout)
    return _without_empty_exports(headings, layout)


def worksheet_chooser(kind: TableDefinition) -> ChooseWorksheet:
    """A choice of the worksheet whose headings, or else whose rows, are those of the sheet.

    Without such a worksheet, and of equal ones, the first counts.
    """

    def choose(samples: Sequence[Sequence[list[str]]]) -> int:
        scores = [_score(kind, sample) for sample in samples]
        return scores.index(max(scores))

    return choose


def _score(kind: TableDefinition, sample: Sequence[list[str]]) -> tuple[bool, int]:
    """Whether a row is a valid entry, and the number of columns with headings."""
    lines = [FileLine(number, cells) for number, cells in enumerate(sample, start=1)]
    place = _heading_place(kind, lines)
    if place is None:
        in_order = Layout(list(kind.columns), lines)
        return any(_is_entry(kind, in_order, line) for line in lines), 0
    layout = Layout(_best_columns(_matches(kind, lines[place].cells)), lines[place + 1 :])
    is_filled = bool(list_headings(kind, lines[place])) or any(
        _is_entry(kind, layout, line) for line in layout.lines
    )
    return is_filled, len(_distinct(kind, lines[place]))


# --- The row of headings


def _heading_place(kind: TableDefinition, lines: Sequence[FileLine]) -> int | None:
    """The index of the row of headings among the first rows, or None.

    Of several candidates, the one with the most columns counts, because a title can equal a
    heading. The search ends at the first valid entry.
    """
    best, most = None, 0
    layout = Layout(list(kind.columns), [])
    for place, line in enumerate(lines[:SAMPLE_ROWS]):
        if _is_entry(kind, layout, line):
            break
        named = len(_distinct(kind, line))
        if named > most and _are_headings(kind, line):
            best, most = place, named
            layout = Layout(_best_columns(_matches(kind, line.cells)), [])
    return best


def _is_entry(kind: TableDefinition, layout: Layout, line: FileLine) -> bool:
    return not read_entry(kind, layout.typed(line), ValidationContext()).problems


def _distinct(kind: TableDefinition, line: FileLine) -> set[str]:
    """The names of the columns that the row has as headings."""
    named = {match.column.name for match in _matches(kind, line.cells) if match is not None}
    return named | {asked.column for asked in list_headings(kind, line).values()}


def _are_headings(kind: TableDefinition, line: FileLine) -> bool:
    """Whether the row consists of headings.

    A heading can also be a value: “address” is both. Most of its cells, all required columns, or
    the name of a list must be headings.
    """
    named = _distinct(kind, line)
    needed = {column.name for column in kind.columns if column.is_required and not column.default}
    filled = sum(1 for cell in line.cells if cell.strip())
    return 2 * len(named) >= filled or needed <= named or bool(list_headings(kind, line))


def _refuse_late_headings(kind: TableDefinition, lines: Sequence[FileLine]) -> None:
    """Refuse headings below a row that could be an entry, instead of each row above them."""
    in_order = Layout(list(kind.columns), [])
    for line in lines[1:SAMPLE_ROWS]:
        is_candidate = len(_distinct(kind, line)) > 1 and _are_headings(kind, line)
        if is_candidate and not _is_entry(kind, in_order, line):
            raise UnreadableFile(
                f"The headings seem to be in row {line.number}. Remove the rows above them, and"
                " import the file again."
            )


def _refuse_unknown_headings(kind: TableDefinition, lines: Sequence[FileLine]) -> None:
    """Refuse words above the first entry in one sentence, instead of each of their cells.

    Every entry of a sheet without fixed questions has a name, an address or a number.
    """
    if kind.is_fixed:
        return
    words: FileLine | None = None
    in_order = Layout(list(kind.columns), [])
    for line in lines[:SAMPLE_ROWS]:
        if any(map(_may_be_entry, line.cells)) or _is_entry(kind, in_order, line):
            break
        if words is None or len(line.cells) >= len(words.cells):
            words = line
    else:
        return
    if words is not None:
        labels = "”, “".join(column.label for column in kind.columns)
        raise UnreadableFile(
            f"Row {words.number} is neither an entry nor a row of known headings:"
            f" {_listed([clean(cell) for cell in words.cells if cell.strip()])}. Use the headings"
            f" “{labels}”, or remove the row."
        )


def _may_be_entry(cell: str) -> bool:
    text = cell.strip()
    return " " not in text and bool(_ENTRY_SIGNS.search(text))


# --- Columns


@dataclass(frozen=True)
class _Match:
    """A column that a heading names. `rank` is above 0 for a heading that is only a substitute."""

    column: Column
    rank: int = 0


def _matches(kind: TableDefinition, cells: Sequence[str]) -> list[_Match | None]:
    return [_match(kind, clean(cell)) for cell in cells]


def _match(kind: TableDefinition, heading: str) -> _Match | None:
    for wanted in (fold(heading), fold(_BRACKETED_NOTE.sub("", heading))):
        for names in (_own_names, _other_names):
            for column in kind.columns:
                if wanted and wanted in names(column):
                    return _Match(column)
        for column in kind.columns:
            substitutes = [fold(name) for name in column.substitutes]
            if wanted in substitutes:
                return _Match(column, 1 + substitutes.index(wanted))
    return None


def _own_names(column: Column) -> set[str]:
    return {fold(column.label), fold(column.name), fold(column.console_heading)} - {""}


def _other_names(column: Column) -> set[str]:
    return {fold(name) for name in (*column.aliases, *column.exports)}


def _best_columns(matches: Sequence[_Match | None]) -> list[Column | None]:
    """The column of each heading; None for a heading with a better one in the same row."""
    best: dict[str, int] = {}
    for match in matches:
        if match is not None:
            best[match.column.name] = min(best.get(match.column.name, match.rank), match.rank)
    return [
        match.column if match is not None and match.rank == best[match.column.name] else None
        for match in matches
    ]


def _refuse_missing_columns(
    kind: TableDefinition, columns: Sequence[Column | None], listed: set[str]
) -> None:
    for column in kind.columns:
        # A list heading implies the column with a fixed set of values.
        is_implied = column.name in listed or (bool(listed) and bool(column.choices))
        if column.is_required and not column.default and not is_implied and column not in columns:
            raise UnreadableFile(
                f"No column has the heading “{column.label}”. Add it, or remove the headings."
            )


def _refuse_conflicts(headings: FileLine, layout: Layout) -> None:
    """Refuse two columns for one column of the sheet if a row has different values in them."""
    places: dict[str, list[int]] = {}
    for place, column in enumerate(layout.columns):
        if column is not None:
            places.setdefault(column.name, []).append(place)
    for name, several in places.items():
        if len(several) < 2:
            continue
        for line in layout.lines:
            filled = [place for place in several if _comparable(line, place)]
            if len({_comparable(line, place) for place in filled}) > 1:
                raise _conflict(layout, name, headings, line, filled)


def _with_precedence(headings: FileLine, layout: Layout, column: Column) -> Layout:
    """The layout with one value in the columns of an export of which only one has an effect.

    A note has the number of rows with different values.
    """
    order = [name.casefold() for name in column.precedence]
    ranked = sorted(
        (order.index(name), place)
        for place, cell in enumerate(headings.cells)
        if (name := clean(cell).casefold()) in order and layout.columns[place] is column
    )
    if len(ranked) < 2:
        return layout
    places = [place for _, place in ranked]
    single = [_with_first_value(line, places) for line in layout.lines]
    differing = sum(
        len({_comparable(line, place) for place in places if _has_value(line, place)}) > 1
        for line in layout.lines
    )
    if not differing:
        return replace(layout, lines=single)
    used, *ignored = (printable(clean(headings.cells[place])) for place in places)
    note = (
        f"{_rows_have(differing)} different values in “{used}” and “{'”, “'.join(ignored)}”."
        f" Exchange forwards to “{used}” alone, so that value is imported."
    )
    return replace(layout, lines=single, notes=[*layout.notes, note])


def _without_other_meanings(headings: FileLine, layout: Layout, column: Column) -> Layout:
    """The layout without the columns whose heading fits this one and whose values do not.

    “Type” is such a heading: next to “Action”, it can have the kind of the sender.
    """
    places = [place for place, each in enumerate(layout.columns) if each is column]
    if not column.choices or len(places) < 2:
        return layout
    unused = {place for place in places if not _has_choice(column, layout.lines, place)}
    if not unused or len(unused) == len(places):
        return layout
    columns = [None if place in unused else each for place, each in enumerate(layout.columns)]
    notes = [*layout.notes, *_note_unused(headings, columns, set(range(len(columns))) - unused)]
    return replace(layout, columns=columns, notes=notes)


def _has_choice(column: Column, lines: Sequence[FileLine], place: int) -> bool:
    """Whether a cell of the column is empty in every row, or has a choice in one."""
    typed = [text for line in lines if (text := "".join(line.cells[place : place + 1]).strip())]
    return not typed or any(_is_choice(column, text) for text in typed)


def _is_choice(column: Column, text: str) -> bool:
    try:
        column.parse(text)
    except BadValue:
        return False
    return True


def _has_value(line: FileLine, place: int) -> bool:
    return place < len(line.cells) and _has_export(line.cells[place])


def _with_first_value(line: FileLine, places: Sequence[int]) -> FileLine:
    """The line with an empty cell in place of each value behind the first one."""
    filled = [place for place in places if _has_value(line, place)]
    emptied = {place for place in places if place not in filled[:1]}
    cells = ["" if place in emptied else cell for place, cell in enumerate(line.cells)]
    return FileLine(line.number, cells) if filled else line


def _comparable(line: FileLine, place: int) -> str:
    text = clean(line.cells[place]) if place < len(line.cells) else ""
    return text.casefold().removeprefix("smtp:")


def _conflict(
    layout: Layout, name: str, headings: FileLine, line: FileLine, places: list[int]
) -> UnreadableFile:
    label = next(c.label for c in layout.columns if c is not None and c.name == name)
    one, other = (printable(clean(headings.cells[place])[:40]) for place in places[:2])
    return UnreadableFile(
        f"Two columns, “{one}” and “{other}”, are read as “{label}”, and row {line.number} has"
        " different values in them. Remove one of the columns."
    )


def _with_empty_cells(headings: FileLine, layout: Layout) -> Layout:
    """The layout with empty cells in place of texts for “none” below the headings of programs."""
    places = {
        place
        for place, column in enumerate(layout.columns)
        if column is not None and _is_export(column, clean(headings.cells[place]))
    }
    if not places:
        return layout
    lines = [
        FileLine(
            line.number,
            [
                "" if n in places and is_no_value(cell) else cell
                for n, cell in enumerate(line.cells)
            ],
        )
        for line in layout.lines
    ]
    return replace(layout, lines=lines)


def _without_empty_exports(
    headings: FileLine, layout: Layout, listed: Collection[str] = ()
) -> Layout:
    """The layout without the rows that an export contains although they are no entries.

    Get-Mailbox lists every mailbox, with or without a forward. `listed` are the columns whose
    values are in lists.
    """
    for place, column in enumerate(layout.columns):
        heading = clean(headings.cells[place]) if place < len(headings.cells) else ""
        if column is not None and column.name not in listed and _is_export(column, heading):
            return _skip_rows(layout, column, heading)
    return layout


def _is_export(column: Column, heading: str) -> bool:
    """Whether a program wrote the heading: people put blanks between words."""
    return heading.casefold() in {name.casefold() for name in column.exports}


def _skip_rows(layout: Layout, column: Column, heading: str) -> Layout:
    kept = [line for line in layout.lines if _has_export(layout.typed(line).get(column.name, ""))]
    skipped = len(layout.lines) - len(kept)
    if not kept:
        raise UnreadableFile(f"No row has a value in the column “{printable(heading)}”.")
    if not skipped:
        return layout
    note = f"Skipped: {_rows_have(skipped)} no value in the column “{printable(heading)}”."
    return Layout(layout.columns, kept, [*layout.notes, note], layout.has_headings)


def _without_switched_off(headings: FileLine, layout: Layout, switches: Collection[str]) -> Layout:
    """The layout without the rows of an export that are switched off, such as old connectors."""
    wanted = {name.casefold() for name in switches}
    places = [n for n, cell in enumerate(headings.cells) if clean(cell).casefold() in wanted]
    if not places:
        return layout
    kept = [
        line
        for line in layout.lines
        if not any(n < len(line.cells) and _is_off(line.cells[n]) for n in places)
    ]
    skipped = len(layout.lines) - len(kept)
    heading = printable(clean(headings.cells[places[0]]))
    if not kept:
        raise UnreadableFile(f"Every row is switched off in the column “{heading}”.")
    switched_off = "1 row is" if skipped == 1 else f"{skipped:,} rows are"
    note = f"Skipped: {switched_off} switched off in the column “{heading}”."
    notes = [note] * bool(skipped)
    return Layout(layout.columns, kept, [*layout.notes, *notes], layout.has_headings)


def _is_off(text: str) -> bool:
    return text.strip().casefold() in _SWITCHED_OFF


def _rows_have(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def _has_export(text: str) -> bool:
    return not is_no_value(text)


def _refuse_surplus(layout: Layout) -> None:
    """Refuse cells to the right of the headings of lists, which may be part of a list."""
    for line in layout.lines:
        for text in layout.surplus(line)[:1]:
            raise UnreadableFile(
                f"Row {line.number} has a value to the right of the headings:"
                f" “{printable(clean(text)[:60])}”. Put quotation marks around each list."
            )


# --- Notes


def _note_above(headings: FileLine, above: Sequence[FileLine]) -> list[str]:
    if not above:
        return []
    shown = _listed([clean(" ".join(line.cells)) for line in above])
    return [f"The headings are in row {headings.number}. Not imported from above them: {shown}."]


def _note_unused(headings: FileLine, columns: Sequence[Column | None], used: set[int]) -> list[str]:
    unused = [
        clean(cell)
        for place, (cell, column) in enumerate(zip(headings.cells, columns, strict=True))
        if column is None and place not in used and clean(cell)
    ]
    if not unused:
        return []
    return [f"Not used: the column{'s' * (len(unused) > 1)} {_listed(unused)}."]


def _note_unheaded(headings: FileLine, lines: Sequence[FileLine]) -> list[str]:
    """A note about cells without a heading, which are not part of any column."""
    empty = [place for place, cell in enumerate(headings.cells) if not clean(cell)]
    for line in lines:
        between = [line.cells[place] for place in empty if place < len(line.cells)]
        for text in (*between, *line.cells[len(headings.cells) :]):
            if clean(text):
                shown = printable(clean(text)[:40])
                first = f"the first in row {line.number}: “{shown}”"
                return [f"Not used: cells without a heading, {first}."]
    return []


def _listed(texts: Sequence[str]) -> str:
    listed = "”, “".join(printable(text[:40]) for text in texts[:_MAX_NAMED])
    more = len(texts) - _MAX_NAMED
    return f"“{listed}”" + (f" and {more} more" if more > 0 else "")
