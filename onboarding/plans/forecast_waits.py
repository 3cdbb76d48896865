"""The waits of a plan that depend on published records: MX TTL, MTA-STS, caches. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import ASSUMED_TTL_SECONDS
from onboarding.models import Cutover
from onboarding.plans.cached_policies import cached_policy, forbidding_max_age
from onboarding.plans.current_verdicts import STALE_AFTER, is_older_than
from onboarding.plans.forecast import Bound, ForecastStep, StepKind
from onboarding.plans.forecast_sources import TenantRows
from onboarding.plans.safe_times import safe_time_of, safe_times_by_kind

_DAY_SECONDS = 86_400


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


@dataclass(frozen=True)
class OpenPreparation:
    """The task of one check kind that precedes the inbound cutover.

    `key` is its key while it is open, else empty. `is_skipped`: no domain waits for it.
    """

    key: str = ""
    is_skipped: bool = False
    exempt_domains: frozenset[int] = frozenset()


def inbound_waits(
    rows: TenantRows,
    windows: Sequence[Cutover],
    *,
    ttl: OpenPreparation,
    policy: OpenPreparation,
) -> Waits:
    """The waits before the inbound cutover: former MX answers, and former MTA-STS policies."""
    waits, moved = Waits(), _moved_domains(rows)
    for check in rows.checks:
        task = {CheckKind.MX_TTL.value: ttl, CheckKind.MTA_STS.value: policy}.get(check.kind)
        if task is None or task.is_skipped or check.domain_id in {*task.exempt_domains, *moved}:
            continue
        if check.kind == CheckKind.MX_TTL:
            _wait_for_ttl(check, rows, task.key, windows, waits)
        else:
            _wait_for_policy(check, rows, task.key, windows, waits)
    waits.bounds = sorted(waits.bounds, key=lambda bound: bound.day)[-1:]
    return waits


def _moved_domains(rows: TenantRows) -> set[int | None]:
    """The domains whose MX records already lead to Mimecast alone, by a recent run."""
    moved = set()
    for check in rows.checks:
        if check.kind == CheckKind.MX_TTL and not _is_stale(check, rows):
            history = rows.observations.get(check.pk, ())
            safe_time = safe_time_of(check, history, rows.tenant.region_values)
            if safe_time is not None and safe_time.is_moved:
                moved.add(check.domain_id)
    return moved


def _is_stale(check: Check, rows: TenantRows) -> bool:
    """Whether the last run is too old for the planning form, which then knows no safe time."""
    return is_older_than(check, STALE_AFTER, now=rows.now)


def _wait_for_ttl(
    check: Check, rows: TenantRows, ttl_key: str, windows: Sequence[Cutover], waits: Waits
) -> None:
    history = rows.observations.get(check.pk, ())
    safe_time = safe_time_of(check, history, rows.tenant.region_values)
    if safe_time is not None and safe_time.safe_at is not None:
        bound = day_after(safe_time.safe_at, rows, windows)
        text = f"The former MX answers of {check.subject} expire {bound.reason}"
        waits.bounds.append(Bound(bound.day, text))
        if _is_stale(check, rows):
            waits.assumes.append(
                f"The last check of {check.subject} is too old. The forecast assumes that its MX"
                " records are unchanged."
            )
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
    check: Check, rows: TenantRows, policy_key: str, windows: Sequence[Cutover], waits: Waits
) -> None:
    """Senders cache an enforced policy for its `max_age` (RFC 8461 section 3.2)."""
    latest = check.latest
    found = cached_policy(rows.observations.get(check.pk, ()))
    if found is None and (latest is None or latest.verdict == Verdict.UNKNOWN):
        waits.assumes.append(
            f"The MTA-STS policy of {check.subject} is not known. The forecast assumes that none"
            " delays the cutover."
        )
        return
    forbidden = forbidding_max_age(latest) if latest is not None else None
    if forbidden is not None:
        if not policy_key:
            waits.assumes.append(
                f"The MTA-STS policy of {check.subject} does not permit the new hosts. The forecast"
                " assumes that it does from today."
            )
        waits.steps.append(
            ForecastStep(
                f"mta-sts:{check.subject}",
                f"Cached MTA-STS policies of {check.subject} expire",
                StepKind.WAIT,
                after=(policy_key,) if policy_key else (),
                days=math.ceil(forbidden / _DAY_SECONDS),
                basis=f"max_age of {forbidden} s",
            )
        )
    elif found is not None and found.expires_at > rows.now:
        bound = day_after(found.expires_at, rows, windows)
        text = f"Cached MTA-STS policies of {check.subject} expire {bound.reason}"
        waits.bounds.append(Bound(bound.day, text))


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
