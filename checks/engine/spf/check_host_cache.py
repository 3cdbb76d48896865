"""`check_host` from cached results: evaluate a record for an address without DNS queries.

Most records of a batch consist of a few common includes. So nearly every evaluation is one pass
over the terms. `check_host` evaluates the exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from checks.engine.addresses import Address, IPNetwork
from checks.engine.dns.lookup import Lookup, LookupFailure, Records
from checks.engine.spf.check_host import (
    MAX_HOSTS,
    MAX_VOID_LOOKUPS,
    CheckHostResult,
    IncludeResults,
    SpfResult,
)
from checks.engine.spf.terms import MAX_LOOKUPS, SpfPolicy, Term, network_of

_ERRORS = frozenset({SpfResult.NONE, SpfResult.TEMPERROR, SpfResult.PERMERROR})


@dataclass(frozen=True, slots=True)
class _HostNetworks:
    """The networks of an `a` or `mx` term for one IP version, and its empty answers."""

    networks: tuple[IPNetwork, ...]
    void_lookups: int = 0


# By the term's text and the IP version.
ListedHosts = Mapping[tuple[str, int], _HostNetworks]


async def resolve_listed_hosts(policy: SpfPolicy, domain: str, lookup: Lookup) -> ListedHosts:
    """Resolve the record's own `a` and `mx` terms, except those that only `check_host` can."""
    resolved: dict[tuple[str, int], _HostNetworks] = {}
    terms = [term for term in policy.evaluated if term.name in ("a", "mx")]
    # Terms beyond the limit of section 4.6.4 are never evaluated.
    for term in terms[:MAX_LOOKUPS]:
        for version, rtype in ((4, "A"), (6, "AAAA")):
            if not term.has_macros:
                listed = await _resolve_term(term, term.plain_target or domain, rtype, lookup)
                if listed is not None:
                    resolved[term.text, version] = listed
    return resolved


async def _resolve_term(
    term: Term, target: str, rtype: str, lookup: Lookup
) -> _HostNetworks | None:
    """Resolve one term (RFC 7208 sections 5.3 and 5.4); None when it ends in an error."""
    names = [target]
    if term.name == "mx":
        exchanges = await lookup.resolve(target, "MX")
        if not isinstance(exchanges, Records):
            return None if isinstance(exchanges, LookupFailure) else _HostNetworks((), 1)
        if len(exchanges.records) > MAX_HOSTS:
            return None
        names = [record.exchange for record in exchanges.records]
    answers = [await lookup.resolve(name, rtype) for name in names]
    if any(isinstance(answer, LookupFailure) for answer in answers):
        return None
    values = [value for a in answers if isinstance(a, Records) for value in a.values]
    # An exchange without addresses is not a void lookup in the sense of section 4.6.4.
    is_void = term.name == "a" and not values
    return _HostNetworks(tuple([network_of(value, term) for value in values]), int(is_void))


def check_host_cached(
    address: Address,
    domain: str,
    policy: SpfPolicy,
    include_results: IncludeResults,
    hosts: ListedHosts,
) -> CheckHostResult | None:
    """Return the result of `check_host` for the domain's record; `domain` is in lower case.

    None when `check_host` must evaluate it:

    - a term is not a fixed network, not in `hosts`, and not an include cached for the address;
    - an error occurs, a limit is exceeded, or an explanation is needed.

    Pure.
    """
    address_key = address.version, int(address)
    lookups = void_lookups = 0
    for term in policy.mechanisms:
        match = _match_term(term, domain, address, address_key, include_results, hosts)
        if match is None:
            return None
        lookups += match.lookups
        void_lookups += match.void_lookups
        if lookups > MAX_LOOKUPS or void_lookups > MAX_VOID_LOOKUPS:
            return None
        if match.matched is not None:
            result = SpfResult(term.result)
            # The explanation needs a query (section 6.2).
            if result is SpfResult.FAIL and policy.exp is not None:
                return None
            path = (domain, *match.path)
            return CheckHostResult(result, lookups, void_lookups, matched=match.matched, path=path)
    if policy.redirect is not None:
        return None
    return CheckHostResult(SpfResult.NEUTRAL, lookups, void_lookups, path=(domain,))


class _TermMatch(NamedTuple):
    """The result of one term: the term that matched, if any, and its lookups."""

    matched: Term | None
    lookups: int = 0
    void_lookups: int = 0
    path: tuple[str, ...] = ()


_NO_MATCH = _TermMatch(None)


def _match_term(
    term: Term,
    domain: str,
    address: Address,
    address_key: tuple[int, int],
    include_results: IncludeResults,
    hosts: ListedHosts,
) -> _TermMatch | None:
    if term.network is not None:
        return _TermMatch(term) if address in term.network else _NO_MATCH
    if term.name == "all":
        return _TermMatch(term)
    if term.name == "include":
        return _match_include(term, domain, address_key, include_results)
    listed = hosts.get((term.text, address_key[0]))
    if listed is None:
        return None
    is_listed = any(address in network for network in listed.networks)
    return _TermMatch(term if is_listed else None, 1, listed.void_lookups)


def _match_include(
    term: Term, domain: str, address_key: tuple[int, int], include_results: IncludeResults
) -> _TermMatch | None:
    known = None if term.has_macros else include_results.get((term.plain_target, *address_key))
    if known is None or domain in known.names or known.record_result.result in _ERRORS:
        return None
    record_result = known.record_result
    matched = record_result.matched if record_result.result is SpfResult.PASS else None
    return _TermMatch(matched, 1 + known.lookups, known.void_lookups, record_result.path)
