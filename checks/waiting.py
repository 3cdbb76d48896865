"""Whether a check has settled, for requests that wait for its verdict."""

from __future__ import annotations

from datetime import datetime

from checks.models import Check
from checks.scheduling import REQUESTED_FOR


def has_settled(check: Check, *, now: datetime) -> bool:
    """Whether the settled verdict is current: its newest run agrees, and no run is outstanding.

    A check that no longer runs has settled. `now` is the time of the database.
    """
    if not check.is_active:
        return True
    is_claimed = check.claimed_until is not None and check.claimed_until > now
    if is_claimed or check.next_due_at <= now or _awaits_requested_run(check, now):
        return False
    return bool(check.settled_verdict) and check.contradicting_runs == 0


def _awaits_requested_run(check: Check, now: datetime) -> bool:
    """A request soon after a run is not due yet."""
    if check.requested_until is None or check.requested_until <= now:
        return False
    requested_at = check.requested_until - REQUESTED_FOR
    return check.checked_at is None or check.checked_at < requested_at


def check_has_settled(check_id: int, *, now: datetime) -> bool:
    """The same for the stored row, in one query. A deleted check has settled."""
    check = Check.objects.filter(pk=check_id).first()
    return check is None or has_settled(check, now=now)
