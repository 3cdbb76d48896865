"""The windows of planned cutovers, in which their checks are watched closely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet

from checks.engine.outcomes import Kind
from checks.queries import checks_of
from checks.services import watch_closely
from onboarding.models import Cutover

# People gather before the planned moment, and stay until the new way has carried mail for a while.
OPENS_BEFORE = timedelta(minutes=30)
CLOSES_AFTER = timedelta(hours=4)
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
            until=cutover.planned_at + CLOSES_AFTER,
        )
        for cutover in open_now
    )


def open_windows(*, now: datetime) -> QuerySet[Cutover]:
    return Cutover.objects.filter(
        planned_at__lte=now + OPENS_BEFORE,
        planned_at__gt=now - CLOSES_AFTER,
        plan__tenant__archived_at__isnull=True,
    ).select_related("plan__tenant")


def next_cutover(cutovers: Sequence[Cutover], *, now: datetime) -> Cutover | None:
    """Of cutovers in the order of their windows, the first that is not over; where all are, the
    last. None where none is planned."""
    ahead = [cutover for cutover in cutovers if now < cutover.planned_at + CLOSES_AFTER]
    return next(iter(ahead), cutovers[-1] if cutovers else None)


def span_of(cutover: Cutover) -> tuple[datetime, datetime]:
    """From when until when a cutover's window is watched closely."""
    return span_from(cutover.planned_at)


def span_from(start: datetime) -> tuple[datetime, datetime]:
    return start - OPENS_BEFORE, start + CLOSES_AFTER
