"""When an answer is believed. Pure functions: no clock, no database.

1. A yes (PASS or WARN) that every authoritative server gave settles at once.
2. A no that every server gave settles when a second look, some seconds later, says it again.
3. A look that could not tell changes nothing. Servers that differ change nothing either, but the
   count of noes begins anew: some server said yes since.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from checks.engine.outcomes import Verdict

LOOKS_TO_SETTLE_A_NO = 2
# Two looks closer than this may both have met one reload of a zone.
APART = timedelta(seconds=3)

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
    """What is believed of a check, and how many looks in a row have said no since."""

    verdict: Verdict | None = None
    failing_looks: int = 0

    @property
    def is_being_doubted(self) -> bool:
        """A no was seen that no second look has confirmed yet."""
        return 0 < self.failing_looks < LOOKS_TO_SETTLE_A_NO


def is_at_fault(verdict: Verdict, codes: Collection[str], *, was_yes: bool) -> bool:
    """Whether a no is a fault worth telling: something broke, or something is published wrongly."""
    return verdict is Verdict.FAIL and (
        was_yes or not NOT_TAKEN_YET.issuperset(set(codes) - REMARKS)
    )


def settle(
    standing: Standing, verdict: Verdict, *, unanimous: bool, since_last: timedelta | None = None
) -> Standing:
    """The standing after one more look that came to `verdict`, `since_last` after the last one."""
    if verdict is Verdict.UNKNOWN:
        return standing
    if not unanimous:
        return Standing(standing.verdict)
    if verdict is not Verdict.FAIL:
        return Standing(verdict)
    if standing.failing_looks and since_last is not None and since_last < APART:
        return standing
    failing_looks = standing.failing_looks + 1
    if failing_looks >= LOOKS_TO_SETTLE_A_NO:
        return Standing(Verdict.FAIL, failing_looks)
    return Standing(standing.verdict, failing_looks)
