"""When an answer is believed. Pure functions: no clock, no database.

Believing a yes is quick, and taking it back is slow: a tick that is late costs a minute, an alarm
without cause costs the next alarm its reader.

1. A yes (PASS or WARN) that every authoritative server gave settles at once. So does "not
   applicable", where nothing was settled on a yes.
2. A no where no yes stands settles when a second look, some seconds later, says it again: it is
   feedback for whoever publishes, and moves no task.
3. A yes is taken back when several looks over a longer time (`Patience`) all said otherwise, each
   with every server: a reload, an anycast node astray or a zone file half written is over by then.
4. A look that could not tell, or in which a server was silent, changes nothing. Where some server
   said yes, the count of noes begins anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.outcomes import Outcome, Verdict
from checks.engine.servers import ANSWERED

LOOKS_TO_SETTLE_A_NO = 2
# Two looks closer than this may both have met one reload of a zone.
APART = timedelta(seconds=3)
_SPLIT = "dns.servers-disagree"


@dataclass(frozen=True)
class Patience:
    """How many looks, over how long, must all contradict a settled yes before it is taken back."""

    looks: int = 3
    span: timedelta = timedelta(minutes=10)


# Findings that say no more than this: the step has not been taken yet. That is no fault to alarm
# anybody with, unless the answer was a yes before.
NOT_TAKEN_YET = frozenset(
    {
        "ownership.not-found",
        "spf.none",
        "spf.no-network-passes",
        "dkim.none",
        "mta-sts.not-permitted",
        "mx.none",
        "mx.old-only",
        "mx-ttl.too-high",
        "lockdown.open",
        "message.other-signer",
    }
)
# Findings that remark on what stands there and are no reason for a no.
REMARKS = frozenset(
    {
        "dns.delegation-differs",
        "dns.resolver-behind",
        "spf.lookups-near-limit",
        "spf.ptr",
        "spf.sampled",
        "spf.hosted",
        "dkim.old-signers",
        "mx.alias",
        "mx.duplicate",
        "mx.implicit-address",
        "mx.wildcard",
        "mx.names-below",
    }
)


@dataclass(frozen=True)
class Standing:
    """What is believed of a check, and how many looks have contradicted it since when."""

    verdict: Verdict | None = None
    failing_looks: int = 0
    doubted_since: datetime | None = None

    @property
    def is_being_doubted(self) -> bool:
        """Looks have contradicted what is believed, and not yet enough of them."""
        return self.failing_looks > 0 and self.verdict is not Verdict.FAIL

    @property
    def holds_up_tasks(self) -> bool:
        """A task may rest on it: a yes, or a question that does not apply."""
        return self.verdict is not None and self.verdict is not Verdict.FAIL


def is_at_fault(verdict: Verdict, codes: Collection[str], *, was_yes: bool) -> bool:
    """Whether a no is a fault worth telling: something broke, or something is published wrongly."""
    return verdict is Verdict.FAIL and (
        was_yes or not NOT_TAKEN_YET.issuperset(set(codes) - REMARKS)
    )


@dataclass(frozen=True)
class Seen:
    """What one look at a moment came to. `since_last` is the time since the look before it."""

    verdict: Verdict
    at: datetime
    unanimous: bool = True
    # Some server said something else than the others, or said yes while others were silent.
    is_yes_somewhere: bool = False
    since_last: timedelta | None = None

    @classmethod
    def of(cls, outcome: Outcome, *, at: datetime, looked_at: datetime | None) -> Seen:
        return cls(
            outcome.verdict,
            at,
            unanimous=outcome.unanimous,
            is_yes_somewhere=_is_yes_somewhere(outcome),
            since_last=at - looked_at if looked_at is not None else None,
        )


def _is_yes_somewhere(outcome: Outcome) -> bool:
    """Servers that differ; or silent ones beside some that answered and of whom none said no, for
    then the verdict would not be UNKNOWN."""
    if any(finding.code == _SPLIT for finding in outcome.findings):
        return True
    rows = outcome.evidence.get("servers") or ()
    return outcome.verdict is Verdict.UNKNOWN and any(row["status"] in ANSWERED for row in rows)


def settle(standing: Standing, seen: Seen, patience: Patience) -> Standing:
    """The standing after one more look."""
    if seen.verdict is Verdict.UNKNOWN or not seen.unanimous:
        return Standing(standing.verdict) if seen.is_yes_somewhere else standing
    if seen.verdict.is_yes or seen.verdict is standing.verdict:
        return Standing(seen.verdict)
    if seen.verdict is Verdict.NOT_APPLICABLE and not standing.holds_up_tasks:
        return Standing(seen.verdict)
    return _doubt(standing, seen, patience)


def _doubt(standing: Standing, seen: Seen, patience: Patience) -> Standing:
    """One more look has contradicted what is believed."""
    if standing.failing_looks and seen.since_last is not None and seen.since_last < APART:
        return standing
    looks = standing.failing_looks + 1
    since = standing.doubted_since or seen.at
    if standing.holds_up_tasks:
        is_enough = looks >= patience.looks and seen.at - since >= patience.span
    else:
        is_enough = looks >= LOOKS_TO_SETTLE_A_NO
    return Standing(seen.verdict) if is_enough else Standing(standing.verdict, looks, since)
