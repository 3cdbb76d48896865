"""Compare an import with its sheet: new, changed, equal and invalid rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onboarding.requirements.cell_types import printable
from onboarding.requirements.column_matching import Layout
from onboarding.requirements.columns import SheetDefinition, ValidationContext
from onboarding.requirements.parsers import FileLine
from onboarding.requirements.validation import SheetEntry, in_order, read_entry

_MAX_PROBLEMS = 100  # the number of problems that the preview shows
_MAX_EXAMPLES = 20

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
    kind: SheetDefinition,
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
    kind: SheetDefinition, line: FileLine, entry: SheetEntry, layout: Layout
) -> list[CellProblem]:
    labels = {column.name: column.label for column in kind.columns}
    found = [
        CellProblem(line.number, labels[name], printable(entry.typed[name][:120]), sentence)
        for name, sentence in entry.problems.items()
    ]
    surplus = [] if layout.has_headings else layout.surplus(line)
    if surplus:
        sentence = f"The row has {len(line.cells)} cells. This sheet has {len(labels)} columns."
        found.append(CellProblem(line.number, "", printable(surplus[0][:120]), sentence))
    return found


@dataclass(frozen=True)
class StoredRow:
    """A row of the sheet."""

    pk: int
    public_id: str
    position: int
    values: dict[str, str]
    version: int


@dataclass(frozen=True)
class ImportChanges:
    """The changes that an import makes."""

    new: list[tuple[str, dict[str, str]]]
    changed: list[tuple[StoredRow, str, dict[str, str]]]
    # Rows of the sheet that differ in the file, whether they are replaced or not.
    differing: list[tuple[int, StoredRow, dict[str, str]]]
    same: int


def compare(
    kind: SheetDefinition,
    incoming: ParsedRows,
    existing: Mapping[str, StoredRow],
    *,
    replaces: bool,
) -> ImportChanges:
    """The rows to add and the rows to replace.

    If the file has an entry twice, the first counts, or with `replaces` the last. The first answer
    to a fixed question is new. An empty answer removes nothing.
    """
    new: list[tuple[str, dict[str, str]]] = []
    changed: list[tuple[StoredRow, str, dict[str, str]]] = []
    differing: list[tuple[int, StoredRow, dict[str, str]]] = []
    same = 0
    for key, (number, entry) in (incoming.last if replaces else incoming.first).items():
        stored = existing.get(key)
        if stored is None:
            new.append((key, entry.values))
        elif stored.values == entry.values or (kind.is_fixed and not entry.values["answer"]):
            same += 1
        elif kind.is_fixed and not stored.values.get("answer"):
            changed.append((stored, key, entry.values))
        else:
            differing.append((number, stored, entry.values))
            if replaces:
                changed.append((stored, key, entry.values))
    return ImportChanges(new, changed, differing, same)


def report(
    kind: SheetDefinition, layout: Layout, incoming: ParsedRows, changes: ImportChanges
) -> dict[str, Any]:
    """The comparison as counts and examples, for the preview."""
    fills = sum(
        1 for stored, _, _ in changes.changed if kind.is_fixed and not stored.values["answer"]
    )
    return {
        "rows": incoming.rows,
        "new": len(changes.new) + fills,
        "same": changes.same,
        "differing": len(changes.differing),
        "repeated": incoming.repeated,
        "problem_rows": incoming.problem_rows,
        "has_headings": layout.has_headings,
        "columns": [column.label for column in layout.columns if column is not None],
        "notes": layout.notes,
        "problems": [vars(problem) for problem in incoming.problems],
        "samples": [in_order(kind, values) for _, values in changes.new[:5]],
        "differences": [
            {"row": number, "before": in_order(kind, stored.values), "after": in_order(kind, after)}
            for number, stored, after in changes.differing[:_MAX_EXAMPLES]
        ],
        "disputed": [
            {"key": key.rstrip(" |"), "rows": numbers[:10]}
            for key, numbers in list(incoming.conflicting.items())[:_MAX_EXAMPLES]
        ],
        "disputed_total": len(incoming.conflicting),
    }
