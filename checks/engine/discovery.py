"""DNS discovery: suggest profile values from a domain's DNS.

Specified in docs/reference/checks/discovery.md. Results are suggestions, not verdicts: a person
confirms each value before Gangway stores it in the profile.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from checks.engine.dns.consensus import AuthoritativeAnswers, query_authoritative
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    Lookup,
    LookupFailure,
    NoName,
    Records,
)
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.known_providers import (
    COMMON_SELECTORS,
    GATEWAYS,
    PLATFORMS,
    SENDERS,
    dns_provider,
    match_suffix,
)
from checks.engine.mail import mta_sts_policy
from checks.engine.mail.dkim import key_name
from checks.engine.mail.dkim_keys import DkimKey, is_key_like, parse
from checks.engine.mail.dmarc import FoundPolicy, find_policy
from checks.engine.mail.dmarc_discovery import AppliedPolicy
from checks.engine.spf.expansion import ExpansionNode, expand

# Microsoft's DKIM aliases contain the tenant name: the old form, and the form used since 2025.
_ONMICROSOFT = re.compile(r"\._domainkey\.([a-z0-9-]+)\.onmicrosoft\.com$")
_DKIM_MICROSOFT = re.compile(r"\._domainkey\.([a-z0-9-]+)\.[a-z]-v1\.dkim\.mail\.microsoft$")
_MAX_SENDERS = 40
# The questions that can remain unanswered.
QUESTIONS = ("mx", "spf", "dmarc", "mta_sts")
# No service uses this selector. A key at its name shows that a wildcard answers for every selector.
_UNUSED_SELECTOR = "gangway-unused-selector"


@dataclass(frozen=True)
class SpfSender:
    """A term of the SPF record, as written, and the name of its service if known."""

    term: str
    name: str = ""


@dataclass(frozen=True)
class DiscoveryResult:
    """The suggested values. An empty value means that nothing was found.

    `unanswered` lists the questions without a usable answer. `platform` is a value of the plan
    template; `gateway` is the name of the gateway in front of it. `dmarc_domain` is the domain of
    the DMARC record, which can be above the domain. `may_receive_at_address`: the domain has no MX
    record, and its A or AAAA records then receive mail (RFC 5321 section 5.1), or are not known.
    """

    domain: str
    platform: str = ""
    gateway: str = ""
    delivery_host: str = ""
    onmicrosoft: str = ""
    mx: tuple[str, ...] = ()
    mx_ttl: int | None = None
    may_receive_at_address: bool = False
    senders: tuple[SpfSender, ...] = ()
    spf_lookups: int = 0
    dkim_selectors: tuple[str, ...] = ()
    dmarc: str = ""
    dmarc_policy: str = ""
    dmarc_domain: str = ""
    mta_sts: bool = False
    name_servers: tuple[str, ...] = ()
    dns_hosts: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


async def inspect(domain: str, lookup: Lookup) -> DiscoveryResult:
    """Query the domain's DNS once for all suggestions. Never raises for a DNS condition."""
    authoritative, spf, selectors, dmarc, sts, delegation = await asyncio.gather(
        query_authoritative(lookup, domain, "MX"),
        expand(domain, lookup),
        _selectors(domain, lookup),
        find_policy(domain, lookup),
        lookup.resolve(f"_mta-sts.{domain}", "TXT"),
        lookup.delegation(domain),
    )
    exchanges = _exchanges(authoritative)
    ttl = _highest_ttl(authoritative)
    applied = dmarc.applied or AppliedPolicy()
    servers = _name_servers(delegation)
    hosts = sorted({host for host in map(dns_provider, servers) if host})
    return DiscoveryResult(
        domain=domain,
        platform=guess_platform(domain, exchanges, spf.included),
        gateway=next(filter(None, (match_suffix(host, GATEWAYS) for host in exchanges)), ""),
        delivery_host=next(
            (host for host in exchanges if match_suffix(host, PLATFORMS) == "microsoft_365"), ""
        ),
        onmicrosoft=next((name for _, name in selectors if name), ""),
        mx=tuple(exchanges),
        mx_ttl=ttl,
        may_receive_at_address=ttl is None and await _may_have_address(domain, lookup),
        senders=tuple(senders_in(spf)),
        spf_lookups=spf.lookups,
        dkim_selectors=tuple(selector for selector, _ in selectors),
        dmarc=dmarc.text,
        dmarc_policy=applied.policy,
        dmarc_domain=applied.domain,
        mta_sts=isinstance(sts, Records) and bool(mta_sts_policy.select(sts.values)),
        name_servers=tuple(servers),
        dns_hosts=tuple(hosts),
        unanswered=_unanswered(authoritative, spf, dmarc, sts),
    )


async def _may_have_address(domain: str, lookup: Lookup) -> bool:
    """Return False if the domain certainly has neither A nor AAAA records."""
    answers = await asyncio.gather(*(lookup.resolve(domain, rtype) for rtype in ("A", "AAAA")))
    return any(isinstance(answer, Records | LookupFailure) for answer in answers)


def _exchanges(authoritative: AuthoritativeAnswers | NoName | LookupFailure) -> list[str]:
    """Return the MX hosts of all servers by preference, without the root of a null MX."""
    if not isinstance(authoritative, AuthoritativeAnswers):
        return []
    found = {
        (record.preference, record.exchange)
        for _, answer in authoritative.answers
        if isinstance(answer, Records)
        for record in answer.records
        if record.exchange != "."
    }
    return list(dict.fromkeys(host for _, host in sorted(found)))


def _highest_ttl(authoritative: AuthoritativeAnswers | NoName | LookupFailure) -> int | None:
    if not isinstance(authoritative, AuthoritativeAnswers):
        return None
    # The highest counts: caches may have their answer from any server.
    ttls = [answer.ttl for _, answer in authoritative.answers if isinstance(answer, Records)]
    return max(ttls, default=None)


def guess_platform(domain: str, exchanges: Sequence[str], included: Sequence[str]) -> str:
    """Guess the platform from MX, then from SPF (behind a gateway), then from own hosts. Pure."""
    by_mx = next(filter(None, (match_suffix(host, PLATFORMS) for host in exchanges)), "")
    if by_mx:
        return by_mx
    included_senders = {match_suffix(name, SENDERS) for name in included}
    for sender, platform in (
        ("Microsoft 365", "microsoft_365"),
        ("Google Workspace", "google_workspace"),
    ):
        if sender in included_senders:
            return platform
    own = [h for h in exchanges if organisational_domain(h) == organisational_domain(domain)]
    return "on_premises" if own else ""


def senders_in(spf: ExpansionNode) -> list[SpfSender]:
    """Return the terms of the domain's own record that authorise a sender. Pure."""
    return [
        SpfSender(term.text, match_suffix(term.target, SENDERS) if term.target else "")
        for term in spf.children[:_MAX_SENDERS]
        if term.name != "all" and term.qualifier == "+"
    ]


async def _selectors(domain: str, lookup: Lookup) -> list[tuple[str, str]]:
    """Return the common selectors that publish a key, each with its onmicrosoft tenant or ""."""
    unused, *answers = await asyncio.gather(
        *(
            lookup.resolve(key_name(selector, domain), "TXT")
            for selector in (_UNUSED_SELECTOR, *COMMON_SELECTORS)
        )
    )
    if _has_key(unused):
        # A wildcard answers for every selector, so a key at any of them proves nothing.
        return []
    found = zip(COMMON_SELECTORS, answers, strict=True)
    return [
        (selector, _onmicrosoft_tenant(answer)) for selector, answer in found if _has_key(answer)
    ]


def _has_key(answer: Answer) -> bool:
    if not isinstance(answer, Records):
        return False
    keys = [parse(value) for value in answer.values if is_key_like(value)]
    return any(isinstance(key, DkimKey) and not key.is_revoked for key in keys)


def _onmicrosoft_tenant(answer: Answer) -> str:
    for link in answer.chain if isinstance(answer, Records) else ():
        match = _ONMICROSOFT.search(link.value) or _DKIM_MICROSOFT.search(link.value)
        if match:
            return f"{match.group(1)}.onmicrosoft.com"
    return ""


def _name_servers(delegation: Delegation | NoName | LookupFailure) -> list[str]:
    if not isinstance(delegation, Delegation):
        return []
    names = {server.name for server in delegation.servers}
    return sorted(names | {*delegation.unresolved, *delegation.addressless})


def _unanswered(
    authoritative: AuthoritativeAnswers | NoName | LookupFailure,
    spf: ExpansionNode,
    dmarc: FoundPolicy,
    sts: Answer,
) -> tuple[str, ...]:
    unanswered = {
        "mx": not isinstance(authoritative, AuthoritativeAnswers)
        or all(isinstance(answer, LookupFailure) for _, answer in authoritative.answers),
        "spf": any(problem == "lookup-failed" for problem, _ in spf.problems),
        "dmarc": dmarc.applied is None,
        "mta_sts": isinstance(sts, LookupFailure),
    }
    return tuple(question for question in QUESTIONS if unanswered[question])
