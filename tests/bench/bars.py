"""A bar: one ratio of a measurement, and the value that it must reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One ratio or figure and its target."""

    name: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        wanted = f"at {'least' if self.at_least else 'most'} {self.bar:g}"
        return f"{'met   ' if self.is_met else 'MISSED'} {self.name}: {self.value:.2f} ({wanted})"
