"""The time bar of a cutover room: the window, the present time, and the times that matter in it.

Pure over the boards and the domain switches. A time that depends on an unknown answer is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding.cutovers.follow_up import DomainSwitch
from onboarding.cutovers.live_board import DomainBoard
from onboarding.models import Cutover
from onboarding.plans.rows import Shape

# The width of the bar in its own units.
WIDTH = 1000
# The grid of the labels, in static/css/components/time_bar.css. A label spans some of its columns.
COLUMNS = 20
LABEL_COLUMNS = 4


class MarkKind(StrEnum):
    START = "start"
    CACHES = "caches"
    ROLLBACK = "rollback"
    END = "end"
    LOCKDOWN = "lockdown"


@dataclass(frozen=True)
class TimeMark:
    """One time. `place` is its distance from the left end; None outside the window."""

    kind: MarkKind
    at: datetime
    place: int | None
    is_past: bool

    @property
    def column(self) -> int | None:
        """The first column of its label, which is centred below the mark where it has room."""
        if self.place is None:
            return None
        return min(max(round(COLUMNS * self.place / WIDTH) - 1, 1), COLUMNS - LABEL_COLUMNS + 1)

    @property
    def side(self) -> str:
        """The alignment of the label: "start" and "end" at the ends of the bar."""
        if self.place is None or self.column == 1:
            return "start"
        return "end" if self.column == COLUMNS - LABEL_COLUMNS + 1 else "center"


@dataclass(frozen=True)
class TimeBar:
    """The marks in the order of time. `now_place` is 0 before the window and WIDTH after it."""

    marks: Sequence[TimeMark]
    now_place: int
    is_open: bool


def time_bar(
    cutover: Cutover,
    boards: Sequence[DomainBoard],
    switches: Sequence[DomainSwitch],
    *,
    now: datetime,
) -> TimeBar:
    """The bar of the window.

    The last old cache expires once every domain of the cutover has switched. The lockdown is safe
    once every domain of the tenant has. A rollback that starts at its latest time reaches all
    caches before the window ends, by the highest TTL at any server.
    """
    start, end = cutover.planned_at, cutover.ends_at
    times = {
        MarkKind.START: start,
        MarkKind.CACHES: _caches_expire_at(boards),
        MarkKind.ROLLBACK: _rollback_by(boards, start, end),
        MarkKind.END: end,
        MarkKind.LOCKDOWN: _lockdown_safe_at(switches),
    }
    known = sorted(
        ((at, kind) for kind, at in times.items() if at is not None), key=lambda each: each[0]
    )
    return TimeBar(
        [TimeMark(kind, at, _place(at, start, end), at <= now) for at, kind in known],
        _place(min(max(now, start), end), start, end) or 0,
        start <= now < end,
    )


def _place(at: datetime, start: datetime, end: datetime) -> int | None:
    return round(WIDTH * ((at - start) / (end - start))) if start <= at <= end else None


def _caches_expire_at(boards: Sequence[DomainBoard]) -> datetime | None:
    times = [
        board.expires_at if board.shape is Shape.PASS and not board.is_stale else None
        for board in boards
    ]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None


def _rollback_by(boards: Sequence[DomainBoard], start: datetime, end: datetime) -> datetime | None:
    """None without an answer of each domain, or if a rollback needs longer than the window."""
    seconds = [None if board.is_stale else board.rollback_seconds for board in boards]
    known = [each for each in seconds if each is not None]
    if not known or len(known) < len(seconds):
        return None
    latest = end - timedelta(seconds=max(known))
    return latest if latest > start else None


def _lockdown_safe_at(switches: Sequence[DomainSwitch]) -> datetime | None:
    times = [each.safe_time.safe_at if each.safe_time is not None else None for each in switches]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None
