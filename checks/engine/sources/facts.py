"""The facts of a source: tables of typed properties with time, provenance and strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Strength(StrEnum):
    """How much facts of a source prove about a question."""

    FULL = "full"  # the system itself states it
    STRONG = "strong"  # nearly complete, with a named gap
    SUPPORT = "support"  # evidence only; completes no task

    @property
    def completes(self) -> bool:
        """Whether a plan template may let such facts complete a task."""
        return self is not Strength.SUPPORT


class FactProvenance(StrEnum):
    """The origin of facts."""

    STATED = "stated"  # an export that a person submitted and could have edited


class PropertyType(StrEnum):
    """The type of a listed property. A value of another type counts as absent."""

    FLAG = "flag"
    TEXT = "text"
    TEXTS = "texts"
    # Of personal values, only what a rule needs remains.
    COUNT = "count"  # of a list: the number of its items
    IS_SET = "is_set"  # of a text: whether it is neither empty nor `<>`
    MAIL_DOMAIN = "mail_domain"  # of an address: its domain


# The listed properties of one object. A property without a usable value has no key.
Row = Mapping[str, Any]
# The properties to store, by table. Everything else in an export is dropped.
Listed = Mapping[str, Mapping[str, PropertyType]]


@dataclass(frozen=True)
class SourceFacts:
    """The tables that a source supplied at one time.

    A table that the source did not supply has no key: it is unknown, not empty. `id` is the public
    id of the submission.
    """

    source: str
    tables: Mapping[str, Sequence[Row]] = field(hash=False)
    obtained_at: datetime
    provenance: FactProvenance = FactProvenance.STATED
    id: str = ""

    def rows(self, table: str) -> Sequence[Row]:
        """The rows of a table that the rule needs, so that it exists."""
        return self.tables[table]

    def as_data(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {
            "source": self.source,
            "tables": {name: [dict(row) for row in rows] for name, rows in self.tables.items()},
            "obtained_at": self.obtained_at.isoformat(),
            "provenance": self.provenance.value,
            "id": self.id,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> SourceFacts:
        """The facts of `as_data`."""
        return cls(
            data["source"],
            data["tables"],
            datetime.fromisoformat(data["obtained_at"]),
            FactProvenance(data["provenance"]),
            data["id"],
        )
