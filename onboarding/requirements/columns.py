"""What a kind of sheet is made of: typed columns, or fixed questions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from onboarding.models import TaskRole
from onboarding.requirements import cell_types
from onboarding.requirements.cell_types import Parse

Values = Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """One typed column. `console` is its heading in the file for the Administration Console; a
    column without one is for our own use."""

    name: str
    label: str
    parse: Parse = cell_types.free_text
    is_required: bool = True
    help: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    # What other programs head this column with.
    aliases: tuple[str, ...] = ()
    is_key: bool = False
    console_heading: str = ""

    @property
    def is_text(self) -> bool:
        return self.parse is cell_types.free_text

    @property
    def is_code(self) -> bool:
        """Names and addresses, which pages show in monospace."""
        return not self.is_text and not self.choices


@dataclass(frozen=True)
class Question:
    """One line of a sheet that asks fixed questions."""

    key: str
    text: str
    help: str = ""
    parse: Parse = cell_types.free_text


@dataclass(frozen=True)
class ValidationContext:
    """What of the tenant decides whether a row makes sense."""

    own_domains: frozenset[str] = frozenset()


Problems = dict[str, str]
Check = Callable[[Values, ValidationContext], Problems]


def _no_problems(row: Values, validation_context: ValidationContext) -> Problems:
    return {}


@dataclass(frozen=True)
class SheetDefinition:
    """One kind of sheet. `confirms` says whether a sign-off is what its task asks for; where the
    task wants more than the list, signing the list must not tick it."""

    role: TaskRole
    title: str
    description: str
    columns: tuple[Column, ...]
    noun: str = "row"
    confirms_task: bool = True
    questions: tuple[Question, ...] = ()
    # Looks at a whole row whose cells are good; returns sentences by column.
    check: Check = _no_problems

    @property
    def key(self) -> str:
        """The kind as stored with its sheets."""
        return self.role.sheet_kind

    @property
    def is_fixed(self) -> bool:
        return bool(self.questions)

    def question(self, key: str) -> Question | None:
        return next((asked for asked in self.questions if asked.key == key), None)


def choice(name: str, label: str, choices: Mapping[str, tuple[str, ...]], **more: Any) -> Column:
    """A column that takes one of a few words; `choices` says what else people write for each."""
    return Column(name, label, cell_types.one_of(choices), choices=tuple(choices), **more)
