"""Why a window can only be confirmed in words: it begins too early, or nothing may be switched."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.cutovers.conflicts import ConflictContext, format_day, window_days
from onboarding.cutovers.readiness import ReadinessFacts, earliest_safe_time, pending_switches
from onboarding.models import Cutover, Freeze


@dataclass(frozen=True)
class WindowBlocker:
    """A reason for which a window can only be confirmed by accepting the risk in words."""

    key: str
    sentence: str


def early_window_blockers(facts: ReadinessFacts) -> list[WindowBlocker]:
    """An inbound switch that begins before it is known to be safe."""
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return []
    if facts.safe_times and not pending_switches(facts.safe_times):
        return []
    safe_at = earliest_safe_time(facts.safe_times)
    if safe_at is not None and facts.cutover.planned_at >= safe_at:
        return []
    sentence = "It is not known that the old answer has left every cache when this window begins."
    return [WindowBlocker("safe-time", sentence)]


def freeze_blockers(cutover: Cutover, conflict_context: ConflictContext) -> list[WindowBlocker]:
    """A sentence for every freeze that the window touches: going ahead takes somebody's words."""
    days = window_days(cutover, conflict_context.calendar)
    return [
        WindowBlocker(f"freeze:{freeze.public_id}", _freeze_sentence(freeze))
        for freeze in conflict_context.freezes
        if freeze.first_day <= days[-1] and days[0] <= freeze.last_day
    ]


def _freeze_sentence(freeze: Freeze) -> str:
    whose = "a freeze of the tenant" if freeze.tenant_id is not None else "a freeze for everybody"
    days = format_day(freeze.first_day)
    if freeze.last_day != freeze.first_day:
        days = f"{days} to {format_day(freeze.last_day)}"
    return f"The window touches {whose}, {days}: {freeze.reason}."
