"""DMARC: what happens to the domain's own mail at the outbound cutover if it fails?

Specified in docs/checks/dmarc.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.dmarc_records import Policy, Unreadable, almost, parse, select
from checks.engine.lookup import Answer, CouldNotTell, Lookup, Records, sorted_values
from checks.engine.organisations import organisational_domain
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.servers import Opinion, Survey, combine, survey_below, undelegated

_MAX_SHOWN = 120


@dataclass(frozen=True)
class Surroundings:
    """What the world says beside the record: the organisation's, and who agreed to take reports.

    `consent` is by host of a report address; None where we could not find out.
    """

    organisation: str
    above: Answer | None = None
    consent: Mapping[str, bool | None] | None = None


async def inspect(domain: str, lookup: Lookup) -> Outcome:
    """Ask every authoritative server, then the organisation above (RFC 7489 section 6.6.3)."""
    name = f"_dmarc.{domain}"
    asked = await survey_below(lookup, domain, name, "TXT")
    if not isinstance(asked, Survey):
        return undelegated(Kind.DMARC, domain, asked)
    answers = [answer for _, answer in asked.answers]
    around = await _surroundings(domain, answers, lookup)
    opinions = asked.opinions(lambda answer: judge(domain, answer, around))
    return combine(Kind.DMARC, domain, asked, opinions, _evidence(answers, around))


async def _surroundings(domain: str, answers: Sequence[Answer], lookup: Lookup) -> Surroundings:
    organisation = organisational_domain(domain)
    above = None
    if organisation != domain and not all(_selected(answer) for answer in answers):
        above = await lookup.resolve(f"_dmarc.{organisation}", "TXT")
    policies = [_policy(_selected(answer)) for answer in [*answers, above] if answer is not None]
    hosts = {h for p in policies if isinstance(p, Policy) for h in p.report_hosts}
    # RFC 7489 section 7.1: asked of the domain whose record names the destination.
    outside = sorted(host for host in hosts if organisational_domain(host) != organisation)
    owner = organisation if above is not None else domain
    agreed = await asyncio.gather(*(_agrees(owner, host, lookup) for host in outside))
    return Surroundings(organisation, above, dict(zip(outside, agreed, strict=True)))


async def _agrees(domain: str, host: str, lookup: Lookup) -> bool | None:
    answer = await lookup.resolve(f"{domain}._report._dmarc.{host}", "TXT")
    if isinstance(answer, CouldNotTell):
        return None
    return isinstance(answer, Records) and bool(select(answer.values))


def _selected(answer: Answer) -> list[str]:
    return sorted_values(select(answer.values)) if isinstance(answer, Records) else []


def _policy(records: Sequence[str]) -> Policy | Unreadable | None:
    return parse(records[0]) if len(records) == 1 else None


def judge(domain: str, answer: Answer, around: Surroundings) -> Opinion:
    """One server's answer: the domain's own record, or else its organisation's. Pure."""
    own = _selected(answer)
    if own:
        return _judge_records(domain, own, around, inherited=False)
    broken = almost(answer.values) if isinstance(answer, Records) else []
    if broken:
        params = {"domain": domain, "problem": broken[0][:_MAX_SHOWN]}
        return Opinion(Verdict.FAIL, (Finding("dmarc.syntax", params),))
    if isinstance(around.above, CouldNotTell):
        params = {"domain": around.organisation, "reason": around.above.reason}
        return Opinion(Verdict.UNKNOWN, (Finding("dmarc.could-not-look-above", params),))
    inherited = _selected(around.above) if around.above is not None else []
    if inherited:
        return _judge_records(around.organisation, inherited, around, inherited=True)
    return Opinion(Verdict.WARN, (Finding("dmarc.none", {"domain": domain}),))


def _judge_records(
    domain: str, records: Sequence[str], around: Surroundings, *, inherited: bool
) -> Opinion:
    if len(records) > 1:
        # RFC 7489 section 6.6.3 step 5: then DMARC is not applied at all.
        params = {"domain": domain, "count": len(records)}
        return Opinion(Verdict.FAIL, (Finding("dmarc.several-records", params),))
    read = parse(records[0])
    if isinstance(read, Unreadable):
        params = {"domain": domain, "problem": read.problem}
        return Opinion(Verdict.FAIL, (Finding("dmarc.syntax", params),))
    cautions = [*_cautions(read, around)]
    findings = [*_meaning(domain, read, inherited=inherited), *cautions]
    return Opinion(Verdict.WARN if cautions else Verdict.PASS, tuple(findings))


def _meaning(domain: str, read: Policy, *, inherited: bool) -> Iterator[Finding]:
    """What the record means for the outbound cutover."""
    policy = read.subdomain_policy if inherited else read.policy
    if inherited:
        yield Finding("dmarc.inherited", {"organisation": domain, "policy": policy})
    if policy == "none":
        yield Finding("dmarc.policy-none", {"domain": domain})
    else:
        yield Finding("dmarc.enforces", {"domain": domain, "policy": policy})
        if read.percent < 100:
            yield Finding("dmarc.partial", {"percent": read.percent, "policy": policy})
    if not inherited and read.subdomain_policy != read.policy:
        params = {"policy": policy, "subdomain_policy": read.subdomain_policy}
        yield Finding("dmarc.subdomain-policy", params)
    if read.strict:
        yield Finding("dmarc.strict-alignment", {"tags": list(read.strict)})
    if not read.rua:
        yield Finding("dmarc.no-reports", {"domain": domain})


def _cautions(read: Policy, around: Surroundings) -> Iterator[Finding]:
    if read.bad_destinations:
        yield Finding("dmarc.bad-destination", {"destinations": list(read.bad_destinations)})
    consent = around.consent or {}
    refusing = [host for host in read.report_hosts if consent.get(host) is False]
    if refusing:
        yield Finding("dmarc.reports-not-accepted", {"hosts": refusing})


def _evidence(answers: Sequence[Answer], around: Surroundings) -> dict[str, Any]:
    """The record that holds, where all servers have the same one."""
    sets = [_selected(answer) for answer in answers if not isinstance(answer, CouldNotTell)]
    own = sets[0] if sets and all(each == sets[0] for each in sets) else []
    records = own or (_selected(around.above) if around.above is not None else [])
    read = _policy(records)
    evidence: dict[str, Any] = {
        "organisation": around.organisation,
        "record": records[0] if len(records) == 1 else "",
        "report_hosts": dict(around.consent or {}),
    }
    if isinstance(read, Policy):
        evidence |= {
            "policy": read.policy,
            "subdomain_policy": read.subdomain_policy,
            "percent": read.percent,
            "rua": list(read.rua),
            "ruf": list(read.ruf),
            "strict": list(read.strict),
        }
    return evidence
