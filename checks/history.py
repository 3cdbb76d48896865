"""The history of a check as a page shows it: intervals and settling runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.models import Check, Observation

_MAX_VALUES = 4


@dataclass(frozen=True)
class HistoryEntry:
    """One observation in the history.

    `values` are the published values, `omitted_values` the number of values that are not listed.
    `answered_servers` of `queried_servers` servers answered. `settles_verdict`: a run within this
    observation settled the check.
    """

    observation: Observation
    values: tuple[str, ...]
    omitted_values: int
    ttls: tuple[int, ...]
    answered_servers: int
    queried_servers: int
    settles_verdict: bool
    is_newest: bool

    @property
    def is_rejudged(self) -> bool:
        """Whether newer rules judged an earlier answer, and no run has followed yet."""
        return self.observation.trigger == Observation.Trigger.RULES


def history_entries(check: Check, observations: Iterable[Observation]) -> list[HistoryEntry]:
    """Return the observations as history entries, newest first."""
    return [
        _history_entry(check, observation, is_newest=n == 0)
        for n, observation in enumerate(observations)
    ]


def _history_entry(check: Check, observation: Observation, *, is_newest: bool) -> HistoryEntry:
    rows: list[Mapping[str, Any]] = observation.evidence.get("servers") or []
    values = sorted({value for row in rows for value in row.get("values") or ()})
    ttls = sorted({row["ttl"] for row in rows if row.get("ttl") is not None})
    at = check.settled_at
    return HistoryEntry(
        observation=observation,
        values=tuple(values[:_MAX_VALUES]),
        omitted_values=max(0, len(values) - _MAX_VALUES),
        ttls=tuple(ttls),
        answered_servers=sum(row.get("status") in ANSWERED_STATUSES for row in rows),
        queried_servers=len(rows),
        settles_verdict=bool(check.settled_verdict)
        and at is not None
        and observation.first_seen_at <= at <= observation.last_seen_at,
        is_newest=is_newest,
    )
