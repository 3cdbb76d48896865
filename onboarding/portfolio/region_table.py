"""The values of all regions with their sources, for the review of the first run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenants.region_values import LABELS
from tenants.regions import Provenance, Region, load_regions


@dataclass(frozen=True)
class RegionValue:
    """One value with its source. `text` is empty for a gap."""

    label: str
    text: str
    confidence: str
    source: str
    as_of: str
    note: str

    @property
    def shape(self) -> str:
        """The shape of components/verdict.html for a value that proves no task, otherwise empty."""
        if not self.text:
            return "unknown"
        return "caution" if self.confidence == "low" else ""


@dataclass(frozen=True)
class RegionRow:
    """A region with its values, and the numbers of its fields. `oldest` is a date or a year."""

    region: Region
    values: Sequence[RegionValue]
    known: int
    gaps: int
    low: int
    oldest: str


def region_rows() -> list[RegionRow]:
    """A row for each region, in the order of the data file."""
    return [_row(region) for region in load_regions().values()]


def _row(region: Region) -> RegionRow:
    values = [value for name, label in LABELS.items() for value in _values(region, name, label)]
    gaps = sum(not getattr(region, name) for name in LABELS)
    return RegionRow(
        region=region,
        values=values,
        known=len(LABELS) - gaps,
        gaps=gaps,
        low=len(region.low_confidence),
        oldest=min((each.as_of for each in values if each.as_of), default=""),
    )


def _values(region: Region, name: str, label: str) -> list[RegionValue]:
    """The field with its source. A list has a row for each source, with the values of that one."""
    value, fact = getattr(region, name), region.facts[name]
    texts = value if isinstance(value, tuple) else (value,)
    groups: dict[Provenance, list[str]] = {}
    for text in filter(None, texts):
        groups.setdefault(fact.of(text), []).append(text)
    if not groups:
        return [RegionValue(label, "", "", "", "", fact.note)]
    return [
        RegionValue(label, ", ".join(same), each.confidence, each.source, each.as_of, each.note)
        for each, same in groups.items()
    ]
