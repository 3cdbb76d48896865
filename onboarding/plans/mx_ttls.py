"""The TTL of a domain's MX records: now, before the cutover, and the value to raise it to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.conf import settings

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.models import Check, Observation

# One hour, the TTL of most zones, is longer than a switch needs.
DEFAULT_TTL_SECONDS = 3600


def ttls_of(observation: Observation | None) -> list[int | None]:
    """The TTL at each server that answered, in seconds; None for a server without records."""
    rows = observation.evidence.get("servers") or [] if observation is not None else []
    return [row.get("ttl") for row in rows if row.get("status") in ANSWERED_STATUSES]


def lowest_ttl(observation: Observation | None) -> int | None:
    """The lowest TTL in seconds; None if one server has none, so that it may be lower there."""
    ttls = ttls_of(observation)
    known = [ttl for ttl in ttls if ttl is not None]
    return min(known) if known and len(known) == len(ttls) else None


def original_ttl(
    check: Check,
    check_ids: Collection[int],
    history: Iterable[Observation],
    *,
    before: datetime | None,
) -> int:
    """The highest TTL of the domain before the cutover, in seconds; 0 if it is unknown.

    `check_ids` are the checks of the domain whose observations in `history` count. `before` is the
    opening of the window; None if it is unknown, and then only the typed value counts.
    """
    typed = check.domain.original_mx_ttl_seconds if check.domain is not None else None
    ttls = [
        ttl
        for each in history
        if before is not None and each.check_asked_id in check_ids and each.first_seen_at < before
        for ttl in ttls_of(each)
        if ttl is not None
    ]
    highest = max([*ttls, typed or 0])
    # A TTL that was never above the threshold had been lowered before the first run.
    return highest if highest > settings.CHECKS_TTL_THRESHOLD_SECONDS else 0


def target_ttl(original_seconds: int) -> int:
    """The TTL to raise it to: the original one in seconds, or one hour if it is unknown."""
    return original_seconds or DEFAULT_TTL_SECONDS
