"""The parts of a sheet definition: typed columns and fixed questions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from onboarding.models import TaskRole
from onboarding.models.requirements import LISTS_ONLY
from onboarding.requirements import cell_types
from onboarding.requirements.cell_types import Parse

Values = Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """One typed column.

    `console_heading` is its heading in the file for the Administration Console. The file omits a
    column without one.
    """

    name: str
    label: str
    parse: Parse = cell_types.free_text
    is_required: bool = True
    help: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    # Headings that other programs use for this column.
    aliases: tuple[str, ...] = ()
    # Headings in exports of Exchange and Google. A row without a value there is no entry.
    exports: tuple[str, ...] = ()
    # Export headings of which only the first with a value counts, the first one first. Other
    # columns with different values are a conflict.
    precedence: tuple[str, ...] = ()
    # Headings that count only in a file without a better one, the best first.
    substitutes: tuple[str, ...] = ()
    is_key: bool = False
    console_heading: str = ""

    @property
    def is_text(self) -> bool:
        return self.parse is cell_types.free_text

    @property
    def is_code(self) -> bool:
        """Whether pages show the value in monospace, as for names and addresses."""
        return not self.is_text and not self.choices


@dataclass(frozen=True)
class Question:
    """One fixed question of a sheet.

    `fact` names the fact in `known_answers` that answers it, if Gangway may know the answer.
    """

    key: str
    text: str
    help: str = ""
    parse: Parse = cell_types.free_text
    fact: str = ""


@dataclass(frozen=True)
class ListHeading:
    """The heading of cells in exports that contain a list of values of `column`.

    `values` has the values of other columns that the heading implies. `has_patterns`: “*” in it
    is every domain and no entry, and “*.example.com” is the domain with its sub-domains. `switches`
    are headings of columns that are False for a row that has no effect.
    """

    heading: str
    column: str
    values: Values = field(default_factory=dict)
    has_patterns: bool = False
    switches: tuple[str, ...] = ()


@dataclass(frozen=True)
class ValidationContext:
    """The facts of the tenant that validation needs."""

    own_domains: frozenset[str] = frozenset()


Problems = dict[str, str]
Check = Callable[[Values, ValidationContext], Problems]


def _no_problems(row: Values, validation_context: ValidationContext) -> Problems:
    return {}


class TableDefinition(Protocol):
    """What the readers of files need: the columns of a table and the rules of its rows."""

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def questions(self) -> tuple[Question, ...]: ...

    @property
    def list_headings(self) -> tuple[ListHeading, ...]: ...

    @property
    def is_fixed(self) -> bool: ...

    @property
    def check(self) -> Check: ...


@dataclass(frozen=True)
class SheetDefinition:
    """One kind of requirements sheet, which the task with `role` collects.

    `confirms_task`: whether the sign-off confirms the task. It must not if the task asks for more
    than the list.
    """

    role: TaskRole
    title: str
    description: str
    columns: tuple[Column, ...]
    noun: str = "row"
    questions: tuple[Question, ...] = ()
    list_headings: tuple[ListHeading, ...] = ()
    # Validates a whole row with valid cells. Returns messages by column.
    check: Check = _no_problems

    @property
    def key(self) -> str:
        """The kind as stored with its sheets."""
        return self.role.sheet_kind

    @property
    def is_fixed(self) -> bool:
        return bool(self.questions)

    @property
    def confirms_task(self) -> bool:
        """Whether a sign-off of the sheet confirms its task."""
        return self.key not in LISTS_ONLY

    def question(self, key: str) -> Question | None:
        return next((asked for asked in self.questions if asked.key == key), None)


def choice(name: str, label: str, choices: Mapping[str, tuple[str, ...]], **more: Any) -> Column:
    """A column with a fixed set of values. `choices` has the synonyms of each value."""
    return Column(name, label, cell_types.one_of(choices), choices=tuple(choices), **more)
