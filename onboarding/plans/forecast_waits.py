"""The waits of a plan that depend on published records: MX TTL, MTA-STS, caches. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from checks.engine.codes import RENAMED_CODES
from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from checks.safe_times import ASSUMED_TTL_SECONDS
from onboarding.models import Cutover
from onboarding.plans.forecast import Bound, ForecastStep, StepKind
from onboarding.plans.forecast_sources import TenantRows
from onboarding.plans.safe_times import safe_time_of, safe_times_by_kind

_DAY_SECONDS = 86_400
_NOT_PERMITTED = "mta-sts.not-permitted"


@dataclass
class Waits:
    """The waits before one step: bounds, steps that it follows, and unknown facts."""

    bounds: list[Bound] = field(default_factory=list)
    steps: list[ForecastStep] = field(default_factory=list)
    assumes: list[str] = field(default_factory=list)


def day_after(at: datetime, rows: TenantRows, windows: Sequence[Cutover] = ()) -> Bound:
    """The first day on which a cutover can follow `at`, with the time as its reason.

    It is the next day if a window of that day begins earlier than `at`, or if the working day is
    over by then and no window follows.
    """
    local = at.astimezone(rows.calendar.zone)
    same_day = [w for w in windows if rows.calendar.day_of(w.planned_at) == local.date()]
    is_late = local.time() > rows.calendar.closes and not same_day
    is_next = is_late or any(window.planned_at < at for window in same_day)
    reason = f"{local:%a} {local.day} {local:%b %H:%M %Z}"
    return Bound(local.date() + timedelta(days=int(is_next)), reason)


def inbound_waits(
    rows: TenantRows, ttl_key: str, exempt_domains: set[int], windows: Sequence[Cutover]
) -> Waits:
    """The waits before the inbound cutover. `ttl_key` is the open task that lowers the TTL."""
    waits = Waits()
    for check in rows.checks:
        if check.kind == CheckKind.MX_TTL and check.domain_id not in exempt_domains:
            _wait_for_ttl(check, rows, ttl_key, windows, waits)
        elif check.kind == CheckKind.MTA_STS:
            _wait_for_policy(check, rows, windows, waits)
    waits.bounds = sorted(waits.bounds, key=lambda bound: bound.day)[-1:]
    return waits


def _wait_for_ttl(
    check: Check, rows: TenantRows, ttl_key: str, windows: Sequence[Cutover], waits: Waits
) -> None:
    history = rows.observations.get(check.pk, ())
    safe_time = safe_time_of(check, history, rows.tenant.region_values)
    if safe_time is not None and safe_time.is_moved:
        return
    if safe_time is not None and safe_time.safe_at is not None:
        bound = day_after(safe_time.safe_at, rows, windows)
        text = f"The former MX answers of {check.subject} expire {bound.reason}"
        waits.bounds.append(Bound(bound.day, text))
        return
    if not ttl_key:
        waits.assumes.append(
            f"The safe time of {check.subject} is not known. The forecast assumes that its former"
            " MX answers have expired."
        )
        return
    ttl = _former_ttl(check)
    if ttl is None:
        waits.assumes.append(
            f"The MX TTL of {check.subject} is not known. The forecast assumes"
            f" {ASSUMED_TTL_SECONDS} s."
        )
    seconds = ttl or ASSUMED_TTL_SECONDS
    days = math.ceil(seconds / _DAY_SECONDS)
    waits.steps.append(
        ForecastStep(
            f"ttl:{check.subject}",
            f"Former MX answers of {check.subject} expire",
            StepKind.WAIT,
            after=(ttl_key,),
            days=days,
            basis=f"TTL of {seconds} s",
        )
    )


def _former_ttl(check: Check) -> int | None:
    """The highest published or entered TTL; None without any."""
    latest = check.latest
    servers = latest.evidence.get("servers") or [] if latest is not None else []
    ttls = [row["ttl"] for row in servers if row.get("status") in ANSWERED_STATUSES and row["ttl"]]
    typed = check.domain.original_mx_ttl_seconds if check.domain is not None else None
    return max([*ttls, *([typed] if typed else [])], default=None)


def _wait_for_policy(
    check: Check, rows: TenantRows, windows: Sequence[Cutover], waits: Waits
) -> None:
    """Senders cache an enforced policy for its `max_age` (RFC 8461 section 3.2)."""
    latest = check.latest
    if latest is None or latest.verdict == Verdict.UNKNOWN:
        waits.assumes.append(
            f"The MTA-STS policy of {check.subject} is not known. The forecast assumes that none"
            " delays the cutover."
        )
        return
    forbidden = _max_age(latest)
    if forbidden is not None:
        waits.assumes.append(
            f"The MTA-STS policy of {check.subject} does not permit the new hosts. The forecast"
            " assumes that it does from today."
        )
        waits.steps.append(
            ForecastStep(
                f"mta-sts:{check.subject}",
                f"Cached MTA-STS policies of {check.subject} expire",
                StepKind.WAIT,
                days=math.ceil(forbidden / _DAY_SECONDS),
                basis=f"max_age of {forbidden} s",
            )
        )
        return
    expires_at = _policy_expiry(rows.observations.get(check.pk, ()))
    if expires_at is not None and expires_at > rows.now:
        bound = day_after(expires_at, rows, windows)
        text = f"Cached MTA-STS policies of {check.subject} expire {bound.reason}"
        waits.bounds.append(Bound(bound.day, text))


def _max_age(observation: Observation) -> int | None:
    """The `max_age` of an enforced policy without the new hosts; None for any other answer."""
    for found in observation.findings:
        if RENAMED_CODES.get(found["code"], found["code"]) == _NOT_PERMITTED:
            return int(found["params"].get("max_age", 0))
    return None


def _policy_expiry(history: Sequence[Observation]) -> datetime | None:
    """The end of the last cached policy without the new hosts; None if none was published."""
    for before, after in reversed(list(pairwise(history))):
        age = _max_age(before)
        if age is not None:
            return after.first_seen_at + timedelta(seconds=age)
    return None


def old_route_waits(rows: TenantRows, switch_key: str, name: str) -> Waits:
    """The waits before the end of the old route. `switch_key` is the open inbound cutover, or
    empty. `name` is lockdown or decommissioning.
    """
    if switch_key:
        step = ForecastStep(
            "caches",
            "Former MX answers expire after the switch",
            StepKind.WAIT,
            after=(switch_key,),
            days=1,
            basis="the lowered TTL and 4 h for slow resolvers",
        )
        return Waits(steps=[step])
    checks = [check for check in rows.checks if check.kind == CheckKind.MX]
    seen = [each for check in checks for each in rows.observations.get(check.pk, ())]
    found = safe_times_by_kind(checks, seen, rows.tenant.region_values, now=rows.now)
    safety = found.get(CheckKind.MX.value)
    if safety is None or safety.safe_time.safe_at is None:
        text = f"The safe time of the {name} is not known. The forecast assumes today."
        return Waits(assumes=[text])
    bound = day_after(safety.safe_time.safe_at, rows)
    return Waits(bounds=[Bound(bound.day, f"The {name} is safe from {bound.reason}")])
