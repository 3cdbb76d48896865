"""When it is safe to switch, and why: the two safe times of a tenant's domains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.safe_times import (
    ASSUMED_TTL_SECONDS,
    ObservedInterval,
    SafeTime,
    cutover_safe_time,
    lockdown_safe_time,
    observed_interval,
)
from tenants.regions import Region


@dataclass(frozen=True)
class PlanSafeTime:
    """The safe time of the domain that waits longest. `switch`, cutover or lockdown, is what it holds."""

    switch: str
    domain: str
    safe_time: SafeTime
    now: datetime

    @property
    def is_ahead(self) -> bool:
        return self.safe_time.safe_at is not None and self.safe_time.safe_at > self.now


# The act that each kind's history tells the safe moment of.
SWITCH_OF_KIND = {CheckKind.MX_TTL: "cutover", CheckKind.MX: "lockdown"}


def safe_times_by_kind(
    checks: Sequence[Check],
    observations: Iterable[Observation],
    region: Region,
    *,
    now: datetime,
) -> dict[str, PlanSafeTime]:
    """By kind of check, the act it holds back and from when that is safe for every domain.

    A kind is left out while the new answer is not everywhere, or a server did not tell: then
    nothing is called safe. So it is where every domain has moved, for then no switch is left.
    """
    intervals: dict[int, list[ObservedInterval]] = {}
    for seen in observations:
        intervals.setdefault(seen.check_asked_id, []).append(_interval(seen))
    found: dict[str, PlanSafeTime] = {}
    for kind, switch in SWITCH_OF_KIND.items():
        safe_times = [
            (check.subject, _safe_time(check, intervals.get(check.pk, []), region))
            for check in checks
            if check.kind == kind
        ]
        if kind is CheckKind.MX_TTL:
            safe_times = [
                (subject, safe_time) for subject, safe_time in safe_times if not safe_time.is_moved
            ]
        if safe_times and all(safe_time.safe_at is not None for _, safe_time in safe_times):
            domain, safe_time = max(safe_times, key=lambda pair: pair[1].safe_at or now)
            found[kind.value] = PlanSafeTime(switch, domain, safe_time, now)
    return found


def safe_time_of(
    check: Check, observations: Iterable[Observation], region: Region
) -> SafeTime | None:
    """One domain's own safe_time; None for a kind that tells no safe moment."""
    if check.kind not in SWITCH_OF_KIND:
        return None
    return _safe_time(check, [_interval(seen) for seen in observations], region)


def _interval(seen: Observation) -> ObservedInterval:
    return observed_interval(
        seen.evidence,
        seen.findings,
        first_seen_at=seen.first_run_ended_at or seen.first_seen_at,
        last_seen_at=seen.last_seen_at,
    )


def _safe_time(check: Check, intervals: Sequence[ObservedInterval], region: Region) -> SafeTime:
    typed = check.domain.original_mx_ttl_seconds if check.domain is not None else None
    assumed = max(ASSUMED_TTL_SECONDS, typed or 0)
    if check.kind == CheckKind.MX_TTL:
        threshold = settings.CHECKS_TTL_THRESHOLD_SECONDS
        return cutover_safe_time(
            intervals, threshold=threshold, expected=region.mx, assumed_ttl=assumed
        )
    if not region.mx:
        return SafeTime(None)
    return lockdown_safe_time(intervals, expected=region.mx, assumed_ttl=assumed)
