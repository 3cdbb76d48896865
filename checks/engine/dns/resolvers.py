"""Add the cached answers of configured resolvers to an outcome.

A resolver with an old answer shows how part of the internet still sees the domain after a change.
It changes no verdict and no task. Users who wait for a change see which resolver is outdated, and
for how many seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from checks.engine.dns.consensus import ANSWERED_STATUSES, status_of
from checks.engine.dns.lookup import Answer, LookupFailure, Records, sorted_values
from checks.engine.dns.network import Endpoint
from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.outcomes import CheckKind, Finding, Outcome

# The verdict exists already, so a slow resolver is not worth a longer wait.
TIMEOUT_SECONDS = 3.0
_QUERIES: Mapping[CheckKind, tuple[str, str]] = MappingProxyType(
    {
        CheckKind.OWNERSHIP: ("{}", "TXT"),
        CheckKind.SPF: ("{}", "TXT"),
        CheckKind.DMARC: ("_dmarc.{}", "TXT"),
        CheckKind.MX: ("{}", "MX"),
        CheckKind.MX_TTL: ("{}", "MX"),
    }
)


async def add_resolver_answers(outcome: Outcome, lookup: NetworkLookup) -> Outcome:
    """Return the outcome with the resolvers' answers as evidence and a finding for outdated ones.

    No resolver is queried when the servers differ or did not all answer: without one published
    value, no resolver can be outdated.
    """
    pattern, rtype = _QUERIES.get(outcome.kind, ("", ""))
    name = pattern.format(outcome.subject)
    resolvers = lookup.resolvers_for(name) if name else ()
    published = _published_values(outcome.evidence.get("servers", ()))
    if not resolvers or published is None:
        return outcome
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            answers = await asyncio.gather(
                *(lookup.query_resolver(resolver, name, rtype) for resolver in resolvers)
            )
    except TimeoutError:
        return outcome
    rows = [_row(*pair) for pair in zip(resolvers, answers, strict=True)]
    updated = replace(outcome, evidence={**outcome.evidence, "resolvers": rows})
    behind = [
        str(row["address"])
        for row, answer in zip(rows, answers, strict=True)
        if not isinstance(answer, LookupFailure) and row["values"] != published
    ]
    # The remaining seconds are only in the evidence. In the finding, they would make every run a
    # new observation.
    if not behind:
        return updated
    return updated.with_findings([Finding("dns.resolver-behind", {"resolvers": behind})])


def _published_values(rows: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Return the values that all servers publish; None when they differ or one has no answer."""
    answered = all(row["status"] in ANSWERED_STATUSES for row in rows)
    sets = {tuple(row["values"]) for row in rows}
    return list(sets.pop()) if answered and len(sets) == 1 else None


def _row(resolver: Endpoint, answer: Answer) -> dict[str, Any]:
    records = answer if isinstance(answer, Records) else None
    return {
        "address": resolver[0],
        "status": status_of(answer),
        "values": sorted_values(records.values) if records else [],
        # A cache counts the TTL down: the answer may persist this long (RFC 1035 section 3.2.1).
        "ttl": records.ttl if records else None,
    }
