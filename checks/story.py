"""A check's history as a page tells it: what stood when, and which look settled it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from checks.engine.servers import ANSWERED
from checks.models import Check, Observation

_MOST_VALUES = 4


@dataclass(frozen=True)
class Interval:
    """One observation on the timeline. `values` are what servers published, `more` how many are
    left out; `heard` of `asked` servers answered. `settled`: a look in it settled the check."""

    seen: Observation
    values: tuple[str, ...]
    more: int
    ttls: tuple[int, ...]
    heard: int
    asked: int
    settled: bool
    is_newest: bool

    @property
    def is_judgement(self) -> bool:
        """Newer rules judged what was seen before; nobody has looked since."""
        return self.seen.reason == Observation.Reason.RULES


def intervals(check: Check, observations: Iterable[Observation]) -> list[Interval]:
    """The observations, newest first, as a timeline."""
    return [_interval(check, seen, is_newest=n == 0) for n, seen in enumerate(observations)]


def _interval(check: Check, seen: Observation, *, is_newest: bool) -> Interval:
    rows: list[Mapping[str, Any]] = seen.evidence.get("servers") or []
    values = sorted({value for row in rows for value in row.get("values") or ()})
    ttls = sorted({row["ttl"] for row in rows if row.get("ttl") is not None})
    at = check.settled_at
    return Interval(
        seen=seen,
        values=tuple(values[:_MOST_VALUES]),
        more=max(0, len(values) - _MOST_VALUES),
        ttls=tuple(ttls),
        heard=sum(row.get("status") in ANSWERED for row in rows),
        asked=len(rows),
        settled=bool(check.settled_verdict)
        and at is not None
        and seen.first_seen_at <= at <= seen.last_seen_at,
        is_newest=is_newest,
    )
