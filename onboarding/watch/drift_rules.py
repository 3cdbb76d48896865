"""What a check's settled answer says of what was proven at go-live. Pure: no clock, no database.

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

from checks.engine.outcomes import Kind, Verdict
from checks.engine.servers import ANSWERED
from checks.models import Check
from onboarding.models import Drift
from tenants.regions import Region

KIND_OF_CHECK = {
    Kind.MX: Drift.Kind.LEFTOVER_MX,
    Kind.SPF: Drift.Kind.INCLUDE_GONE,
    Kind.DKIM: Drift.Kind.KEY_GONE,
    Kind.MX_TTL: Drift.Kind.TTL_LOW,
    Kind.LOCKDOWN: Drift.Kind.PORT_REOPENED,
    Kind.MTA_STS: Drift.Kind.MTA_STS_NARROWED,
}
# What clients have entered somewhere by our instructions: records, smart hosts, firewall rules.
REGION_FIELDS = ("mx", "spf_include", "outbound_smarthosts", "spf_ip4", "delivery_ip4")
_REFUSES_THE_MX = "mta-sts.not-permitted"


class Says(StrEnum):
    """What a check's newest settled answer says."""

    HOLDS = "holds"
    DRIFTED = "drifted"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Footing:
    """What an answer is held against. `mx` is the MX check of the same domain; `ttl_after`, how
    long after its move a domain's MX TTL may stay low."""

    since: datetime
    now: datetime
    ttl_after: timedelta
    windows: Sequence[tuple[datetime, datetime]] = ()
    mx: Check | None = None

    def was_in_a_window(self, at: datetime) -> bool:
        return any(opens <= at < closes for opens, closes in self.windows)


def says(check: Check, footing: Footing) -> Says:
    match Kind(check.kind):
        case Kind.MX_TTL:
            return _of_ttl(check, footing)
        case Kind.MTA_STS:
            return _of_mta_sts(check, footing)
        case _:
            return _of_settled(check, footing)


def _of_settled(check: Check, footing: Footing) -> Says:
    settled = check.standing.verdict
    if settled is not None and settled.is_yes:
        return Says.HOLDS
    is_lost = check.yes_at is not None and _is_settled_no(check, footing)
    return Says.DRIFTED if is_lost else Says.NOTHING


def _is_settled_no(check: Check, footing: Footing) -> bool:
    """A no that settled since, and that the newest look says again with every server: its
    observation is the evidence."""
    latest, at = check.latest, check.settled_at
    if check.standing.verdict is not Verdict.FAIL or latest is None or at is None:
        return False
    is_said_now = latest.verdict == Verdict.FAIL and latest.unanimous
    return is_said_now and at > footing.since and not footing.was_in_a_window(at)


def _of_mta_sts(check: Check, footing: Footing) -> Says:
    """An enforcing policy keeps mail out also where there was no policy at go-live. Without one
    nothing is enforced. A domain whose MX never moved keeps its old policy rightly."""
    settled = check.standing.verdict
    if settled is not None and settled is not Verdict.FAIL:
        return Says.HOLDS
    has_moved = footing.mx is not None and footing.mx.yes_at is not None
    if has_moved and _is_settled_no(check, footing) and _REFUSES_THE_MX in _codes(check):
        return Says.DRIFTED
    return Says.NOTHING


def _codes(check: Check) -> Collection[str]:
    return {found["code"] for found in check.latest.findings} if check.latest is not None else ()


def _of_ttl(check: Check, footing: Footing) -> Says:
    """Low for long enough since the domain moved; raised once every server says so."""
    moved = footing.mx
    if moved is None or moved.yes_at is None or not _is_yes(moved) or not _is_yes(check):
        return Says.NOTHING
    ttls = _ttls(check)
    latest = check.latest
    if not ttls or latest is None:
        return Says.NOTHING
    threshold = latest.evidence.get("threshold", 0)
    if min(ttls) > threshold:
        return Says.HOLDS
    since = max(footing.since, moved.yes_at)
    # One look may have met a moment's experiment; another an hour later has not.
    is_lasting = latest.looks > 1 and footing.now - since >= footing.ttl_after
    return Says.DRIFTED if is_lasting and max(ttls) <= threshold else Says.NOTHING


def _is_yes(check: Check) -> bool:
    settled = check.standing.verdict
    return settled is not None and settled.is_yes


def _ttls(check: Check) -> list[int]:
    """The TTL at each server; nothing where one of them told none."""
    latest = check.latest
    if latest is None or not latest.unanimous or not Verdict(latest.verdict).is_yes:
        return []
    rows = latest.evidence.get("servers") or ()
    ttls = [row.get("ttl") for row in rows if row.get("status") in ANSWERED]
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
