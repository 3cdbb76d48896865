"""Former MTA-STS policies that senders may still have cached. Pure.

A sender caches an enforced policy for its `max_age`, and delivers to no other host until then
(RFC 8461 sections 3.2 and 5). So the MX cutover is safe only after the last policy without the
region's hosts has expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.codes import RENAMED_CODES
from checks.engine.outcomes import Verdict
from checks.models import Observation

_NOT_PERMITTED = "mta-sts.not-permitted"
# With these modes senders deliver also to hosts that a policy does not list (RFC 8461 section 5).
_HARMLESS = ("mta-sts.not-permitted-testing", "mta-sts.mode-none")
_PERMITS = "mta-sts.permits"


@dataclass(frozen=True)
class CachedPolicy:
    """A former policy without the region's hosts: its end in caches, and its `max_age` in seconds.

    `seen_until` is the first run that found another policy.
    """

    expires_at: datetime
    max_age: int
    seen_until: datetime


def cached_policy(history: Sequence[Observation]) -> CachedPolicy | None:
    """The former policy that expires last, from the history of one check, oldest first.

    None if no such policy was observed, if it is still published, or if the present policy has the
    mode testing or none.
    """
    if not history or _is_harmless(history[-1]) or forbidding_max_age(history[-1]) is not None:
        return None
    found = []
    for number, observation in enumerate(history):
        age = forbidding_max_age(observation)
        # A failed fetch does not show that the policy has changed.
        later = (each for each in history[number + 1 :] if each.verdict != Verdict.UNKNOWN)
        after = next(later, None)
        if age is not None and after is not None:
            until = after.first_run_ended_at or after.first_seen_at
            found.append(CachedPolicy(until + timedelta(seconds=age), age, until))
    return max(found, key=lambda each: each.expires_at, default=None)


def forbidding_max_age(observation: Observation) -> int | None:
    """The `max_age` of an enforced policy without the region's hosts; None for any other answer."""
    for found in observation.findings:
        if _code(found) == _NOT_PERMITTED:
            return int(found["params"].get("max_age", 0))
    return None


def _is_harmless(observation: Observation) -> bool:
    return any(
        _code(found) in _HARMLESS
        or (_code(found) == _PERMITS and found["params"].get("mode") == "testing")
        for found in observation.findings
    )


def _code(found: dict[str, object]) -> str:
    code = str(found["code"])
    return RENAMED_CODES.get(code, code)
