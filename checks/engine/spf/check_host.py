"""`check_host` of RFC 7208: the SPF result for one address, sender and HELO name."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from checks.engine.dns.lookup import Answer, Lookup, LookupFailure, NoName, NoRecord, Records
from checks.engine.spf.macros import MacroValues, expand, expand_name, is_macro_string
from checks.engine.spf.terms import (
    MAX_LOOKUPS,
    BadSyntax,
    SpfPolicy,
    Term,
    network_of,
    parse,
    select,
)

MAX_VOID_LOOKUPS = 2
MAX_HOSTS = 10
_LIMITS = ("too-many-lookups", "too-many-void-lookups")


class SpfResult(StrEnum):
    """The results of RFC 7208 section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True)
class CheckHostResult:
    """The result of `check_host` with its reason.

    - `problem`: a stable code for an early end (syntax, several-records, too-many-lookups,
      too-many-void-lookups, too-many-hosts, no-record, lookup-failed); `detail` is its subject.
    - `matched`: the term that decided.
    - `path`: the domains whose records led to it, outermost first.
    - `is_dynamic`: a term depended on more than a fixed list of addresses, so that a neighbouring
      address may have another result.
    """

    result: SpfResult
    lookups: int = 0
    void_lookups: int = 0
    explanation: str = ""
    problem: str = ""
    detail: str = ""
    matched: Term | None = None
    path: tuple[str, ...] = ()
    is_dynamic: bool = False


@dataclass(frozen=True)
class RecordResult:
    """The outcome of one record: a result, or an error that ends the whole check."""

    result: SpfResult
    problem: str = ""
    detail: str = ""
    matched: Term | None = None
    path: tuple[str, ...] = ()
    exp: Term | None = None
    exp_domain: str = ""


@dataclass(frozen=True, slots=True)
class CachedInclude:
    """The result of an included record for an address, its lookups, and the domains it read."""

    record_result: RecordResult
    lookups: int
    void_lookups: int
    names: frozenset[str]


# Results of includes by domain and address. Valid for one batch, in which answers do not change.
IncludeResults = dict[tuple[str, int, int], CachedInclude]


@dataclass
class _Check:
    """The state of one check: its arguments, and the lookups so far."""

    ip: IPv4Address | IPv6Address
    sender: str
    helo: str
    lookup: Lookup
    lookups: int = 0
    void_lookups: int = 0
    validated: list[str] | None = field(default=None)
    is_dynamic: bool = False
    include_results: IncludeResults | None = None
    subject: str = ""
    # Of the current record and its includes: whether only fixed addresses decided, so that the
    # result is equal for every sender, and the domains whose records were read.
    is_cacheable: bool = True
    names: set[str] = field(default_factory=set)

    @property
    def rtype(self) -> str:
        return "A" if self.ip.version == 4 else "AAAA"

    def macro_values(self, domain: str) -> MacroValues:
        return MacroValues(
            self.ip, domain, self.sender, self.helo, lambda: _validated_name(self, domain)
        )


async def check_host(
    ip: str | IPv4Address | IPv6Address,
    domain: str,
    sender: str,
    helo: str,
    *,
    lookup: Lookup,
    include_results: IncludeResults | None = None,
) -> CheckHostResult:
    """Evaluate SPF for mail from `ip` (RFC 7208 section 4). Never raises for a DNS condition.

    `include_results` contains the results of includes in earlier checks of a batch. This check adds
    its own.
    """
    domain = domain.removesuffix(".")
    if not is_fqdn(domain):
        return CheckHostResult(SpfResult.NONE)
    address = ip_address(ip)
    # RFC 7208 section 5: an IPv4-mapped address matches the ip4 terms.
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # RFC 7208 section 4.3: a sender without a local part counts as postmaster.
    sender = sender if "@" in sender else f"postmaster@{sender}"
    if sender.startswith("@"):
        sender = "postmaster" + sender
    check = _Check(
        address, sender, helo, lookup, include_results=include_results, subject=domain.lower()
    )
    record_result = await _check_domain(check, domain)
    explanation = (
        await _explain(check, record_result) if record_result.result is SpfResult.FAIL else ""
    )
    return CheckHostResult(
        result=record_result.result,
        lookups=check.lookups,
        void_lookups=check.void_lookups,
        explanation=explanation,
        problem=record_result.problem,
        detail=record_result.detail,
        matched=record_result.matched,
        path=record_result.path,
        is_dynamic=check.is_dynamic,
    )


@functools.lru_cache(maxsize=4096)
def is_fqdn(domain: str) -> bool:
    """Return whether the name is valid (section 4.3): labels of 1 to 63, 253 in all, no literal."""
    labels = domain.split(".")
    fits = all(0 < len(label) <= 63 for label in labels)
    return len(labels) > 1 and fits and len(domain) <= 253 and not domain.endswith("]")


async def _check_domain(check: _Check, domain: str) -> RecordResult:
    """Fetch, select, parse and evaluate a record (sections 4.4 to 4.6)."""
    check.names.add(domain.lower())
    answer = await check.lookup.resolve(domain, "TXT") if is_fqdn(domain) else NoName()
    if isinstance(answer, LookupFailure):
        return _lookup_failed(domain, answer)
    records = select(answer.values) if isinstance(answer, Records) else []
    if not records:
        return RecordResult(SpfResult.NONE, "no-record", domain)
    if len(records) > 1:
        return RecordResult(SpfResult.PERMERROR, "several-records", domain)
    policy = parse(records[0])
    if isinstance(policy, BadSyntax):
        return RecordResult(SpfResult.PERMERROR, "syntax", policy.term)
    return await _evaluate(check, domain, policy)


def _lookup_failed(name: str, answer: LookupFailure) -> RecordResult:
    return RecordResult(SpfResult.TEMPERROR, "lookup-failed", f"{name}: {answer.reason}")


async def _evaluate(check: _Check, domain: str, policy: SpfPolicy) -> RecordResult:
    """Evaluate left to right: first match (section 4.6.2), then redirect, then neutral."""
    for term in policy.mechanisms:
        matched = await _matches(check, domain, term)
        if isinstance(matched, RecordResult):
            # Section 6.2: an include that matches explains with the including record's `exp`.
            if not matched.problem:
                return replace(matched, exp=policy.exp, exp_domain=domain)
            return matched
        if matched:
            return RecordResult(
                SpfResult(term.result),
                matched=term,
                path=(domain,),
                exp=policy.exp,
                exp_domain=domain,
            )
    if policy.redirect is not None:
        return await _redirect(check, domain, policy.redirect)
    return RecordResult(SpfResult.NEUTRAL, path=(domain,))


async def _redirect(check: _Check, domain: str, term: Term) -> RecordResult:
    """Evaluate a redirect (section 6.1): a target without a record is an error.

    The explanation of the target replaces that of the record.
    """
    limit_error = _count_term(check, term)
    if limit_error is not None:
        return limit_error
    target = await _target(check, domain, term)
    record_result = await _check_domain(check, target)
    # Section 6.1: a redirect to a domain without a record is a permerror.
    if record_result.result is SpfResult.NONE:
        return RecordResult(SpfResult.PERMERROR, "no-record", target)
    return replace(record_result, path=(domain, *record_result.path))


def _count_term(check: _Check, term: Term) -> RecordResult | None:
    # Counted before the evaluation, so that the eleventh lookup is never sent (section 4.6.4).
    check.lookups += term.costs_lookup
    check.is_dynamic = check.is_dynamic or term.is_dynamic
    if term.is_dynamic or term.has_macros:
        check.is_cacheable = False
    if check.lookups > MAX_LOOKUPS:
        return RecordResult(SpfResult.PERMERROR, "too-many-lookups", term.text)
    return None


async def _matches(check: _Check, domain: str, term: Term) -> bool | RecordResult:
    limit_error = _count_term(check, term)
    if limit_error is not None:
        return limit_error
    match term.name:
        case "all":
            return True
        case "ip4" | "ip6":
            return term.network is not None and check.ip in term.network
        case "ptr":
            return await _ptr_matches(check, domain, term)
    target = await _target(check, domain, term)
    match term.name:
        case "include":
            return await _include_matches(check, domain, target, term)
        case "a":
            return await _a_matches(check, target, term)
        case "mx":
            return await _mx_matches(check, target, term)
    return await _exists(check, target)


async def _target(check: _Check, domain: str, term: Term) -> str:
    if term.has_macros:
        return await expand_name(term.target, check.macro_values(domain))
    return term.plain_target or domain


async def _include_matches(
    check: _Check, domain: str, target: str, term: Term
) -> bool | RecordResult:
    """Evaluate an include (the table of section 5.2)."""
    record_result = await _check_included(check, target)
    match record_result.result:
        case SpfResult.PASS:
            return RecordResult(
                SpfResult(term.result),
                matched=record_result.matched,
                path=(domain, *record_result.path),
            )
        case SpfResult.TEMPERROR | SpfResult.PERMERROR:
            return record_result
        case SpfResult.NONE:
            return RecordResult(SpfResult.PERMERROR, "no-record", target)
    return False


async def _check_included(check: _Check, target: str) -> RecordResult:
    """Run `_check_domain`, or return its earlier result if it can only be equal."""
    if check.include_results is None:
        return await _check_domain(check, target)
    # By number, because an address object is slow to hash.
    key = (target, check.ip.version, int(check.ip))
    known = check.include_results.get(key)
    if known is not None and _is_reusable(check, known):
        check.lookups += known.lookups
        check.void_lookups += known.void_lookups
        check.names |= known.names
        return known.record_result
    # The include is measured alone, then the state of the outer record is restored.
    outer = check.is_cacheable, check.names, check.lookups, check.void_lookups
    check.is_cacheable, check.names = True, set()
    record_result = await _check_domain(check, target)
    is_cacheable, names, lookups, void_lookups = outer
    # A loop back to the subject's own record ends at a limit. Its result depends on the lookups
    # before it, so it is not stored.
    if check.is_cacheable and record_result.problem not in _LIMITS:
        check.include_results[key] = CachedInclude(
            record_result,
            check.lookups - lookups,
            check.void_lookups - void_lookups,
            frozenset(check.names),
        )
    check.is_cacheable, check.names = is_cacheable and check.is_cacheable, names | check.names
    return record_result


def _is_reusable(check: _Check, known: CachedInclude) -> bool:
    """Return False if a limit could be reached, or if the branch reads the subject's own record."""
    return (
        check.lookups + known.lookups <= MAX_LOOKUPS
        and check.void_lookups + known.void_lookups <= MAX_VOID_LOOKUPS
        and check.subject not in known.names
    )


async def _resolve_counted(check: _Check, name: str, rtype: str) -> Answer | RecordResult:
    """Resolve, and count an empty answer: more than two end the check (section 4.6.4)."""
    answer = await check.lookup.resolve(name, rtype) if name else NoName()
    if isinstance(answer, LookupFailure):
        return _lookup_failed(name, answer)
    if isinstance(answer, NoName | NoRecord):
        check.void_lookups += 1
        if check.void_lookups > MAX_VOID_LOOKUPS:
            return RecordResult(SpfResult.PERMERROR, "too-many-void-lookups", name)
    return answer


async def _a_matches(check: _Check, target: str, term: Term) -> bool | RecordResult:
    answer = await _resolve_counted(check, target, check.rtype)
    if isinstance(answer, RecordResult):
        return answer
    return _any_in_network(check, answer, term)


def _any_in_network(check: _Check, answer: Answer, term: Term) -> bool:
    if not isinstance(answer, Records):
        return False
    return any(check.ip in network_of(address, term) for address in answer.values)


async def _mx_matches(check: _Check, target: str, term: Term) -> bool | RecordResult:
    """Evaluate `mx` (section 5.4); more than ten exchanges are an error (section 4.6.4)."""
    answer = await _resolve_counted(check, target, "MX")
    if isinstance(answer, RecordResult):
        return answer
    if not isinstance(answer, Records):
        return False
    if len(answer.records) > MAX_HOSTS:
        return RecordResult(SpfResult.PERMERROR, "too-many-hosts", target)
    for record in answer.records:
        # Not counted as void: section 4.6.4 limits these queries by the number of exchanges.
        addresses = await check.lookup.resolve(record.exchange, check.rtype)
        if isinstance(addresses, LookupFailure):
            return _lookup_failed(record.exchange, addresses)
        if _any_in_network(check, addresses, term):
            return True
    return False


async def _exists(check: _Check, target: str) -> bool | RecordResult:
    """Evaluate `exists` (section 5.7): an A record, also for an IPv6 sender."""
    answer = await _resolve_counted(check, target, "A")
    return answer if isinstance(answer, RecordResult) else isinstance(answer, Records)


async def _ptr_matches(check: _Check, domain: str, term: Term) -> bool | RecordResult:
    target = await expand_name(term.target, check.macro_values(domain)) if term.target else domain
    names = await _validated_names(check)
    return any(_is_within(name, target) for name in names)


async def _validated_names(check: _Check) -> list[str]:
    """Return the first ten PTR names whose addresses include the sender's (section 5.5).

    A name whose lookup fails is skipped.
    """
    if check.validated is None:
        answer = await check.lookup.resolve(check.ip.reverse_pointer, "PTR")
        names = answer.values[:MAX_HOSTS] if isinstance(answer, Records) else ()
        check.validated = [name for name in names if await _points_back(check, name)]
    return check.validated


async def _points_back(check: _Check, name: str) -> bool:
    answer = await check.lookup.resolve(name.removesuffix("."), check.rtype)
    return isinstance(answer, Records) and check.ip in map(ip_address, answer.values)


def _is_within(name: str, domain: str) -> bool:
    name, domain = name.lower().removesuffix("."), domain.lower()
    return name == domain or name.endswith("." + domain)


async def _validated_name(check: _Check, domain: str) -> str:
    """Return `%{p}` (section 7.3): the domain, else a subdomain, else any name, else "unknown"."""
    names = await _validated_names(check)
    exact = [name for name in names if name.lower() == domain.lower()]
    within = [name for name in names if _is_within(name, domain)]
    return (exact or within or names or ["unknown"])[0]


async def _explain(check: _Check, record_result: RecordResult) -> str:
    """Return the explanation (section 6.2): one TXT record of valid syntax, or ""."""
    if record_result.exp is None:
        return ""
    macro_values = check.macro_values(record_result.exp_domain)
    target = await expand_name(record_result.exp.target, macro_values)
    answer = await check.lookup.resolve(target, "TXT") if is_fqdn(target) else NoName()
    if not isinstance(answer, Records) or len(answer.records) != 1:
        return ""
    text = answer.values[0]
    if not text.isascii() or not is_macro_string(text, with_spaces=True):
        return ""
    return await expand(text, macro_values)
