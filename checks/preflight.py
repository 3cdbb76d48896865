"""Judge records that are not published yet. Nothing is recorded and no server is queried.

All other facts are those of the newest run of each check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from checks import raw_answers
from checks.engine.batch import inspect
from checks.engine.mail import mta_sts
from checks.engine.outcomes import CheckKind, Outcome
from checks.engine.preflight import ProposedLookup, ProposedRecords
from checks.engine.recording import replay_clients
from checks.models import Check
from checks.region_facts import region_facts
from checks.runs import build_request

# The kinds that DNS alone decides. An MTA-STS policy is a file, proposed together with the records.
# A message must be sent.
KINDS = (
    CheckKind.OWNERSHIP,
    CheckKind.SPF,
    CheckKind.DKIM,
    CheckKind.DMARC,
    CheckKind.MX_TTL,
    CheckKind.MX,
)


@dataclass(frozen=True)
class PreflightResult:
    """A check and its outcome for the proposal. None when no run has stored its raw answers.

    `is_affected` is False if the proposal has no record that the check reads: then the outcome is
    today's, and not one of the proposal.
    """

    check: Check
    outcome: Outcome | None
    is_affected: bool = True


def run_preflight(
    checks: Sequence[Check], proposal: ProposedRecords, *, policy: bytes | None = None
) -> list[PreflightResult]:
    """Return the outcome of each DNS check as if the proposal were published. Reads only.

    The MTA-STS check assumes that `policy` is served. Checks come with `latest.raw`, tenant and
    domain.
    """
    kinds = KINDS if policy is None else (*KINDS, CheckKind.MTA_STS)
    wanted = [check for check in checks if check.kind in kinds]
    return [_result(check, proposal, policy) for check in wanted]


def _result(check: Check, proposal: ProposedRecords, policy: bytes | None) -> PreflightResult:
    seen = check.latest
    if seen is None or seen.raw is None:
        return PreflightResult(check, None)
    means = replay_clients(raw_answers.read(seen.raw.body), at=seen.last_seen_at)
    lookup = ProposedLookup(proposal, means.lookup)
    proposed = replace(means, lookup=lookup)

    async def judge() -> Outcome:
        if check.kind == CheckKind.MTA_STS and policy is not None:
            region = region_facts(check.tenant.region_values)
            return await mta_sts.inspect_proposed(check.subject, region, proposed.lookup, policy)
        return await inspect(proposed, build_request(check))

    outcome = lookup.judged(asyncio.run(judge()))
    has_policy = check.kind == CheckKind.MTA_STS and policy is not None
    return PreflightResult(check, outcome, is_affected=bool(lookup.used) or has_policy)
