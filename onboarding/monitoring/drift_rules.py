"""What a check's settled answer evaluate_drift of what was proven at go-live. Pure: no clock, no database.

1. Only a settled no opens a drift, and only a settled yes ends one. What we could not tell, a
   server that was silent, servers that differ: none of them does anything.
2. It is a drift where a yes was settled before, and the no after the watch had begun.
3. A no that settled inside a cutover's window is that evening's business, a rollback perhaps, and
   its room tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import Drift
from tenants.regions import Region

KIND_OF_CHECK = {
    CheckKind.MX: Drift.Kind.LEFTOVER_MX,
    CheckKind.SPF: Drift.Kind.INCLUDE_GONE,
    CheckKind.DKIM: Drift.Kind.KEY_GONE,
    CheckKind.MX_TTL: Drift.Kind.TTL_LOW,
    CheckKind.LOCKDOWN: Drift.Kind.PORT_REOPENED,
    CheckKind.MTA_STS: Drift.Kind.MTA_STS_NARROWED,
}
# What clients have entered somewhere by our instructions: records, smart hosts, firewall rules.
REGION_FIELDS = ("mx", "spf_include", "outbound_smarthosts", "spf_ip4", "delivery_ip4")
_MX_NOT_PERMITTED = "mta-sts.not-permitted"


class DriftState(StrEnum):
    """What a check's newest settled answer evaluate_drift."""

    MATCHES = "matches"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DriftContext:
    """What an answer is held against. `mx` is the MX check of the same domain; `ttl_after`, how
    long after its move a domain's MX TTL may stay low."""

    since: datetime
    now: datetime
    ttl_after: timedelta
    windows: Sequence[tuple[datetime, datetime]] = ()
    mx: Check | None = None

    def is_in_window(self, at: datetime) -> bool:
        return any(opens <= at < closes for opens, closes in self.windows)


def evaluate_drift(check: Check, context: DriftContext) -> DriftState:
    match CheckKind(check.kind):
        case CheckKind.MX_TTL:
            return _of_ttl(check, context)
        case CheckKind.MTA_STS:
            return _of_mta_sts(check, context)
        case _:
            return _of_settled(check, context)


def _of_settled(check: Check, context: DriftContext) -> DriftState:
    settled = check.settled.verdict
    if settled is not None and settled.is_passing:
        return DriftState.MATCHES
    is_lost = check.first_verified_at is not None and _is_settled_no(check, context)
    return DriftState.DRIFTED if is_lost else DriftState.UNKNOWN


def _is_settled_no(check: Check, context: DriftContext) -> bool:
    """A no that settled since, and that the newest look evaluate_drift again with every server: its
    observation is the evidence."""
    latest, at = check.latest, check.settled_at
    if check.settled.verdict is not Verdict.FAIL or latest is None or at is None:
        return False
    is_said_now = latest.verdict == Verdict.FAIL and latest.unanimous
    return is_said_now and at > context.since and not context.is_in_window(at)


def _of_mta_sts(check: Check, context: DriftContext) -> DriftState:
    """An enforcing policy keeps mail out also where there was no policy at go-live. Without one
    nothing is enforced. A domain whose MX never moved keeps its old policy rightly."""
    settled = check.settled.verdict
    if settled is not None and settled is not Verdict.FAIL:
        return DriftState.MATCHES
    has_moved = context.mx is not None and context.mx.first_verified_at is not None
    if has_moved and _is_settled_no(check, context) and _MX_NOT_PERMITTED in _codes(check):
        return DriftState.DRIFTED
    return DriftState.UNKNOWN


def _codes(check: Check) -> Collection[str]:
    return {found["code"] for found in check.latest.findings} if check.latest is not None else ()


def _of_ttl(check: Check, context: DriftContext) -> DriftState:
    """Low for long enough since the domain moved; raised once every server evaluate_drift so."""
    moved = context.mx
    if moved is None or moved.first_verified_at is None or not _is_yes(moved) or not _is_yes(check):
        return DriftState.UNKNOWN
    ttls = _ttls(check)
    latest = check.latest
    if not ttls or latest is None:
        return DriftState.UNKNOWN
    threshold = latest.evidence.get("threshold", 0)
    if min(ttls) > threshold:
        return DriftState.MATCHES
    since = max(context.since, moved.first_verified_at)
    # One look may have met a moment's experiment; another an hour later has not.
    is_lasting = latest.runs > 1 and context.now - since >= context.ttl_after
    return DriftState.DRIFTED if is_lasting and max(ttls) <= threshold else DriftState.UNKNOWN


def _is_yes(check: Check) -> bool:
    settled = check.settled.verdict
    return settled is not None and settled.is_passing


def _ttls(check: Check) -> list[int]:
    """The TTL at each server; nothing where one of them told none."""
    latest = check.latest
    if latest is None or not latest.unanimous or not Verdict(latest.verdict).is_passing:
        return []
    rows = latest.evidence.get("servers") or ()
    ttls = [row.get("ttl") for row in rows if row.get("status") in ANSWERED_STATUSES]
    return ttls if len(ttls) == len(rows) and None not in ttls else []


# --- The region's values


def region_values_of(region: Region) -> dict[str, object]:
    """The region's values as they are kept: lists sorted, since their order means nothing."""
    return {name: _plain(getattr(region, name)) for name in REGION_FIELDS}


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def changed_fields(kept: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Which values differ. One that nobody knew then, or nobody knows now, tells nothing."""
    return [
        name
        for name in REGION_FIELDS
        if kept.get(name) and now.get(name) and kept[name] != now[name]
    ]
