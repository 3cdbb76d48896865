"""DMARC: the policy for the domain's own mail that fails at the outbound cutover.

Specified in docs/reference/checks/dmarc.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative_below,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, LookupFailure, Records, sorted_values
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.mail.dmarc_records import (
    DmarcPolicy,
    InvalidDmarcRecord,
    parse,
    select,
    select_malformed,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

_MAX_SHOWN = 120


@dataclass(frozen=True)
class DmarcContext:
    """The answers besides the domain's own record.

    They are the organisation's record, and the consent of each external report host. A consent is
    None when the lookup failed.
    """

    organisation: str
    organisation_answer: Answer | None = None
    consent: Mapping[str, bool | None] | None = None


async def inspect(domain: str, lookup: Lookup) -> Outcome:
    """Query every authoritative server, then the organisational domain (RFC 7489 section 6.6.3)."""
    name = f"_dmarc.{domain}"
    authoritative = await query_authoritative_below(lookup, domain, name, "TXT")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.DMARC, domain, authoritative)
    answers = [answer for _, answer in authoritative.answers]
    context = await _gather_context(domain, answers, lookup)
    server_verdicts = authoritative.server_verdicts(lambda answer: judge(domain, answer, context))
    return combine(
        CheckKind.DMARC, domain, authoritative, server_verdicts, _evidence(answers, context)
    )


async def _gather_context(domain: str, answers: Sequence[Answer], lookup: Lookup) -> DmarcContext:
    organisation = organisational_domain(domain)
    organisation_answer = None
    # The organisation's record counts only where the domain has none (RFC 7489 section 6.6.3).
    if organisation != domain and not all(_dmarc_records(answer) for answer in answers):
        organisation_answer = await lookup.resolve(f"_dmarc.{organisation}", "TXT")
    policies = [
        _policy(_dmarc_records(answer))
        for answer in [*answers, organisation_answer]
        if answer is not None
    ]
    hosts = {h for p in policies if isinstance(p, DmarcPolicy) for h in p.report_hosts}
    # RFC 7489 section 7.1: the consent concerns the domain whose record names the destination.
    outside = sorted(host for host in hosts if organisational_domain(host) != organisation)
    owner = organisation if organisation_answer is not None else domain
    accepted = await asyncio.gather(*(_accepts_reports(owner, host, lookup) for host in outside))
    return DmarcContext(
        organisation, organisation_answer, dict(zip(outside, accepted, strict=True))
    )


async def _accepts_reports(domain: str, host: str, lookup: Lookup) -> bool | None:
    answer = await lookup.resolve(f"{domain}._report._dmarc.{host}", "TXT")
    if isinstance(answer, LookupFailure):
        return None
    return isinstance(answer, Records) and bool(select(answer.values))


def _dmarc_records(answer: Answer) -> list[str]:
    return sorted_values(select(answer.values)) if isinstance(answer, Records) else []


def _policy(records: Sequence[str]) -> DmarcPolicy | InvalidDmarcRecord | None:
    return parse(records[0]) if len(records) == 1 else None


def judge(domain: str, answer: Answer, context: DmarcContext) -> ServerVerdict:
    """Judge one server's answer: the domain's own record, or else the organisation's. Pure."""
    own = _dmarc_records(answer)
    if own:
        return _judge_records(domain, own, context, inherited=False)
    malformed = select_malformed(answer.values) if isinstance(answer, Records) else []
    if malformed:
        params = {"domain": domain, "problem": malformed[0][:_MAX_SHOWN]}
        return ServerVerdict(Verdict.FAIL, (Finding("dmarc.syntax", params),))
    if isinstance(context.organisation_answer, LookupFailure):
        params = {"domain": context.organisation, "reason": context.organisation_answer.reason}
        return ServerVerdict(
            Verdict.UNKNOWN, (Finding("dmarc.organisation-lookup-failed", params),)
        )
    inherited = (
        _dmarc_records(context.organisation_answer)
        if context.organisation_answer is not None
        else []
    )
    if inherited:
        return _judge_records(context.organisation, inherited, context, inherited=True)
    return ServerVerdict(Verdict.WARN, (Finding("dmarc.none", {"domain": domain}),))


def _judge_records(
    domain: str, records: Sequence[str], context: DmarcContext, *, inherited: bool
) -> ServerVerdict:
    if len(records) > 1:
        # RFC 7489 section 6.6.3 step 5: with several records, receivers do not apply DMARC.
        params = {"domain": domain, "count": len(records)}
        return ServerVerdict(Verdict.FAIL, (Finding("dmarc.several-records", params),))
    parsed = parse(records[0])
    if isinstance(parsed, InvalidDmarcRecord):
        params = {"domain": domain, "problem": parsed.problem}
        return ServerVerdict(Verdict.FAIL, (Finding("dmarc.syntax", params),))
    cautions = [*_cautions(parsed, context)]
    findings = [*_meaning(domain, parsed, inherited=inherited), *cautions]
    return ServerVerdict(Verdict.WARN if cautions else Verdict.PASS, tuple(findings))


def _meaning(domain: str, parsed: DmarcPolicy, *, inherited: bool) -> Iterator[Finding]:
    """Yield findings about the meaning of the record for the outbound cutover."""
    # RFC 7489 section 6.3: an inherited record applies its sp= to the subdomain, not its p=.
    policy = parsed.subdomain_policy if inherited else parsed.policy
    if inherited:
        yield Finding("dmarc.inherited", {"organisation": domain, "policy": policy})
    if policy == "none":
        yield Finding("dmarc.policy-none", {"domain": domain})
    else:
        yield Finding("dmarc.enforces", {"domain": domain, "policy": policy})
        if parsed.percent < 100:
            yield Finding("dmarc.partial", {"percent": parsed.percent, "policy": policy})
    if not inherited and parsed.subdomain_policy != parsed.policy:
        params = {"policy": policy, "subdomain_policy": parsed.subdomain_policy}
        yield Finding("dmarc.subdomain-policy", params)
    if parsed.strict:
        yield Finding("dmarc.strict-alignment", {"tags": list(parsed.strict)})
    if not parsed.rua:
        yield Finding("dmarc.no-reports", {"domain": domain})


def _cautions(parsed: DmarcPolicy, context: DmarcContext) -> Iterator[Finding]:
    if parsed.bad_destinations:
        yield Finding("dmarc.bad-destination", {"destinations": list(parsed.bad_destinations)})
    consent = context.consent or {}
    # `is False`: None means that the lookup failed, which is no refusal.
    refusing = [host for host in parsed.report_hosts if consent.get(host) is False]
    if refusing:
        yield Finding("dmarc.reports-not-accepted", {"hosts": refusing})


def _evidence(answers: Sequence[Answer], context: DmarcContext) -> dict[str, Any]:
    """Return the effective record as evidence; the domain's own only if all servers agree on it."""
    sets = [_dmarc_records(answer) for answer in answers if not isinstance(answer, LookupFailure)]
    own = sets[0] if sets and all(each == sets[0] for each in sets) else []
    records = own or (
        _dmarc_records(context.organisation_answer)
        if context.organisation_answer is not None
        else []
    )
    parsed = _policy(records)
    evidence: dict[str, Any] = {
        "organisation": context.organisation,
        "record": records[0] if len(records) == 1 else "",
        "report_hosts": dict(context.consent or {}),
    }
    if isinstance(parsed, DmarcPolicy):
        evidence |= {
            "policy": parsed.policy,
            "subdomain_policy": parsed.subdomain_policy,
            "percent": parsed.percent,
            "rua": list(parsed.rua),
            "ruf": list(parsed.ruf),
            "strict": list(parsed.strict),
        }
    return evidence
