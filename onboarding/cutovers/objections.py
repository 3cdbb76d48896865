"""Why a window can only be confirmed in words: it begins too early, or nothing may be switched."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.cutovers.clashes import Surroundings, days_of, named_day
from onboarding.cutovers.room_facts import Facts
from onboarding.cutovers.ttl_row import earliest_safe, still_ahead
from onboarding.models import Cutover, Freeze


@dataclass(frozen=True)
class Objection:
    """A reason for which a window can only be confirmed by accepting the risk in words."""

    key: str
    sentence: str


def too_early(facts: Facts) -> list[Objection]:
    """An inbound switch that begins before it is known to be safe."""
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return []
    if facts.clocks and not still_ahead(facts.clocks):
        return []
    safe_at = earliest_safe(facts.clocks)
    if safe_at is not None and facts.cutover.planned_at >= safe_at:
        return []
    said = "It is not known that the old answer has left every cache when this window begins."
    return [Objection("clock", said)]


def frozen_days(cutover: Cutover, around: Surroundings) -> list[Objection]:
    """A sentence for every freeze that the window touches: going ahead takes somebody's words."""
    days = days_of(cutover, around.calendar)
    return [
        Objection(f"freeze:{freeze.public_id}", _frozen(freeze))
        for freeze in around.freezes
        if freeze.first_day <= days[-1] and days[0] <= freeze.last_day
    ]


def _frozen(freeze: Freeze) -> str:
    whose = "a freeze of the tenant" if freeze.tenant_id is not None else "a freeze for everybody"
    days = named_day(freeze.first_day)
    if freeze.last_day != freeze.first_day:
        days = f"{days} to {named_day(freeze.last_day)}"
    return f"The window touches {whose}, {days}: {freeze.reason}."
