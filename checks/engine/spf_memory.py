"""`check_host` from memory: what a record says of an address, where nothing has to be looked up.

Most records of a batch are a few includes that others have too, so that nearly every check of an
address is one pass over the terms. Whatever is out of the ordinary is left to `check_host`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from checks.engine.addresses import Address, IPNetwork
from checks.engine.lookup import CouldNotTell, Lookup, Records
from checks.engine.spf_check_host import (
    MAX_HOSTS,
    MAX_VOID_LOOKUPS,
    CheckHostResult,
    Memory,
    Result,
)
from checks.engine.spf_terms import MAX_LOOKUPS, Policy, Term, network_of

_ERRORS = frozenset({Result.NONE, Result.TEMPERROR, Result.PERMERROR})


@dataclass(frozen=True, slots=True)
class _Listed:
    """What an `a` or `mx` term lists for one kind of address, and the empty answers on the way."""

    networks: tuple[IPNetwork, ...]
    void_lookups: int = 0


# By the term's text and the IP version.
Hosts = Mapping[tuple[str, int], _Listed]


async def hosts_of(policy: Policy, domain: str, lookup: Lookup) -> Hosts:
    """What the record's own `a` and `mx` terms list; without those that are for `check_host`."""
    found: dict[tuple[str, int], _Listed] = {}
    terms = [term for term in policy.evaluated if term.name in ("a", "mx")]
    for term in terms[:MAX_LOOKUPS]:
        for version, rtype in ((4, "A"), (6, "AAAA")):
            if not term.has_macros:
                listed = await _listed(term, term.plain_target or domain, rtype, lookup)
                if listed is not None:
                    found[term.text, version] = listed
    return found


async def _listed(term: Term, target: str, rtype: str, lookup: Lookup) -> _Listed | None:
    """RFC 7208 sections 5.3 and 5.4; None where it ends in an error."""
    names = [target]
    if term.name == "mx":
        exchanges = await lookup.resolve(target, "MX")
        if not isinstance(exchanges, Records):
            return None if isinstance(exchanges, CouldNotTell) else _Listed((), 1)
        if len(exchanges.records) > MAX_HOSTS:
            return None
        names = [record.exchange for record in exchanges.records]
    answers = [await lookup.resolve(name, rtype) for name in names]
    if any(isinstance(answer, CouldNotTell) for answer in answers):
        return None
    values = [value for a in answers if isinstance(a, Records) for value in a.values]
    # An exchange without addresses is no empty answer in the sense of section 4.6.4.
    is_void = term.name == "a" and not values
    return _Listed(tuple([network_of(value, term) for value in values]), int(is_void))


def recalled(
    address: Address, domain: str, policy: Policy, memory: Memory, hosts: Hosts
) -> CheckHostResult | None:
    """What `check_host` would say of the domain's record; the domain in lower case.

    None where it has to look: at a term that is neither a fixed network, nor in `hosts`, nor an
    include remembered for the address; at an error, beyond a limit, or for an explanation. Pure.
    """
    place = address.version, int(address)
    lookups = void_lookups = 0
    for term in policy.mechanisms:
        found = _found(term, domain, address, place, memory, hosts)
        if found is None:
            return None
        lookups += found.lookups
        void_lookups += found.void_lookups
        if lookups > MAX_LOOKUPS or void_lookups > MAX_VOID_LOOKUPS:
            return None
        if found.matched is not None:
            result = Result(term.result)
            if result is Result.FAIL and policy.exp is not None:
                return None
            path = (domain, *found.path)
            return CheckHostResult(result, lookups, void_lookups, matched=found.matched, path=path)
    if policy.redirect is not None:
        return None
    return CheckHostResult(Result.NEUTRAL, lookups, void_lookups, path=(domain,))


class _Found(NamedTuple):
    """What one term came to: the term that matched, if one did, and what was spent."""

    matched: Term | None
    lookups: int = 0
    void_lookups: int = 0
    path: tuple[str, ...] = ()


_NOT = _Found(None)


def _found(
    term: Term,
    domain: str,
    address: Address,
    place: tuple[int, int],
    memory: Memory,
    hosts: Hosts,
) -> _Found | None:
    if term.network is not None:
        return _Found(term) if address in term.network else _NOT
    if term.name == "all":
        return _Found(term)
    if term.name == "include":
        return _included(term, domain, place, memory)
    listed = hosts.get((term.text, place[0]))
    if listed is None:
        return None
    is_listed = any(address in network for network in listed.networks)
    return _Found(term if is_listed else None, 1, listed.void_lookups)


def _included(term: Term, domain: str, place: tuple[int, int], memory: Memory) -> _Found | None:
    known = None if term.has_macros else memory.get((term.plain_target, *place))
    if known is None or domain in known.names or known.ended.result in _ERRORS:
        return None
    ended = known.ended
    matched = ended.matched if ended.result is Result.PASS else None
    return _Found(matched, 1 + known.lookups, known.void_lookups, ended.path)
