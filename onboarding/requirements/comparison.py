"""Compare an import with its sheet: new, changed, equal and invalid rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onboarding.requirements.cell_types import printable
from onboarding.requirements.column_matching import Layout
from onboarding.requirements.columns import TableDefinition, ValidationContext
from onboarding.requirements.tables import FileLine, UnreadableFile
from onboarding.requirements.validation import SheetEntry, in_order, read_entry

_MAX_PROBLEMS = 100  # the number of problems that the preview shows
_MAX_EXAMPLES = 20
_MAX_SAMPLES = 5
_MIN_FOREIGN_ROWS = 3  # fewer rows are easily corrected one by one

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class CellProblem:
    row: int
    column: str
    typed: str
    sentence: str


@dataclass(frozen=True)
class ParsedRows:
    """The entries of a file, the first and the last for each key, and the problems."""

    first: dict[str, tuple[int, SheetEntry]] = field(default_factory=dict)
    last: dict[str, tuple[int, SheetEntry]] = field(default_factory=dict)
    rows: int = 0
    # Rows equal to an earlier one; keys with different rows in the file.
    repeated: int = 0
    conflicting: dict[str, list[int]] = field(default_factory=dict)
    problems: list[CellProblem] = field(default_factory=list)
    problem_rows: int = 0


def read_lines(
    kind: TableDefinition,
    layout: Layout,
    validation_context: ValidationContext,
    on_progress: OnProgress = lambda done: None,
) -> ParsedRows:
    """Validate every line. `on_progress` is called now and then with the number done."""
    first: dict[str, tuple[int, SheetEntry]] = {}
    last: dict[str, tuple[int, SheetEntry]] = {}
    conflicting: dict[str, list[int]] = {}
    problems: list[CellProblem] = []
    repeated = problem_rows = 0
    for done, line in enumerate(layout.lines, start=1):
        if done % 2000 == 0:
            on_progress(done)
        entry = read_entry(kind, layout.typed(line), validation_context)
        found = _problems(kind, line, entry, layout)
        if found:
            problem_rows += 1
            problems += found[: _MAX_PROBLEMS - len(problems)]
            continue
        before = last.get(entry.key)
        if before is not None:
            repeated += 1
            if before[1].values != entry.values:
                conflicting.setdefault(entry.key, [before[0]]).append(line.number)
        first.setdefault(entry.key, (line.number, entry))
        last[entry.key] = (line.number, entry)
    return ParsedRows(first, last, len(layout.lines), repeated, conflicting, problems, problem_rows)


def _problems(
    kind: TableDefinition, line: FileLine, entry: SheetEntry, layout: Layout
) -> list[CellProblem]:
    labels = {column.name: column.label for column in kind.columns}
    found = [
        CellProblem(line.number, labels[name], printable(entry.typed[name][:120]), sentence)
        for name, sentence in entry.problems.items()
    ]
    surplus = layout.surplus(line)
    if surplus and layout.has_headings:
        sentence = f"The row has {len(line.cells)} cells below {len(layout.columns)} headings."
        found.append(CellProblem(line.number, "", printable(surplus[0][:120]), sentence))
    elif surplus:
        sentence = f"The row has {len(line.cells)} cells. This sheet has {len(labels)} columns."
        found.append(CellProblem(line.number, "", printable(surplus[0][:120]), sentence))
    return found


def refuse_foreign_table(kind: TableDefinition, layout: Layout, incoming: ParsedRows) -> None:
    """Raise UnreadableFile if no row of the file is an entry, for one cause.

    One sentence with the cause is more useful than the same error in every row.
    """
    if incoming.rows < _MIN_FOREIGN_ROWS or incoming.problem_rows < incoming.rows:
        return
    first = incoming.problems[0]
    if not layout.has_headings:
        labels = "”, “".join(column.label for column in kind.columns)
        raise UnreadableFile(
            f"No row contains the headings of this sheet (“{labels}”), and no row is a valid entry"
            f" in this order. Row {first.row}: {first.sentence}"
        )
    if {problem.column for problem in incoming.problems} == {first.column}:
        raise UnreadableFile(
            f"No row has a valid value for “{first.column}”. Row {first.row}: {first.sentence}"
        )


@dataclass(frozen=True)
class StoredRow:
    """A row of the sheet."""

    pk: int
    public_id: str
    position: int
    values: dict[str, str]
    version: int


@dataclass(frozen=True)
class RowChange:
    """New values for a stored row, from the row `number` of the file."""

    number: int
    stored: StoredRow
    key: str
    values: dict[str, str]


@dataclass(frozen=True)
class ImportChanges:
    """The changes that an import makes with one choice about differing rows."""

    new: list[tuple[str, dict[str, str]]]
    # The first answers to fixed questions, whose rows exist without an answer.
    answered: list[RowChange]
    replaced: list[RowChange]
    # Rows that differ and that the import does not replace.
    skipped: list[RowChange]
    same: int

    @property
    def updates(self) -> list[RowChange]:
        """The stored rows to write."""
        return self.answered + self.replaced


def compare(
    kind: TableDefinition,
    incoming: ParsedRows,
    existing: Mapping[str, StoredRow],
    *,
    replaces: bool,
) -> ImportChanges:
    """The rows to add, to replace and to skip.

    If the file has an entry twice, the first counts, or with `replaces` the last. The first answer
    to a fixed question is new. An empty answer removes nothing.
    """
    new: list[tuple[str, dict[str, str]]] = []
    answered: list[RowChange] = []
    differing: list[RowChange] = []
    same = 0
    for key, (number, entry) in (incoming.last if replaces else incoming.first).items():
        stored = existing.get(key)
        if stored is None:
            new.append((key, entry.values))
        elif stored.values == entry.values or (kind.is_fixed and not entry.values["answer"]):
            same += 1
        else:
            is_first_answer = kind.is_fixed and not stored.values.get("answer")
            changes = answered if is_first_answer else differing
            changes.append(RowChange(number, stored, key, entry.values))
    replaced, skipped = (differing, []) if replaces else ([], differing)
    return ImportChanges(new, answered, replaced, skipped, same)


def count_changes(incoming: ParsedRows, changes: ImportChanges) -> dict[str, int]:
    """The counts that the preview promises and that the finished import reports."""
    return {
        "new": len(changes.new) + len(changes.answered),
        "replaced": len(changes.replaced),
        "left": len(changes.skipped),
        "same": changes.same,
        "repeated": incoming.repeated,
    }


def report(
    kind: TableDefinition,
    layout: Layout,
    incoming: ParsedRows,
    existing: Mapping[str, StoredRow],
) -> dict[str, Any]:
    """The comparison for the preview: counts for each choice about differing rows, and examples."""
    skips = compare(kind, incoming, existing, replaces=False)
    replaces = compare(kind, incoming, existing, replaces=True)
    modes = {
        "skip": count_changes(incoming, skips),
        "replace": count_changes(incoming, replaces),
    }
    differing = {change.key: change for change in skips.skipped + replaces.replaced}
    return {
        "rows": incoming.rows,
        "new": modes["skip"]["new"],
        "same": len(incoming.first) - modes["skip"]["new"] - len(differing),
        "differing": len(differing),
        "repeated": incoming.repeated,
        "modes": modes,
        "has_choice": bool(incoming.conflicting) or modes["skip"] != modes["replace"],
        "has_changes": any(counts["new"] + counts["replaced"] for counts in modes.values()),
        "problem_rows": incoming.problem_rows,
        "has_headings": layout.has_headings,
        "columns": [column.label for column in layout.columns if column is not None],
        "notes": layout.notes,
        "problems": [vars(problem) for problem in incoming.problems],
        "samples": [in_order(kind, values) for values in _added_values(skips)],
        "differences": [
            {
                "row": change.number,
                "before": in_order(kind, change.stored.values),
                "after": in_order(kind, change.values),
            }
            for change in list(differing.values())[:_MAX_EXAMPLES]
        ],
        "disputed": [
            {"key": key.rstrip(" |"), "rows": numbers[:10]}
            for key, numbers in list(incoming.conflicting.items())[:_MAX_EXAMPLES]
        ],
        "disputed_total": len(incoming.conflicting),
    }


def _added_values(changes: ImportChanges) -> list[dict[str, str]]:
    answers = [change.values for change in changes.answered[:_MAX_SAMPLES]]
    return [*(values for _, values in changes.new[:_MAX_SAMPLES]), *answers][:_MAX_SAMPLES]
