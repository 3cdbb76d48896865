"""From when a switch is safe, as a row of the readiness: what the domains' clocks say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from checks.clocks import Clock
from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.cutovers.room_facts import LOOK, STALE, WAIT, Facts, Row, stale_among
from onboarding.models.cutovers import named

Clocks = Sequence[tuple[str, Clock]]


def still_ahead(clocks: Clocks) -> list[tuple[str, Clock]]:
    """Those of domains that have not moved: of the others there is nothing left to wait for."""
    return [(domain, clock) for domain, clock in clocks if not clock.is_moved]


def earliest_safe(clocks: Clocks) -> datetime | None:
    """From when every switch that is left is safe; None while that cannot be told for one of them,
    or none is left."""
    ahead = still_ahead(clocks)
    moments = [clock.safe_at for _, clock in ahead if clock.safe_at is not None]
    return max(moments) if moments and len(moments) == len(ahead) else None


def ttl_row(facts: Facts) -> Row:
    title = "TTL lowered and the old TTL run out"
    ahead = still_ahead(facts.clocks)
    waiting = [(domain, clock) for domain, clock in ahead if clock.safe_at is None]
    check = _slowest(facts, waiting or ahead)
    if facts.of(Kind.MX) and not facts.of(Kind.MX_TTL):
        said = "Lowering the TTL is asked of none of these domains: caches keep what they hold."
        mend = "Keep the old hosts taking mail until the last cache is gone."
        return Row("ttl", title, Verdict.WARN, said, mend)
    if not facts.clocks:
        said = "No domain's TTL has been looked at yet."
        return Row("ttl", title, Verdict.UNKNOWN, said, WAIT)
    if not ahead:
        said = "Every domain has moved: there is no switch left to wait for."
        return Row("ttl", title, Verdict.PASS, said)
    if waiting:
        return _not_everywhere(title, waiting, facts, check)
    domain, clock = max(ahead, key=lambda pair: pair[1].safe_at or facts.now)
    assert clock.safe_at is not None
    said = (
        f"Earliest safe cutover: {facts.say(clock.safe_at)}, because {_why(domain, clock, facts)}."
    )
    left_out = _not_asked(facts)
    if facts.cutover.planned_at >= clock.safe_at and left_out:
        said = f"{said} Of {named(left_out)} no lower TTL is asked: caches keep what they hold."
        mend = "Keep its old hosts taking mail until the last cache is gone."
        return Row("ttl", title, Verdict.WARN, said, mend, check=check)
    if facts.cutover.planned_at >= clock.safe_at:
        return Row("ttl", title, Verdict.PASS, said, check=check)
    mend = "Begin the window at that moment or later."
    return Row("ttl", title, Verdict.FAIL, said, mend, check=check)


def _not_asked(facts: Facts) -> list[str]:
    """Domains that switch and were exempted from lowering their TTL: no clock tells of them."""
    asked = {subject.name for subject in facts.of(Kind.MX_TTL)}
    return [subject.name for subject in facts.of(Kind.MX) if subject.name not in asked]


def _slowest(facts: Facts, clocks: Clocks) -> Check | None:
    name = max(clocks, key=lambda pair: pair[1].safe_at or facts.now)[0] if clocks else ""
    return next((s.check for s in facts.of(Kind.MX_TTL) if s.name == name), None)


def _not_everywhere(title: str, waiting: Clocks, facts: Facts, check: Check | None) -> Row:
    lagging = sorted({n for _, c in waiting for n in c.waits_for if n not in {*c.silent, *c.empty}})
    empty = sorted({name for _, clock in waiting for name in clock.empty})
    silent = sorted({name for _, clock in waiting for name in clock.silent})
    domains = ", ".join(domain for domain, _ in waiting)
    if lagging:
        give = "gives" if len(lagging) == 1 else "give"
        said = f"{domains}: {', '.join(lagging)} still {give} out a TTL above the threshold."
        mend = (
            "Lower the TTL of the MX records there. The clock starts when the last server has it."
        )
        return Row("ttl", title, Verdict.FAIL, said, mend, check=check)
    if empty:
        said = (
            f"{domains}: it cannot be told while {', '.join(empty)} {_have(empty)} no MX records."
        )
        mend = "A zone that is being loaded comes back by itself. If it does not, load it there."
        return Row("ttl", title, Verdict.UNKNOWN, said, mend, check=check)
    if silent:
        are = "is" if len(silent) == 1 else "are"
        said = f"{domains}: it cannot be told while {', '.join(silent)} {are} silent."
        mend = "Nothing is called safe until every server has answered."
        return Row("ttl", title, Verdict.UNKNOWN, said, mend, check=check)
    ttls = [s for s in facts.of(Kind.MX_TTL) if s.name in {domain for domain, _ in waiting}]
    stale = stale_among(ttls, facts)
    if stale:
        said = STALE.format(names=named(sorted(stale)))
        return Row("ttl", title, Verdict.UNKNOWN, said, LOOK, check=check)
    said = f"{domains}: it cannot be told yet from when a switch is safe."
    return Row("ttl", title, Verdict.UNKNOWN, said, WAIT, check=check)


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _why(domain: str, clock: Clock, facts: Facts) -> str:
    if clock.is_assumed:
        return (
            f"what {domain} published before our first look is not known,"
            f" so a TTL of {clock.ttl} s is assumed"
        )
    until = facts.say(clock.seen_until) if clock.seen_until is not None else "an unknown moment"
    left = "; it has left the delegation, which caches keep for two days" if clock.has_left else ""
    return f"{clock.server} gave out {clock.ttl} s for {domain} until {until}{left}"
