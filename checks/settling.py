"""When an answer is believed. Pure functions: no clock, no database.

Believing a yes is quick, and taking it back is slow: a tick that is late costs a minute, an alarm
without cause costs the next alarm its reader.

1. A yes (PASS or WARN) that every authoritative server gave settles at once. So does "not
   applicable", where nothing was settled on a yes.
2. A no where no yes stands settles when a second look, some seconds later, says it again: it is
   feedback for whoever publishes, and moves no task.
3. A yes is taken back when several looks over a longer time (`ReopenPolicy`) all said otherwise, each
   with every server: a reload, an anycast node astray or a zone file half written is over by then.
4. A look that could not tell, or in which a server was silent, changes nothing. Where some server
   said yes, the count of noes begins anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import Outcome, Verdict

RUNS_TO_SETTLE_FAIL = 2
# Two looks closer than this may both have met one reload of a zone.
MIN_GAP = timedelta(seconds=3)
_SERVERS_DISAGREE = "dns.servers-disagree"


@dataclass(frozen=True)
class ReopenPolicy:
    """How many looks, over how long, must all contradict a settled yes before it is taken back."""

    runs: int = 3
    span: timedelta = timedelta(minutes=10)


# Findings that say no more than this: the step has not been taken yet. That is no fault to alarm
# anybody with, unless the answer was a yes before.
NOT_DONE_CODES = frozenset(
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
INFORMATIONAL_CODES = frozenset(
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
class SettledVerdict:
    """What is believed of a check, and how many looks have contradicted it since when."""

    verdict: Verdict | None = None
    contradicting_runs: int = 0
    contradicted_since: datetime | None = None

    @property
    def is_contradicted(self) -> bool:
        """Looks have contradicted what is believed, and not yet enough of them."""
        return self.contradicting_runs > 0 and self.verdict is not Verdict.FAIL

    @property
    def allows_completion(self) -> bool:
        """A task may rest on it: a yes, or a question that does not apply."""
        return self.verdict is not None and self.verdict is not Verdict.FAIL


def is_misconfigured(verdict: Verdict, codes: Collection[str], *, was_verified: bool) -> bool:
    """Whether a no is a fault worth telling: something broke, or something is published wrongly."""
    return verdict is Verdict.FAIL and (
        was_verified or not NOT_DONE_CODES.issuperset(set(codes) - INFORMATIONAL_CODES)
    )


@dataclass(frozen=True)
class RunResult:
    """What one look at a moment came to. `since_previous` is the time since the look before it."""

    verdict: Verdict
    at: datetime
    unanimous: bool = True
    # Some server said something else than the others, or said yes while others were silent.
    has_partial_pass: bool = False
    since_previous: timedelta | None = None

    @classmethod
    def of(cls, outcome: Outcome, *, at: datetime, checked_at: datetime | None) -> RunResult:
        return cls(
            outcome.verdict,
            at,
            unanimous=outcome.unanimous,
            has_partial_pass=_has_partial_pass(outcome),
            since_previous=at - checked_at if checked_at is not None else None,
        )


def _has_partial_pass(outcome: Outcome) -> bool:
    """Servers that differ; or silent ones beside some that answered and of whom none said no, for
    then the verdict would not be UNKNOWN."""
    if any(finding.code == _SERVERS_DISAGREE for finding in outcome.findings):
        return True
    rows = outcome.evidence.get("servers") or ()
    return outcome.verdict is Verdict.UNKNOWN and any(
        row["status"] in ANSWERED_STATUSES for row in rows
    )


def settle(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    """The settled verdict after one more run."""
    if result.verdict is Verdict.UNKNOWN or not result.unanimous:
        return SettledVerdict(settled.verdict) if result.has_partial_pass else settled
    if result.verdict.is_passing or result.verdict is settled.verdict:
        return SettledVerdict(result.verdict)
    if result.verdict is Verdict.NOT_APPLICABLE and not settled.allows_completion:
        return SettledVerdict(result.verdict)
    return _contradict(settled, result, reopen_policy)


def _contradict(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    """One more look has contradicted what is believed."""
    if (
        settled.contradicting_runs
        and result.since_previous is not None
        and result.since_previous < MIN_GAP
    ):
        return settled
    runs = settled.contradicting_runs + 1
    since = settled.contradicted_since or result.at
    if settled.allows_completion:
        is_enough = runs >= reopen_policy.runs and result.at - since >= reopen_policy.span
    else:
        is_enough = runs >= RUNS_TO_SETTLE_FAIL
    return (
        SettledVerdict(result.verdict)
        if is_enough
        else SettledVerdict(settled.verdict, runs, since)
    )
