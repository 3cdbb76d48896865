"""`check_host` from memory: what a record says of an address, where nothing has to be looked up.

Most records of a batch are a few includes that others have too, so that nearly every check of an
address is one pass over the terms. Whatever is out of the ordinary is left to `check_host`.
"""

from __future__ import annotations

from checks.engine.addresses import Address
from checks.engine.spf_check_host import (
    MAX_VOID_LOOKUPS,
    CheckHostResult,
    Memory,
    Remembered,
    Result,
)
from checks.engine.spf_terms import MAX_LOOKUPS, Policy, Term

_ERRORS = frozenset({Result.NONE, Result.TEMPERROR, Result.PERMERROR})


def recalled(
    address: Address, domain: str, policy: Policy, memory: Memory
) -> CheckHostResult | None:
    """What `check_host` would say of the domain's record; the domain in lower case.

    None where it has to look: at a term that is neither a fixed network nor an include remembered
    for the address, at an error, beyond a limit, or for an explanation. Pure.
    """
    place = address.version, int(address)
    lookups = void_lookups = 0
    for term in policy.mechanisms:
        if term.name == "all" or (term.network is not None and address in term.network):
            return _unless_explained(
                policy,
                CheckHostResult(
                    Result(term.result), lookups, void_lookups, matched=term, path=(domain,)
                ),
            )
        if term.network is not None:
            continue
        known = _included(term, domain, place, memory)
        if known is None:
            return None
        lookups += 1 + known.lookups
        void_lookups += known.void_lookups
        if lookups > MAX_LOOKUPS or void_lookups > MAX_VOID_LOOKUPS:
            return None
        if known.ended.result is Result.PASS:
            return _unless_explained(
                policy,
                CheckHostResult(
                    Result(term.result),
                    lookups,
                    void_lookups,
                    matched=known.ended.matched,
                    path=(domain, *known.ended.path),
                ),
            )
    return _unmatched(policy, domain, lookups, void_lookups)


def _included(term: Term, domain: str, place: tuple[int, int], memory: Memory) -> Remembered | None:
    if term.name != "include" or term.has_macros:
        return None
    known = memory.get((term.plain_target, *place))
    if known is None or domain in known.names or known.ended.result in _ERRORS:
        return None
    return known


def _unless_explained(policy: Policy, result: CheckHostResult) -> CheckHostResult | None:
    return None if result.result is Result.FAIL and policy.exp is not None else result


def _unmatched(
    policy: Policy, domain: str, lookups: int, void_lookups: int
) -> CheckHostResult | None:
    if policy.redirect is not None:
        return None
    return CheckHostResult(Result.NEUTRAL, lookups, void_lookups, path=(domain,))
