"""Open windows of planned cutovers, in which their checks run every few seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from checks.engine.outcomes import CheckKind
from checks.queries import checks_of
from checks.services import prioritize_cutover
from onboarding.models import Cutover
from onboarding.plans.planned_cutovers import OPENS_BEFORE, is_open, window_bounds

MIN_WINDOW_MINUTES, MAX_WINDOW_MINUTES = 15, 2880
KINDS_OF_DIRECTION = {
    Cutover.Direction.INBOUND: (CheckKind.MX, CheckKind.MX_TTL, CheckKind.MTA_STS),
    Cutover.Direction.OUTBOUND: (CheckKind.SPF, CheckKind.DKIM, CheckKind.DMARC),
}


def tighten_intervals(cutover: Cutover) -> int:
    """Run the checks of the cutover's direction every few seconds until its window closes.

    Safe to repeat. Returns the number of checks that had a longer interval before.
    """
    kinds = KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    checks = checks_of(cutover.plan.tenant).filter(kind__in=kinds, domain__cutovers=cutover)
    return prioritize_cutover(checks, until=window_bounds(cutover)[1])


def open_windows(*, now: datetime) -> list[Cutover]:
    """The cutovers of open tenants whose window is open, with their plan and tenant."""
    return [cutover for cutover in _possibly_open(now) if is_open(cutover, now)]


def open_window(cutover_id: int, *, now: datetime) -> Cutover | None:
    """The cutover, or None if its window is not open."""
    cutover = _possibly_open(now).filter(pk=cutover_id).first()
    return cutover if cutover is not None and is_open(cutover, now) else None


def _possibly_open(now: datetime) -> QuerySet[Cutover]:
    # A superset: the exact end depends on the length of each window.
    return Cutover.objects.filter(
        planned_at__lte=now + OPENS_BEFORE,
        planned_at__gt=now - timedelta(minutes=MAX_WINDOW_MINUTES),
        plan__tenant__closed_at__isnull=True,
    ).select_related("plan__tenant")
