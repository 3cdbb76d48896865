"""The delivery ranges that a check expects, with the confidence in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.expected_values import RegionFacts
from checks.engine.sources.exports.address_sets import AddressSet

# The confidence of a list that a consultant entered from Mimecast's page for this account.
ENTERED = "entered"
_WEAK = "low"


@dataclass(frozen=True)
class ExpectedRanges:
    """`firm` are the ranges that must be listed. `weak` ones have a single weak source.

    `is_complete`: a consultant entered the list. Gangway's own list is never complete.
    """

    firm: Sequence[str]
    weak: Sequence[str]
    is_complete: bool

    @classmethod
    def of(cls, expected: Mapping[str, Any]) -> ExpectedRanges:
        rows: Sequence[Sequence[str]] = expected.get("ranges", ())
        return cls(
            [network for network, confidence in rows if confidence != _WEAK],
            [network for network, confidence in rows if confidence == _WEAK],
            is_complete=bool(rows) and all(confidence == ENTERED for _, confidence in rows),
        )

    @property
    def all(self) -> list[str]:
        return [*self.firm, *self.weak]

    def __bool__(self) -> bool:
        return bool(self.firm or self.weak)


def other_regions(entries: AddressSet, region: RegionFacts) -> list[str]:
    """The ids of the other regions with a range in the list."""
    return sorted({id_ for network, id_ in region.other_networks if entries.covers(network)})
