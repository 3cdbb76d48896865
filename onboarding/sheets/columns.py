"""What a kind of sheet is made of: typed columns, or fixed questions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from onboarding.sheets import values
from onboarding.sheets.values import Parse

Values = Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """One typed column. `console` is its heading in the file for the Administration Console; a
    column without one is for our own use."""

    name: str
    label: str
    parse: Parse = values.words
    is_required: bool = True
    help: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    # What other programs head this column with.
    also: tuple[str, ...] = ()
    in_key: bool = False
    console: str = ""

    @property
    def is_words(self) -> bool:
        return self.parse is values.words

    @property
    def is_code(self) -> bool:
        """Names and addresses, which pages show in monospace."""
        return not self.is_words and not self.choices


@dataclass(frozen=True)
class Question:
    """One line of a sheet that asks fixed questions."""

    key: str
    text: str
    help: str = ""
    parse: Parse = values.words


@dataclass(frozen=True)
class Surroundings:
    """What of the tenant decides whether a row makes sense."""

    own_domains: frozenset[str] = frozenset()


Problems = dict[str, str]
Check = Callable[[Values, Surroundings], Problems]


def _no_problems(row: Values, around: Surroundings) -> Problems:
    return {}


@dataclass(frozen=True)
class Kind:
    """One kind of sheet. `confirms` says whether a sign-off is what its task asks for; where the
    task wants more than the list, signing the list must not tick it."""

    key: str
    task: str
    title: str
    about: str
    columns: tuple[Column, ...]
    noun: str = "row"
    confirms: bool = True
    questions: tuple[Question, ...] = ()
    # Looks at a whole row whose cells are good; returns sentences by column.
    check: Check = _no_problems

    @property
    def is_fixed(self) -> bool:
        return bool(self.questions)

    def question(self, key: str) -> Question | None:
        return next((asked for asked in self.questions if asked.key == key), None)


def choice(name: str, label: str, choices: Mapping[str, tuple[str, ...]], **more: Any) -> Column:
    """A column that takes one of a few words; `choices` says what else people write for each."""
    return Column(name, label, values.one_of(choices), choices=tuple(choices), **more)
