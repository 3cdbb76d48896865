"""When it is safe to switch, and why: the two clocks over a tenant's domains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from checks.clocks import ASSUMED_TTL_SECONDS, Clock, Sight, cutover_clock, lockdown_clock, sight_of
from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from tenants.regions import Region


@dataclass(frozen=True)
class Safety:
    """The clock of the domain that waits longest. `act`, cutover or lockdown, is what it holds."""

    act: str
    domain: str
    clock: Clock
    now: datetime

    @property
    def is_ahead(self) -> bool:
        return self.clock.safe_at is not None and self.clock.safe_at > self.now


# The act that each kind's history tells the safe moment of.
ACT_OF_KIND = {Kind.MX_TTL: "cutover", Kind.MX: "lockdown"}


def safeties(
    checks: Sequence[Check],
    observations: Iterable[Observation],
    region: Region,
    *,
    now: datetime,
) -> dict[str, Safety]:
    """By kind of check, the act it holds back and from when that is safe for every domain.

    A kind is left out while the new answer is not everywhere, or a server did not tell: then
    nothing is called safe. So it is where every domain has moved, for then no switch is left.
    """
    sights: dict[int, list[Sight]] = {}
    for seen in observations:
        sights.setdefault(seen.check_asked_id, []).append(_sight(seen))
    found: dict[str, Safety] = {}
    for kind, act in ACT_OF_KIND.items():
        clocks = [
            (check.subject, _clock(check, sights.get(check.pk, []), region))
            for check in checks
            if check.kind == kind
        ]
        if kind is Kind.MX_TTL:
            clocks = [(subject, clock) for subject, clock in clocks if not clock.is_moved]
        if clocks and all(clock.safe_at is not None for _, clock in clocks):
            domain, clock = max(clocks, key=lambda pair: pair[1].safe_at or now)
            found[kind.value] = Safety(act, domain, clock, now)
    return found


def clock_of(check: Check, observations: Iterable[Observation], region: Region) -> Clock | None:
    """One domain's own clock; None for a kind that tells no safe moment."""
    if check.kind not in ACT_OF_KIND:
        return None
    return _clock(check, [_sight(seen) for seen in observations], region)


def _sight(seen: Observation) -> Sight:
    return sight_of(
        seen.evidence,
        seen.findings,
        first_seen_at=seen.told_at or seen.first_seen_at,
        last_seen_at=seen.last_seen_at,
    )


def _clock(check: Check, sights: Sequence[Sight], region: Region) -> Clock:
    typed = check.domain.ttl_before if check.domain is not None else None
    assumed = max(ASSUMED_TTL_SECONDS, typed or 0)
    if check.kind == Kind.MX_TTL:
        threshold = settings.CHECKS_TTL_THRESHOLD_SECONDS
        return cutover_clock(sights, threshold=threshold, expected=region.mx, assumed_ttl=assumed)
    if not region.mx:
        return Clock(None)
    return lockdown_clock(sights, expected=region.mx, assumed_ttl=assumed)
