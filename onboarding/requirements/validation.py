"""Validate typed rows: normalised values, or error messages by column. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from onboarding.requirements.cell_types import BadValue, Parse, clean, fold, refuse_unreadable
from onboarding.requirements.columns import (
    Column,
    Question,
    TableDefinition,
    ValidationContext,
)

_MAX_KEY_LENGTH = 200


@dataclass(frozen=True)
class SheetEntry:
    """One row. With `problems`, by column, it is not stored. `typed` has the cells as typed."""

    typed: dict[str, str]
    values: dict[str, str]
    key: str = ""
    problems: dict[str, str] = field(default_factory=dict)


def read_entry(
    kind: TableDefinition, typed: Mapping[str, str], validation_context: ValidationContext
) -> SheetEntry:
    """The entry of these cells. A missing column is empty."""
    cells = {column.name: typed.get(column.name, "") for column in kind.columns}
    if kind.is_fixed:
        return _read_answer(kind, cells)
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for column in kind.columns:
        try:
            values[column.name] = read_cell(column, cells[column.name])
        except BadValue as error:
            problems[column.name] = str(error)
    if not problems:
        problems = kind.check(values, validation_context)
    key = "" if problems else key_of(kind, values)
    return SheetEntry(cells, values, key, problems)


def read_cell(column: Column, text: str) -> str:
    """The normalised value. Raises BadValue."""
    cleaned = clean(text) or column.default
    if not cleaned:
        if column.is_required:
            raise BadValue(f"{column.label} is missing.")
        return ""
    return _parsed(column.parse, cleaned)


def _parsed(parse: Parse, cleaned: str) -> str:
    refuse_unreadable(cleaned)
    return parse(cleaned)


def _read_answer(kind: TableDefinition, cells: dict[str, str]) -> SheetEntry:
    question = find_question(kind, clean(cells["question"]))
    if question is None:
        problem = "This sheet has no such question. Do not change the questions."
        return SheetEntry(cells, {}, problems={"question": problem})
    try:
        cleaned = clean(cells["answer"])
        answer = _parsed(question.parse, cleaned) if cleaned else ""
    except BadValue as error:
        return SheetEntry(cells, {}, problems={"answer": str(error)})
    return SheetEntry(cells, {"question": question.text, "answer": answer}, question.key)


def find_question(kind: TableDefinition, text: str) -> Question | None:
    wanted = fold(text)
    return next((q for q in kind.questions if wanted in (fold(q.text), fold(q.key))), None)


def key_of(kind: TableDefinition, values: Mapping[str, str]) -> str:
    """The key, which is equal for duplicate rows. A long key is replaced by its hash."""
    key = "\x1f".join(values[c.name].casefold() for c in kind.columns if c.is_key)
    plain = key.replace("\x1f", " | ")
    if len(plain) <= _MAX_KEY_LENGTH and plain.count(" | ") == key.count("\x1f"):
        return plain
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def in_order(kind: TableDefinition, values: Mapping[str, str]) -> list[str]:
    """The cells in the order of the columns. A database may return the keys in another order."""
    return [values.get(column.name, "") for column in kind.columns]


def text_of(values: Mapping[str, str]) -> str:
    """All values of a row, case-folded, for the search."""
    return "\n".join(values.values()).casefold()
