"""Additional findings of the MX check: targets of the records, and mail for names below the domain.

They never affect the verdict, so only the resolvers are queried.
"""

from __future__ import annotations

from checks.engine.dns.consensus import AuthoritativeAnswers
from checks.engine.dns.lookup import Lookup, LookupFailure, Records
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import Finding

_MAX_ALIASES_SHOWN = 10
# Names below a domain that commonly have MX records of their own.
_COMMON_NAMES = ("mail", "www", "email", "news")


async def inspect_targets(
    domain: str, region: RegionFacts, authoritative: AuthoritativeAnswers, lookup: Lookup
) -> list[Finding]:
    """Return findings about the exchanges: aliases, and the address that mail falls back to."""
    answers = [
        answer for _, answer in authoritative.answers if not isinstance(answer, LookupFailure)
    ]
    found = [answer for answer in answers if isinstance(answer, Records)]
    findings = []
    if len(found) < len(answers):
        fallback = await lookup.resolve(domain, "A")
        if isinstance(fallback, Records):
            # RFC 5321 section 5.1: without MX, mail goes to the domain's own address.
            params = {"addresses": sorted(fallback.values)}
            findings.append(Finding("mx.implicit-address", params))
    hosts = {record.exchange for answer in found for record in answer.records}
    # An exchange must not be an alias (RFC 2181 section 10.3). The region's own hosts are trusted.
    shown = [host for host in sorted(hosts - set(region.mx)) if host != "."][:_MAX_ALIASES_SHOWN]
    aliases = await lookup.resolve_all(shown, "CNAME")
    for host, alias in zip(shown, aliases, strict=True):
        if isinstance(alias, Records):
            findings.append(Finding("mx.alias", {"host": host, "target": alias.values[0]}))
    return findings


async def inspect_names_below(domain: str, region: RegionFacts, lookup: Lookup) -> list[Finding]:
    """Return findings about names below the domain whose mail goes to other hosts.

    A query for the wildcard's own name returns its records (RFC 4592 section 2.2.1). A common name
    that has the records of the wildcard is not reported a second time.
    """
    names = [f"*.{domain}", *(f"{name}.{domain}" for name in _COMMON_NAMES)]
    answers = await lookup.resolve_all(names, "MX")
    foreign = [
        sorted({record.exchange for record in answer.records} - {".", *region.mx})
        if isinstance(answer, Records)
        else []
        for answer in answers
    ]
    by_wildcard, *by_name = foreign
    with_own_mx = [
        (name, hosts)
        for name, hosts in zip(names[1:], by_name, strict=True)
        if hosts and hosts != by_wildcard
    ]
    findings = []
    if by_wildcard:
        findings.append(Finding("mx.wildcard", {"name": names[0], "hosts": by_wildcard}))
    if with_own_mx:
        params = {
            "names": [name for name, _ in with_own_mx],
            "hosts": sorted({host for _, hosts in with_own_mx for host in hosts}),
        }
        findings.append(Finding("mx.names-below", params))
    return findings
