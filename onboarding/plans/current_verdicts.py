"""The verdict on a subject now: its settled verdict, unless the newest run is old or disagrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from checks.engine.outcomes import Verdict
from checks.models import Check
from onboarding.plans.current_state import STALE_AFTER
from onboarding.plans.proof import ProofSubject

__all__ = ["STALE_AFTER", "is_older_than", "verdict_now"]


def is_older_than(check: Check, age: timedelta, *, now: datetime) -> bool:
    """Whether the last run is older than `age`, or missing."""
    return check.checked_at is None or now - check.checked_at > age


def verdict_now(
    subject: ProofSubject, *, now: datetime, stale_after: timedelta = STALE_AFTER
) -> Verdict:
    """The verdict on one subject now: its settled verdict, or UNKNOWN.

    A settled FAIL counts as it is. Any other settled verdict counts only if the newest run agrees
    with it (`CurrentState.verdict`) and is recent.
    """
    check = subject.check
    if check is None or check.latest is None or check.checked_at is None:
        return Verdict.UNKNOWN
    settled = subject.settled
    if settled is None or settled is Verdict.FAIL:
        return settled or Verdict.UNKNOWN
    if is_older_than(check, stale_after, now=now):
        return Verdict.UNKNOWN
    return replace(subject, now=now).state.verdict
