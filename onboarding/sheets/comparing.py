"""What an import would do to a sheet: which rows are new, changed, the same or wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onboarding.sheets.columns import Kind, Surroundings
from onboarding.sheets.entries import Entry, in_order, read_entry
from onboarding.sheets.headings import Layout
from onboarding.sheets.tables import Line
from onboarding.sheets.values import printable

_TOLD = 100  # problems shown; whoever has more corrects these first
_SHOWN = 20

Tick = Callable[[int], None]


@dataclass(frozen=True)
class Problem:
    row: int
    column: str
    typed: str
    sentence: str


@dataclass(frozen=True)
class Incoming:
    """The rows of a file as entries, the first and the last of each key, and what is wrong."""

    first: dict[str, tuple[int, Entry]] = field(default_factory=dict)
    last: dict[str, tuple[int, Entry]] = field(default_factory=dict)
    rows: int = 0
    # Rows that say what an earlier one said; keys that rows of the file disagree about.
    repeated: int = 0
    disputed: dict[str, list[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    problem_rows: int = 0


def read_lines(
    kind: Kind, layout: Layout, around: Surroundings, tick: Tick = lambda done: None
) -> Incoming:
    """Every line as an entry. `tick` hears now and then how many are done."""
    first: dict[str, tuple[int, Entry]] = {}
    last: dict[str, tuple[int, Entry]] = {}
    disputed: dict[str, list[int]] = {}
    problems: list[Problem] = []
    repeated = problem_rows = 0
    for done, line in enumerate(layout.lines, start=1):
        if done % 2000 == 0:
            tick(done)
        entry = read_entry(kind, layout.typed(line), around)
        told = _problems(kind, line, entry, layout)
        if told:
            problem_rows += 1
            problems += told[: _TOLD - len(problems)]
            continue
        before = last.get(entry.key)
        if before is not None:
            repeated += 1
            if before[1].values != entry.values:
                disputed.setdefault(entry.key, [before[0]]).append(line.number)
        first.setdefault(entry.key, (line.number, entry))
        last[entry.key] = (line.number, entry)
    return Incoming(first, last, len(layout.lines), repeated, disputed, problems, problem_rows)


def _problems(kind: Kind, line: Line, entry: Entry, layout: Layout) -> list[Problem]:
    labels = {column.name: column.label for column in kind.columns}
    told = [
        Problem(line.number, labels[name], printable(entry.typed[name][:120]), sentence)
        for name, sentence in entry.problems.items()
    ]
    surplus = [] if layout.has_headings else layout.surplus(line)
    if surplus:
        sentence = f"The row has {len(line.cells)} cells; this sheet has {len(labels)} columns."
        told.append(Problem(line.number, "", printable(surplus[0][:120]), sentence))
    return told


@dataclass(frozen=True)
class Kept:
    """A row that the sheet has already."""

    pk: int
    public_id: str
    position: int
    values: dict[str, str]
    version: int


@dataclass(frozen=True)
class Changes:
    """What taking over a file comes to."""

    new: list[tuple[str, dict[str, str]]]
    changed: list[tuple[Kept, str, dict[str, str]]]
    # Rows of the sheet that the file says otherwise about, whatever is done with them.
    differing: list[tuple[int, Kept, dict[str, str]]]
    same: int


def compare(kind: Kind, incoming: Incoming, kept: Mapping[str, Kept], *, replaces: bool) -> Changes:
    """Which rows to add and which to replace.

    Where the file has an entry twice, the first counts, or with `replaces` the last. An answer to
    a fixed question that nobody has answered yet is new; an empty answer takes nothing away.
    """
    new: list[tuple[str, dict[str, str]]] = []
    changed: list[tuple[Kept, str, dict[str, str]]] = []
    differing: list[tuple[int, Kept, dict[str, str]]] = []
    same = 0
    for key, (number, entry) in (incoming.last if replaces else incoming.first).items():
        there = kept.get(key)
        if there is None:
            new.append((key, entry.values))
        elif there.values == entry.values or (kind.is_fixed and not entry.values["answer"]):
            same += 1
        elif kind.is_fixed and not there.values.get("answer"):
            changed.append((there, key, entry.values))
        else:
            differing.append((number, there, entry.values))
            if replaces:
                changed.append((there, key, entry.values))
    return Changes(new, changed, differing, same)


def report(kind: Kind, layout: Layout, incoming: Incoming, changes: Changes) -> dict[str, Any]:
    """The comparison in numbers and examples, as the preview shows it."""
    fills = sum(
        1 for there, _, _ in changes.changed if kind.is_fixed and not there.values["answer"]
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
            {"row": number, "before": in_order(kind, there.values), "after": in_order(kind, after)}
            for number, there, after in changes.differing[:_SHOWN]
        ],
        "disputed": [
            {"key": key.rstrip(" |"), "rows": numbers[:10]}
            for key, numbers in list(incoming.disputed.items())[:_SHOWN]
        ],
        "disputed_total": len(incoming.disputed),
    }
