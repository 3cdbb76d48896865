"""What a new domain's DNS suggests for the tenant's profile. Specified in docs/checks/discovery.md.

Suggestions only: nothing here is a verdict, and a person confirms each before it goes anywhere.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from checks.engine import dmarc_records, mta_sts_policy
from checks.engine.discovery_names import (
    GATEWAYS,
    PLATFORMS,
    SENDERS,
    USUAL_SELECTORS,
    dns_host,
    named,
)
from checks.engine.dkim import name_of
from checks.engine.dkim_keys import Key, is_key_like, parse
from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    Lookup,
    NoName,
    Records,
    sorted_values,
)
from checks.engine.organisations import organisational_domain
from checks.engine.servers import Survey, survey
from checks.engine.spf_expansion import Node, expand

# Microsoft's DKIM aliases name the tenant: the old form, and the one used since 2025.
_ONMICROSOFT = re.compile(r"\._domainkey\.([a-z0-9-]+)\.onmicrosoft\.com$")
_DKIM_MICROSOFT = re.compile(r"\._domainkey\.([a-z0-9-]+)\.[a-z]-v1\.dkim\.mail\.microsoft$")
_MAX_SENDERS = 40
# What a look may be left without an answer to.
QUESTIONS = ("mx", "spf", "dmarc", "mta_sts")
_NOBODYS_SELECTOR = "gangway-asks-for-nobody"


@dataclass(frozen=True)
class Sender:
    """A branch of the SPF record: the term as written, and whose it is where that is known."""

    term: str
    name: str = ""


@dataclass(frozen=True)
class Discovery:
    """What was found. An empty value is nothing found; `unanswered` says what could not be asked.

    `platform` is the plan template's word, `gateway` whoever stands in front of it.
    """

    domain: str
    platform: str = ""
    gateway: str = ""
    delivery_host: str = ""
    onmicrosoft: str = ""
    mx: tuple[str, ...] = ()
    mx_ttl: int | None = None
    senders: tuple[Sender, ...] = ()
    spf_lookups: int = 0
    dkim_selectors: tuple[str, ...] = ()
    dmarc: str = ""
    dmarc_policy: str = ""
    mta_sts: bool = False
    name_servers: tuple[str, ...] = ()
    dns_hosts: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


async def inspect(domain: str, lookup: Lookup) -> Discovery:
    """Ask once for everything that a profile wants to know."""
    asked, spf, selectors, dmarc, sts, delegation = await asyncio.gather(
        survey(lookup, domain, "MX"),
        expand(domain, lookup),
        _selectors(domain, lookup),
        lookup.resolve(f"_dmarc.{domain}", "TXT"),
        lookup.resolve(f"_mta-sts.{domain}", "TXT"),
        lookup.delegation(domain),
    )
    exchanges = _exchanges(asked)
    policy = _dmarc(dmarc)
    servers = _name_servers(delegation)
    hosts = sorted({host for host in map(dns_host, servers) if host})
    return Discovery(
        domain=domain,
        platform=guess_platform(domain, exchanges, spf.included),
        gateway=next(filter(None, (named(host, GATEWAYS) for host in exchanges)), ""),
        delivery_host=next(
            (host for host in exchanges if named(host, PLATFORMS) == "microsoft_365"), ""
        ),
        onmicrosoft=next((name for _, name in selectors if name), ""),
        mx=tuple(exchanges),
        mx_ttl=_highest_ttl(asked),
        senders=tuple(senders_in(spf)),
        spf_lookups=spf.lookups,
        dkim_selectors=tuple(selector for selector, _ in selectors),
        dmarc=policy,
        dmarc_policy=_dmarc_policy(policy),
        mta_sts=isinstance(sts, Records) and bool(mta_sts_policy.select(sts.values)),
        name_servers=tuple(servers),
        dns_hosts=tuple(hosts),
        unanswered=_unanswered(asked, spf, dmarc, sts),
    )


def _exchanges(asked: Survey | NoName | CouldNotTell) -> list[str]:
    """Every server's MX hosts, in the order of preference; the root of a null MX is none."""
    if not isinstance(asked, Survey):
        return []
    found = {
        (record.preference, record.exchange)
        for _, answer in asked.answers
        if isinstance(answer, Records)
        for record in answer.records
        if record.exchange != "."
    }
    return list(dict.fromkeys(host for _, host in sorted(found)))


def _highest_ttl(asked: Survey | NoName | CouldNotTell) -> int | None:
    if not isinstance(asked, Survey):
        return None
    ttls = [answer.ttl for _, answer in asked.answers if isinstance(answer, Records)]
    return max(ttls, default=None)


def guess_platform(domain: str, exchanges: Sequence[str], included: Sequence[str]) -> str:
    """Whose mailboxes: by MX, behind a gateway by SPF, and the domain's own hosts last. Pure."""
    by_mx = next(filter(None, (named(host, PLATFORMS) for host in exchanges)), "")
    if by_mx:
        return by_mx
    drawn_in = {named(name, SENDERS) for name in included}
    for sender, platform in (
        ("Microsoft 365", "microsoft_365"),
        ("Google Workspace", "google_workspace"),
    ):
        if sender in drawn_in:
            return platform
    own = [h for h in exchanges if organisational_domain(h) == organisational_domain(domain)]
    return "on_premises" if own else ""


def senders_in(spf: Node) -> list[Sender]:
    """The terms of the domain's own record that let somebody send. Pure."""
    return [
        Sender(term.text, named(term.target, SENDERS) if term.target else "")
        for term in spf.children[:_MAX_SENDERS]
        if term.name != "all" and term.qualifier == "+"
    ]


async def _selectors(domain: str, lookup: Lookup) -> list[tuple[str, str]]:
    """The usual selectors with a key, each with the onmicrosoft name its alias gives away."""
    nobodys, *answers = await asyncio.gather(
        *(
            lookup.resolve(name_of(selector, domain), "TXT")
            for selector in (_NOBODYS_SELECTOR, *USUAL_SELECTORS)
        )
    )
    if _has_key(nobodys):
        # A wildcard answers for every selector, so none of them tells anything.
        return []
    found = zip(USUAL_SELECTORS, answers, strict=True)
    return [(selector, _tenant_of(answer)) for selector, answer in found if _has_key(answer)]


def _has_key(answer: Answer) -> bool:
    if not isinstance(answer, Records):
        return False
    keys = [parse(value) for value in answer.values if is_key_like(value)]
    return any(isinstance(key, Key) and not key.is_revoked for key in keys)


def _tenant_of(answer: Answer) -> str:
    for link in answer.chain if isinstance(answer, Records) else ():
        match = _ONMICROSOFT.search(link.value) or _DKIM_MICROSOFT.search(link.value)
        if match:
            return f"{match.group(1)}.onmicrosoft.com"
    return ""


def _dmarc(answer: Answer) -> str:
    records = dmarc_records.select(answer.values) if isinstance(answer, Records) else []
    return sorted_values(records)[0] if records else ""


def _dmarc_policy(record: str) -> str:
    read = dmarc_records.parse(record)
    return read.policy if isinstance(read, dmarc_records.Policy) else ""


def _name_servers(delegation: Delegation | NoName | CouldNotTell) -> list[str]:
    if not isinstance(delegation, Delegation):
        return []
    names = {server.name for server in delegation.servers}
    return sorted(names | {*delegation.unresolved, *delegation.addressless})


def _unanswered(
    asked: Survey | NoName | CouldNotTell, spf: Node, dmarc: Answer, sts: Answer
) -> tuple[str, ...]:
    silent = {
        "mx": not isinstance(asked, Survey)
        or all(isinstance(answer, CouldNotTell) for _, answer in asked.answers),
        "spf": any(problem == "could-not-tell" for problem, _ in spf.problems),
        "dmarc": isinstance(dmarc, CouldNotTell),
        "mta_sts": isinstance(sts, CouldNotTell),
    }
    return tuple(question for question in QUESTIONS if silent[question])
