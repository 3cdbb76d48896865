"""Counters of a simulation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass
class Counts:
    """Sums over runs. `violations` are the counters that must remain 0."""

    runs: int = 0
    check_runs: int = 0
    recorded: int = 0
    dropped: int = 0
    workers_died: int = 0
    delivered_twice: int = 0
    delivered_late: int = 0
    completions: int = 0
    reopenings: int = 0
    safe_times: int = 0

    wrong_completions: int = 0
    false_reopenings: int = 0
    abandoned: int = 0
    unsettled: int = 0
    early_safe_times: int = 0

    def add(self, other: Counts) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def violations(self) -> dict[str, int]:
        names = (
            "wrong_completions",
            "false_reopenings",
            "abandoned",
            "unsettled",
            "early_safe_times",
        )
        return {name: getattr(self, name) for name in names}

    @property
    def is_clean(self) -> bool:
        return not any(self.violations.values())

    @property
    def lines(self) -> list[str]:
        return [f"{name.replace('_', ' '):<22}{count:>9,}" for name, count in asdict(self).items()]
