"""Resolve a name as a mail server with a validating resolver does.

The operator's resolvers may not validate. So the answers of a zone with a DS record are also
validated at its own servers, as the checks of records do (RFC 4035 section 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.dns import dnssec
from checks.engine.dns.lookup import Answer, Delegation, Lookup, LookupFailure, Record, Records

# An alias can lead through several zones, each with signatures of its own.
_MAX_ZONES = 4


async def resolve_validated(lookup: Lookup, name: str, rtype: str) -> Answer:
    """Return the resolvers' answer, or a LookupFailure with the DNSSEC fault that voids it.

    Costs the delegation of the name and a DS query, and the queries of the validation only in a
    signed zone.
    """
    answer = await lookup.resolve(name, rtype)
    if isinstance(answer, LookupFailure):
        return answer
    names = [name, *(link.value for link in answer.chain)][:_MAX_ZONES]
    for each in names:
        fault = await fault_of(lookup, each, rtype)
        if fault:
            return LookupFailure(fault)
    return answer


async def validate_targets(lookup: Lookup, answers: Sequence[Answer], rtype: str) -> list[Answer]:
    """Return the answers, or a LookupFailure for each whose alias leads to a rejected name.

    The servers of the alias validate nothing about the zone of its target.
    """
    targets = {link.value: "" for each in answers for link in _chain_of(each)[:_MAX_ZONES]}
    for target in sorted(targets):
        targets[target] = await fault_of(lookup, target, rtype)
    faults = [
        next((targets[link.value] for link in _chain_of(each) if targets.get(link.value)), "")
        for each in answers
    ]
    return [
        LookupFailure(fault) if fault else each for each, fault in zip(answers, faults, strict=True)
    ]


def _chain_of(answer: Answer) -> tuple[Record, ...]:
    return () if isinstance(answer, LookupFailure) else answer.chain


async def fault_of(lookup: Lookup, name: str, rtype: str) -> str:
    """Return the DNSSEC fault of one server's answer. One is enough: resolvers may query it."""
    delegation = await lookup.delegation(name)
    if not isinstance(delegation, Delegation) or not delegation.servers:
        return ""
    # The zones of registries are not validated: a fault there concerns every domain.
    if "." not in delegation.zone:
        return ""
    if not isinstance(await lookup.resolve(delegation.zone, "DS"), Records):
        return ""
    answers = await lookup.query_all(delegation.servers, name, rtype)
    failed = (answer.reason for answer in answers if isinstance(answer, LookupFailure))
    return next((reason for reason in failed if reason in dnssec.FAULTS), "")
