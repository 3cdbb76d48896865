"""Evaluate whether a check has drifted from its verified state. Pure: no clock, no database.

1. Only a settled FAIL opens a drift, and only a settled PASS or WARN closes one. UNKNOWN, silent
   servers and servers that differ change nothing.
2. A drift needs an earlier settled PASS or WARN, and a FAIL settled after the monitoring began.
3. A FAIL that settles in a cutover's window, such as in a rollback, is no drift. The cutover room
   shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from tenants.regions import Region

# The values that clients have entered in records, smart hosts and firewall rules.
REGION_FIELDS = ("mx", "spf_include", "outbound_smarthosts", "spf_ip4", "delivery_ip4")
_MX_NOT_PERMITTED = "mta-sts.not-permitted"


class DriftState(StrEnum):
    """The result of `evaluate_drift`. UNKNOWN neither opens nor closes a drift."""

    MATCHES = "matches"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DriftContext:
    """The context of an evaluation. `since` is the start of the monitoring.

    `mx` is the MX check of the same domain. `ttl_after` is the time after a domain's switch in
    which its MX TTL may remain low. `windows` are the cutover windows with their start and end.
    """

    since: datetime
    now: datetime
    ttl_after: timedelta
    windows: Sequence[tuple[datetime, datetime]] = ()
    mx: Check | None = None

    def is_in_window(self, at: datetime) -> bool:
        return any(opens <= at < closes for opens, closes in self.windows)


def evaluate_drift(check: Check, context: DriftContext) -> DriftState:
    """A check of a value that no consultant has confirmed neither opens nor closes a drift."""
    if check.is_proposed:
        return DriftState.UNKNOWN
    match CheckKind(check.kind):
        case CheckKind.MX_TTL:
            return _of_ttl(check, context)
        case CheckKind.MTA_STS:
            return _of_mta_sts(check, context)
        case _:
            return _of_settled(check, context)


def can_drift(check: Check) -> bool:
    """Whether `evaluate_drift` can return DRIFTED for the check in some context."""
    if check.kind != CheckKind.MX_TTL:
        return check.settled.verdict is Verdict.FAIL
    ttls, latest = _ttls(check), check.latest
    return bool(ttls) and latest is not None and min(ttls) <= latest.evidence.get("threshold", 0)


def _of_settled(check: Check, context: DriftContext) -> DriftState:
    settled = check.settled.verdict
    if settled is not None and settled.is_passing:
        return DriftState.MATCHES
    is_lost = check.first_verified_at is not None and _has_settled_fail(check, context)
    return DriftState.DRIFTED if is_lost else DriftState.UNKNOWN


def _has_settled_fail(check: Check, context: DriftContext) -> bool:
    """Whether a FAIL settled since the monitoring began, and all servers agree in the newest run.

    The observation of that run is the evidence of the drift.
    """
    latest, at = check.latest, check.settled_at
    if check.settled.verdict is not Verdict.FAIL or latest is None or at is None:
        return False
    fails_now = latest.verdict == Verdict.FAIL and latest.unanimous
    return fails_now and at > context.since and not context.is_in_window(at)


def _of_mta_sts(check: Check, context: DriftContext) -> DriftState:
    """An enforcing policy rejects mail, also if there was no policy at go-live.

    Without a policy nothing is enforced, which matches. A domain whose MX never switched needs its
    old policy, so that it cannot drift.
    """
    settled = check.settled.verdict
    if settled is not None and settled is not Verdict.FAIL:
        return DriftState.MATCHES
    has_switched = context.mx is not None and context.mx.first_verified_at is not None
    if has_switched and _has_settled_fail(check, context) and _MX_NOT_PERMITTED in _codes(check):
        return DriftState.DRIFTED
    return DriftState.UNKNOWN


def _codes(check: Check) -> Collection[str]:
    return {found["code"] for found in check.latest.findings} if check.latest is not None else ()


def _of_ttl(check: Check, context: DriftContext) -> DriftState:
    """DRIFTED if the TTL is low long after the switch, MATCHES once every server raised it."""
    mx = context.mx
    if mx is None or mx.first_verified_at is None or not _is_passing(mx) or not _is_passing(check):
        return DriftState.UNKNOWN
    ttls = _ttls(check)
    latest = check.latest
    if not ttls or latest is None:
        return DriftState.UNKNOWN
    threshold = latest.evidence.get("threshold", 0)
    if min(ttls) > threshold:
        return DriftState.MATCHES
    since = max(context.since, mx.first_verified_at)
    # A single run may have met a short experiment. A second run comes about an hour later.
    is_lasting = latest.runs > 1 and context.now - since >= context.ttl_after
    return DriftState.DRIFTED if is_lasting and max(ttls) <= threshold else DriftState.UNKNOWN


def _is_passing(check: Check) -> bool:
    settled = check.settled.verdict
    return settled is not None and settled.is_passing


def _ttls(check: Check) -> list[int]:
    """The TTL at each server in seconds; empty if one of them has none."""
    latest = check.latest
    if latest is None or not latest.unanimous or not Verdict(latest.verdict).is_passing:
        return []
    rows = latest.evidence.get("servers") or ()
    ttls = [row.get("ttl") for row in rows if row.get("status") in ANSWERED_STATUSES]
    return ttls if len(ttls) == len(rows) and None not in ttls else []


# --- The region's values


def region_values_of(region: Region) -> dict[str, object]:
    """The region's values in their stored form, with sorted lists: their order means nothing."""
    return {name: _plain(getattr(region, name)) for name in REGION_FIELDS}


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def changed_fields(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The names of the values that differ. A value that is unknown in one of the two is skipped."""
    return [
        name
        for name in REGION_FIELDS
        if before.get(name) and now.get(name) and before[name] != now[name]
    ]
