"""What chosen resolvers hold, beside what the authoritative servers say: told, and never judged.

A resolver that still has the old answer is how the world sees a change for a while. It moves no
task and changes no verdict; who waits for a change learns who is behind, and for how long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from checks.engine.lookup import Answer, CouldNotTell, Records, sorted_values
from checks.engine.network import Endpoint
from checks.engine.outcomes import Finding, Kind, Outcome
from checks.engine.resolution import NetworkLookup
from checks.engine.servers import ANSWERED, status_of

# Beyond this nobody waits for a resolver: the outcome is known.
PATIENCE_SECONDS = 3.0
_ASKED: Mapping[Kind, tuple[str, str]] = MappingProxyType(
    {
        Kind.OWNERSHIP: ("{}", "TXT"),
        Kind.SPF: ("{}", "TXT"),
        Kind.DMARC: ("_dmarc.{}", "TXT"),
        Kind.MX: ("{}", "MX"),
        Kind.MX_TTL: ("{}", "MX"),
    }
)


async def with_resolvers(outcome: Outcome, lookup: NetworkLookup) -> Outcome:
    """The outcome with the resolvers' answers as evidence, and who is behind as a remark.

    Nobody is asked where the servers differ or did not all answer: then there is nothing yet that
    a resolver could be behind.
    """
    pattern, rtype = _ASKED.get(outcome.kind, ("", ""))
    name = pattern.format(outcome.subject)
    resolvers = lookup.resolvers_for(name) if name else ()
    published = _agreed(outcome.evidence.get("servers", ()))
    if not resolvers or published is None:
        return outcome
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answers = await asyncio.gather(
                *(lookup.ask_resolver(resolver, name, rtype) for resolver in resolvers)
            )
    except TimeoutError:
        return outcome
    rows = [_row(*pair) for pair in zip(resolvers, answers, strict=True)]
    told = replace(outcome, evidence={**outcome.evidence, "resolvers": rows})
    behind = [
        str(row["address"])
        for row, answer in zip(rows, answers, strict=True)
        if not isinstance(answer, CouldNotTell) and row["values"] != published
    ]
    # The seconds left are in the evidence: in the remark they would make every look a new answer.
    remark = Finding("dns.resolver-behind", {"resolvers": behind})
    return told.with_findings([remark]) if behind else told


def _agreed(rows: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """What all servers publish; None where they differ or any gave no answer."""
    answered = all(row["status"] in ANSWERED for row in rows)
    sets = {tuple(row["values"]) for row in rows}
    return list(sets.pop()) if answered and len(sets) == 1 else None


def _row(resolver: Endpoint, answer: Answer) -> dict[str, Any]:
    records = answer if isinstance(answer, Records) else None
    return {
        "address": resolver[0],
        "status": status_of(answer),
        "values": sorted_values(records.values) if records else [],
        # A cache counts down: so long may it go on giving this answer (RFC 1035 section 3.2.1).
        "ttl": records.ttl if records else None,
    }
