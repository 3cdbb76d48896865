"""The windows of planned cutovers, in which their checks are watched closely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from checks.engine.outcomes import Kind
from checks.queries import checks_of
from checks.services import watch_closely
from onboarding.models import Cutover

# People gather before the planned moment, and stay until the new way has carried mail for a while:
# for as long as the window is planned to last, and never for less than this.
OPENS_BEFORE = timedelta(minutes=30)
CLOSES_AFTER = timedelta(hours=4)
LEAST_MINUTES, MOST_MINUTES = 15, 2880
KINDS_OF_DIRECTION = {
    Cutover.Direction.INBOUND: (Kind.MX, Kind.MX_TTL, Kind.MTA_STS),
    Cutover.Direction.OUTBOUND: (Kind.SPF, Kind.DKIM, Kind.DMARC),
}


def watch_open_windows(*, now: datetime) -> int:
    """Have the checks of the domains whose window is open looked at every few seconds.

    Safe to repeat; returns how many checks had not been watched closely before.
    """
    open_now = open_windows(now=now)
    return sum(
        watch_closely(
            checks_of(cutover.plan.tenant).filter(
                kind__in=KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)],
                domain__cutovers=cutover,
            ),
            until=span_of(cutover)[1],
        )
        for cutover in open_now
    )


def open_windows(*, now: datetime) -> list[Cutover]:
    begun = Cutover.objects.filter(
        planned_at__lte=now + OPENS_BEFORE,
        planned_at__gt=now - timedelta(minutes=MOST_MINUTES),
        plan__tenant__archived_at__isnull=True,
    ).select_related("plan__tenant")
    return [cutover for cutover in begun if is_open(cutover, now)]


def is_open(cutover: Cutover, now: datetime) -> bool:
    """Whether its window is watched closely now."""
    opens, closes = span_of(cutover)
    return opens <= now < closes


def next_cutover(cutovers: Sequence[Cutover], *, now: datetime) -> Cutover | None:
    """Of cutovers in the order of their windows, the first that is not over; where all are, the
    last. None where none is planned."""
    ahead = [cutover for cutover in cutovers if now < span_of(cutover)[1]]
    return next(iter(ahead), cutovers[-1] if cutovers else None)


def span_of(cutover: Cutover) -> tuple[datetime, datetime]:
    """From when until when a cutover's window is watched closely."""
    return span_from(cutover.planned_at, cutover.length_minutes)


def span_from(start: datetime, minutes: int) -> tuple[datetime, datetime]:
    return start - OPENS_BEFORE, start + max(CLOSES_AFTER, timedelta(minutes=minutes))
