"""Settling: how many agreeing runs make a verdict final. Pure functions: no time source, no
database.

A pass is PASS or WARN. A pass settles quickly and is reopened slowly: a late tick costs a minute, a
false alarm trains people to ignore Gangway.

1. A pass from every authoritative server settles at once. So does NOT_APPLICABLE, unless a pass is
   settled.
2. Without a settled pass, a FAIL settles when a second run, some seconds later, repeats it. It
   informs the person who publishes and changes no task.
3. A settled pass is reopened when several runs over a longer time (`ReopenPolicy`) all contradict
   it, each with every server. A zone reload, one faulty anycast node or a partly written zone file
   is over by then.
4. A run with UNKNOWN, or with a server that did not answer, changes nothing. If any server
   passed, the count of contradicting runs restarts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.outcomes import Outcome, Verdict

RUNS_TO_SETTLE_FAIL = 2
# Two runs closer than this may both fall into one reload of a zone.
MIN_GAP = timedelta(seconds=3)
_SERVERS_DISAGREE = "dns.servers-disagree"


@dataclass(frozen=True)
class ReopenPolicy:
    """How many runs, over which time span, must contradict a settled pass before it is reopened."""

    runs: int = 3
    span: timedelta = timedelta(minutes=10)


# Findings of a task that is not done yet. They are no misconfiguration, unless the check passed
# before.
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
        "delivery-message.direct",
        # Before its cutover, a platform is right to have its former connectors.
        "connection-filter.none",
        "connection-filter.ranges-missing",
        "inbound-connector.none",
        "inbound-connector.disabled",
        "inbound-connector.not-partner",
        "inbound-connector.not-restricting",
        "inbound-connector.restriction-empty",
        "inbound-connector.some-domains",
        "outbound-connector.none",
        "outbound-connector.disabled",
        "outbound-connector.other-hosts",
        "outbound-connector.several",
        "outbound-connector.uses-mx",
        "outbound-connector.one-host",
        "outbound-connector.test-mode",
        "cloud-journaling.none",
        "cloud-journaling.rule-disabled",
        "cloud-journaling.scope",
        "cloud-journaling.no-connector",
        "cloud-journaling.other-hosts",
        "cloud-signing.on",
    }
)
# Findings that inform about a record and are no reason for a FAIL.
INFORMATIONAL_CODES = frozenset(
    {
        "dns.delegation-differs",
        "dns.resolver-behind",
        "dns.alias-without-record",
        "spf.lookups-near-limit",
        "spf.ptr",
        "spf.sampled",
        "spf.hosted",
        "dkim.old-signers",
        "mx.alias",
        "mx.duplicate",
        "mx.ownership-proof",
        "mx.implicit-address",
        "mx.wildcard",
        "mx.names-below",
        "delivery-message.before-switch",
        "inbound-connector.direct-send-open",
        "inbound-connector.no-certificate",
        "cloud-journaling.no-ndr-address",
    }
)


@dataclass(frozen=True)
class SettledVerdict:
    """The settled verdict, and the runs that contradict it since `contradicted_since`."""

    verdict: Verdict | None = None
    contradicting_runs: int = 0
    contradicted_since: datetime | None = None

    @property
    def is_contradicted(self) -> bool:
        """Whether runs contradict the settled verdict, but not yet enough of them."""
        return self.contradicting_runs > 0 and self.verdict is not Verdict.FAIL

    @property
    def allows_completion(self) -> bool:
        """Whether the verdict may complete a task: a pass, or NOT_APPLICABLE."""
        return self.verdict is not None and self.verdict is not Verdict.FAIL


def is_misconfigured(verdict: Verdict, codes: Collection[str], *, was_verified: bool) -> bool:
    """Whether a FAIL is a misconfiguration: the check passed before, or a record is wrong."""
    return verdict is Verdict.FAIL and (
        was_verified or not NOT_DONE_CODES.issuperset(set(codes) - INFORMATIONAL_CODES)
    )


@dataclass(frozen=True)
class RunResult:
    """The result of one run. `since_previous` is the time since the run before it."""

    verdict: Verdict
    at: datetime
    unanimous: bool = True
    # Servers disagree, or one passed and others did not answer.
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
    """Whether servers disagree, or some did not answer and no other server failed.

    If one had failed, the verdict would not be UNKNOWN.
    """
    if any(finding.code == _SERVERS_DISAGREE for finding in outcome.findings):
        return True
    rows = outcome.evidence.get("servers") or ()
    return outcome.verdict is Verdict.UNKNOWN and any(
        row["status"] in ANSWERED_STATUSES for row in rows
    )


def settle(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    """Return the settled verdict after one more run."""
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
    """Count one more run that contradicts the settled verdict."""
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
