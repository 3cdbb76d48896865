"""Blockers of a window: it begins before the safe time, or it touches a freeze.

The package `readiness` has the other reasons why a cutover is blocked, one row for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.cutovers.conflicts import ConflictContext, format_day, window_days
from onboarding.cutovers.readiness import (
    ReadinessFacts,
    earliest_safe_time,
    early_policies,
    pending_switches,
)
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, Freeze
from onboarding.models.cutovers import join_names


class RiskNotAccepted(OnboardingError):
    """There are blockers, and no reason for accepting their risk is given."""

    field = "accepted_risk"


@dataclass(frozen=True)
class WindowBlocker:
    """A reason for which a window can be confirmed only with an accepted risk."""

    key: str
    sentence: str


def early_window_blockers(facts: ReadinessFacts) -> list[WindowBlocker]:
    """The blockers of an inbound window: it begins before its safe time, or without a known one, or
    before senders have dropped a former MTA-STS policy."""
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        return []
    return [*_early_ttl(facts), *_early_policy(facts)]


def _early_policy(facts: ReadinessFacts) -> list[WindowBlocker]:
    names = [name for name, _ in early_policies(facts)]
    if not names:
        return []
    sentence = (
        "When this window begins, senders may still enforce the former MTA-STS policy of"
        f" {join_names(names)}."
    )
    return [WindowBlocker("cached-policy", sentence)]


def _early_ttl(facts: ReadinessFacts) -> list[WindowBlocker]:
    if facts.safe_times and not pending_switches(facts.safe_times):
        return []
    safe_at = earliest_safe_time(facts.safe_times)
    if safe_at is not None and facts.cutover.planned_at >= safe_at:
        return []
    sentence = "When this window begins, caches may still have the old answer."
    return [WindowBlocker("safe-time", sentence)]


def freeze_blockers(cutover: Cutover, conflict_context: ConflictContext) -> list[WindowBlocker]:
    """One blocker for each freeze that the window touches."""
    days = window_days(cutover, conflict_context.calendar)
    return [
        WindowBlocker(f"freeze:{freeze.public_id}", _freeze_sentence(freeze))
        for freeze in conflict_context.freezes
        if freeze.first_day <= days[-1] and days[0] <= freeze.last_day
    ]


def _freeze_sentence(freeze: Freeze) -> str:
    whose = "a freeze of the tenant" if freeze.tenant_id is not None else "a freeze for all tenants"
    days = format_day(freeze.first_day)
    if freeze.last_day != freeze.first_day:
        days = f"{days} to {format_day(freeze.last_day)}"
    return f"The window touches {whose}, {days}: {freeze.reason}."
