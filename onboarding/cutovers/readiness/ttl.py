"""The TTL row of the readiness list, and the safe times of caches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.cutovers.readiness.facts import (
    CHECK_NOW_REMEDY,
    STALE_DETAIL,
    WAIT_REMEDY,
    ReadinessFacts,
    ReadinessRow,
    SafeTimes,
    stale_names,
)
from onboarding.models.cutovers import join_names


def pending_switches(safe_times: SafeTimes) -> list[tuple[str, SafeTime]]:
    """The safe times of the domains that have not switched yet."""
    return [(domain, safe_time) for domain, safe_time in safe_times if not safe_time.is_moved]


def earliest_safe_time(safe_times: SafeTimes) -> datetime | None:
    """The time from which every remaining switch is safe.

    None if it is not known for one of them, or if every domain has switched.
    """
    pending = pending_switches(safe_times)
    known = [safe_time.safe_at for _, safe_time in pending if safe_time.safe_at is not None]
    return max(known) if known and len(known) == len(pending) else None


def early_policies(facts: ReadinessFacts) -> SafeTimes:
    """The former MTA-STS policies that caches still have when the window begins, by domain."""
    starts = facts.cutover.planned_at
    return [
        (domain, policy)
        for domain, policy in facts.policy_times
        if policy.safe_at is not None and policy.safe_at > starts
    ]


def ttl_row(facts: ReadinessFacts) -> ReadinessRow:
    title = "TTL lowered and the old TTL run out"
    pending = pending_switches(facts.safe_times)
    waiting = [(domain, safe_time) for domain, safe_time in pending if safe_time.safe_at is None]
    check = _deciding_check(facts, waiting or pending)
    if facts.subjects_of(CheckKind.MX) and not facts.subjects_of(CheckKind.MX_TTL):
        detail = (
            "None of these domains has to lower its TTL."
            " Caches use the old answer until it expires."
        )
        remedy = "The old hosts must accept mail until the last cache has expired."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy)
    if not facts.safe_times:
        detail = "The TTL of these domains has not been checked yet."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, WAIT_REMEDY)
    if not pending:
        detail = "Every domain has switched already."
        return ReadinessRow("ttl", title, Verdict.PASS, detail)
    if waiting:
        return _unknown_row(title, waiting, facts, check)
    domain, safe_time = max(pending, key=lambda pair: pair[1].safe_at or facts.now)
    assert safe_time.safe_at is not None
    detail = (
        f"Earliest safe cutover: {facts.format_time(safe_time.safe_at)}, because"
        f" {_explanation(domain, safe_time, facts)}."
    )
    exempt = _exempt_names(facts)
    if facts.cutover.planned_at >= safe_time.safe_at and exempt:
        detail = (
            f"{detail} Without a lower TTL: {join_names(exempt)}."
            " Caches use the old answer until it expires."
        )
        remedy = "Its old hosts must accept mail until the last cache has expired."
        return ReadinessRow("ttl", title, Verdict.WARN, detail, remedy, check=check)
    if facts.cutover.planned_at >= safe_time.safe_at:
        return ReadinessRow("ttl", title, Verdict.PASS, detail, check=check)
    remedy = "Schedule the window for that time or later."
    return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)


def _exempt_names(facts: ReadinessFacts) -> list[str]:
    """The domains that switch without lowering their TTL. No safe time covers them."""
    covered = {subject.name for subject in facts.subjects_of(CheckKind.MX_TTL)}
    return [
        subject.name for subject in facts.subjects_of(CheckKind.MX) if subject.name not in covered
    ]


def _deciding_check(facts: ReadinessFacts, safe_times: SafeTimes) -> Check | None:
    name = max(safe_times, key=lambda pair: pair[1].safe_at or facts.now)[0] if safe_times else ""
    return next((s.check for s in facts.subjects_of(CheckKind.MX_TTL) if s.name == name), None)


def _unknown_row(
    title: str, waiting: SafeTimes, facts: ReadinessFacts, check: Check | None
) -> ReadinessRow:
    lagging = sorted(
        {
            n
            for _, c in waiting
            for n in c.pending_servers
            if n not in {*c.silent_servers, *c.empty_servers}
        }
    )
    empty = sorted({name for _, safe_time in waiting for name in safe_time.empty_servers})
    silent = sorted({name for _, safe_time in waiting for name in safe_time.silent_servers})
    domains = ", ".join(domain for domain, _ in waiting)
    if lagging:
        publish = "publishes" if len(lagging) == 1 else "publish"
        detail = f"{domains}: {', '.join(lagging)} still {publish} a TTL above the threshold."
        remedy = (
            "Lower the TTL of the MX records there. The waiting time begins with the last server."
        )
        return ReadinessRow("ttl", title, Verdict.FAIL, detail, remedy, check=check)
    if empty:
        servers = f"{', '.join(empty)} {_have(empty)}"
        detail = f"{domains}: no safe time is known while {servers} no MX records."
        remedy = "Wait if the server is loading the zone. Otherwise load the zone there."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    if silent:
        do = "does" if len(silent) == 1 else "do"
        detail = f"{domains}: no safe time is known while {', '.join(silent)} {do} not answer."
        remedy = "The safe time is known only after every server has answered."
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, remedy, check=check)
    ttls = [
        s
        for s in facts.subjects_of(CheckKind.MX_TTL)
        if s.name in {domain for domain, _ in waiting}
    ]
    stale = stale_names(ttls, facts)
    if stale:
        detail = STALE_DETAIL.format(names=join_names(sorted(stale)))
        return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, CHECK_NOW_REMEDY, check=check)
    detail = f"{domains}: no safe time is known yet."
    return ReadinessRow("ttl", title, Verdict.UNKNOWN, detail, WAIT_REMEDY, check=check)


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _explanation(domain: str, safe_time: SafeTime, facts: ReadinessFacts) -> str:
    if safe_time.is_assumed:
        return (
            f"the TTL of {domain} before the first check is not known,"
            f" so a TTL of {safe_time.ttl} s is assumed"
        )
    until = (
        facts.format_time(safe_time.seen_until)
        if safe_time.seen_until is not None
        else "an unknown time"
    )
    left = (
        "; the server left the delegation, which caches store for two days"
        if safe_time.has_left
        else ""
    )
    return f"{safe_time.server} published {safe_time.ttl} s for {domain} until {until}{left}"
