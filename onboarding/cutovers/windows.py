"""The windows of planned cutovers, in which their checks are watched closely."""

from __future__ import annotations

from datetime import datetime, timedelta

from checks.engine.outcomes import CheckKind
from checks.queries import checks_of
from checks.services import prioritize_cutover
from onboarding.models import Cutover
from onboarding.plans.planned_cutovers import (
    OPENS_BEFORE,  # NEW
    is_open,  # NEW
    window_bounds,  # NEW
)

MIN_WINDOW_MINUTES, MAX_WINDOW_MINUTES = 15, 2880


KINDS_OF_DIRECTION = {
    Cutover.Direction.INBOUND: (CheckKind.MX, CheckKind.MX_TTL, CheckKind.MTA_STS),
    Cutover.Direction.OUTBOUND: (CheckKind.SPF, CheckKind.DKIM, CheckKind.DMARC),
}


def tighten_intervals(*, now: datetime) -> int:
    """Have the checks of the domains whose window is open looked at every few seconds.

    Safe to repeat; returns how many checks had not been watched closely before.
    """
    open_now = open_windows(now=now)
    return sum(
        prioritize_cutover(
            checks_of(cutover.plan.tenant).filter(
                kind__in=KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)],
                domain__cutovers=cutover,
            ),
            until=window_bounds(cutover)[1],
        )
        for cutover in open_now
    )


def open_windows(*, now: datetime) -> list[Cutover]:
    begun = Cutover.objects.filter(
        planned_at__lte=now + OPENS_BEFORE,
        planned_at__gt=now - timedelta(minutes=MAX_WINDOW_MINUTES),
        plan__tenant__closed_at__isnull=True,
    ).select_related("plan__tenant")
    return [cutover for cutover in begun if is_open(cutover, now)]
