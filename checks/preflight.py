"""What today's checks would say of records that are not published yet. Nothing is recorded, and
nobody is asked: the rest of the world is as each check's last look saw it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from checks import raw_answers
from checks.engine.batch import inspect
from checks.engine.outcomes import Kind, Outcome
from checks.engine.proposing import Proposal, ProposedLookup
from checks.engine.recording import replay
from checks.looks import look_for
from checks.models import Check

# Those that DNS alone decides. An MTA-STS policy is fetched, and a message has to be sent.
KINDS = (Kind.OWNERSHIP, Kind.SPF, Kind.DKIM, Kind.DMARC, Kind.MX_TTL, Kind.MX)


@dataclass(frozen=True)
class Judged:
    """A check and what it would say. None where no look has kept what it was told."""

    check: Check
    outcome: Outcome | None


def judge_proposal(checks: Sequence[Check], proposal: Proposal) -> list[Judged]:
    """Each DNS check's outcome as if the proposal were published. Checks come with `latest.raw`,
    tenant and domain. Reads only."""
    wanted = [check for check in checks if check.kind in KINDS]
    return [Judged(check, _outcome(check, proposal)) for check in wanted]


def _outcome(check: Check, proposal: Proposal) -> Outcome | None:
    seen = check.latest
    if seen is None or seen.raw is None:
        return None
    means = replay(raw_answers.read(seen.raw.body), at=seen.last_seen_at)
    proposed = replace(means, lookup=ProposedLookup(proposal, means.lookup))

    async def judge() -> Outcome:
        return await inspect(proposed, look_for(check))

    return asyncio.run(judge())
