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

    Costs the NS queries up to the zone and a DS query at the resolvers. Only a signed zone costs
    the queries of the validation at its servers.
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
    zone = await _zone_of(name, lookup)
    # The zones of registries are not validated: a fault there concerns every domain.
    if "." not in zone or not isinstance(await lookup.resolve(zone, "DS"), Records):
        return ""
    delegation = await lookup.delegation(name)
    if not isinstance(delegation, Delegation) or not delegation.servers:
        return ""
    answers = await lookup.query_all(delegation.servers, name, rtype)
    failed = (answer.reason for answer in answers if isinstance(answer, LookupFailure))
    return next((reason for reason in failed if reason in dnssec.FAULTS), "")


async def _zone_of(name: str, lookup: Lookup) -> str:
    """Return the zone of the name according to the resolvers, "" when it is not known.

    An unsigned zone needs no query to its servers, which this machine may not reach.
    """
    while name:
        answer = await lookup.resolve(name, "NS")
        if isinstance(answer, LookupFailure):
            return ""
        if isinstance(answer, Records) and not answer.chain:
            return name
        name = name.partition(".")[2]
    return ""
