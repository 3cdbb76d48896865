"""What today's checks would say of records that are not published yet. Nothing is recorded, and
nobody is asked: the rest of the world is as each check's last look saw it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from checks import raw_answers
from checks.engine import mta_sts
from checks.engine.batch import inspect
from checks.engine.outcomes import Kind, Outcome
from checks.engine.proposing import Proposal, ProposedLookup
from checks.engine.recording import replay
from checks.looks import look_for
from checks.models import Check
from checks.region_facts import region_facts

# Those that DNS alone decides. An MTA-STS policy is a file, which may be proposed beside the
# records; a message has to be sent.
KINDS = (Kind.OWNERSHIP, Kind.SPF, Kind.DKIM, Kind.DMARC, Kind.MX_TTL, Kind.MX)


@dataclass(frozen=True)
class Judged:
    """A check and what it would say. None where no look has kept what it was told."""

    check: Check
    outcome: Outcome | None


def judge_proposal(
    checks: Sequence[Check], proposal: Proposal, *, policy: bytes | None = None
) -> list[Judged]:
    """Each DNS check's outcome as if the proposal were published, and the MTA-STS check's as if
    `policy` were served. Checks come with `latest.raw`, tenant and domain. Reads only."""
    kinds = KINDS if policy is None else (*KINDS, Kind.MTA_STS)
    wanted = [check for check in checks if check.kind in kinds]
    return [Judged(check, _outcome(check, proposal, policy)) for check in wanted]


def _outcome(check: Check, proposal: Proposal, policy: bytes | None) -> Outcome | None:
    seen = check.latest
    if seen is None or seen.raw is None:
        return None
    means = replay(raw_answers.read(seen.raw.body), at=seen.last_seen_at)
    proposed = replace(means, lookup=ProposedLookup(proposal, means.lookup))

    async def judge() -> Outcome:
        if check.kind == Kind.MTA_STS and policy is not None:
            region = region_facts(check.tenant.region_values)
            return await mta_sts.inspect_proposed(check.subject, region, proposed.lookup, policy)
        return await inspect(proposed, look_for(check))

    return asyncio.run(judge())
