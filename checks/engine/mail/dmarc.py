"""DMARC: the policy for the domain's own mail that fails at the outbound cutover.

Specified in docs/reference/checks/dmarc.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.engine.almost_records import describe_character, recognise, shown
from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative_below,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, LookupFailure, NoName, Records, sorted_values
from checks.engine.dns.public_suffix import is_public_suffix, organisational_domain
from checks.engine.dns.validated import resolve_validated
from checks.engine.mail.dmarc_discovery import (
    AppliedPolicy,
    Walk,
    by_rfc_7489,
    by_rfc_9989,
    names_above,
    next_milder,
    organisation_by_rfc_9989,
    record_in,
    records_in,
    stricter,
)
from checks.engine.mail.dmarc_records import (
    DmarcPolicy,
    InvalidDmarcRecord,
    parse,
    select,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

_NO_POLICY = "no policy"
_MAX_REPORT_HOSTS = 20


@dataclass(frozen=True)
class DmarcContext:
    """The answers besides the domain's own record.

    They are the answers of the names above the domain, and the consent of each external report
    host. A consent is None when the lookup failed.
    """

    organisation: str
    above: Walk = field(default_factory=dict)
    consent: Mapping[str, bool | None] | None = None

    @property
    def failed(self) -> tuple[str, LookupFailure] | None:
        """The first name without an answer. A public suffix does not count: few have a record."""
        for name, answer in self.above.items():
            is_suffix = self.organisation.endswith(f".{name}")
            if isinstance(answer, LookupFailure) and not is_suffix:
                return name, answer
        return None


async def inspect(domain: str, lookup: Lookup) -> Outcome:
    """Query every authoritative server, then the names above the domain (RFC 9989 section 4.10)."""
    name = f"_dmarc.{domain}"
    authoritative = await query_authoritative_below(lookup, domain, name, "TXT")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.DMARC, domain, authoritative)
    answers = [answer for _, answer in authoritative.answers]
    context = await _gather_context(domain, answers, lookup)
    server_verdicts = authoritative.server_verdicts(lambda answer: judge(domain, answer, context))
    outcome = combine(
        CheckKind.DMARC, domain, authoritative, server_verdicts, _evidence(domain, answers, context)
    )
    if any(records_in(answer) for answer in answers):
        return outcome
    return outcome.with_findings(await _find_misplaced(domain, lookup))


async def _find_misplaced(domain: str, lookup: Lookup) -> list[Finding]:
    """Search for a record at the names that a misread DNS form produces."""
    name = f"_dmarc.{domain}"
    for other in (f"{name}.{domain}", domain):
        answer = await lookup.resolve(other, "TXT")
        # A wildcard or an alias would return a record of another name.
        if not isinstance(answer, Records) or answer.chain:
            continue
        # A misread form often changes characters of the record, too.
        if records_in(answer) or recognise("dmarc", answer.values):
            return [Finding("dmarc.other-name", {"found": other, "name": name})]
    return []


async def query_above(domain: str, lookup: Lookup) -> Walk:
    """Return the answers of the names above the domain, from the resolvers."""
    names, organisation = names_above(domain), organisational_domain(domain)
    # The names above the organisation are those of registries.
    answers = await asyncio.gather(
        *(
            resolve_validated(lookup, f"_dmarc.{name}", "TXT")
            if f".{name}".endswith(f".{organisation}")
            else lookup.resolve(f"_dmarc.{name}", "TXT")
            for name in names
        )
    )
    return dict(zip(names, answers, strict=True))


async def _gather_context(domain: str, answers: Sequence[Answer], lookup: Lookup) -> DmarcContext:
    organisation = organisational_domain(domain)
    # Their records count only where the domain has no usable one (RFC 7489 section 6.6.3).
    has_own = all(record_in(answer) is not None for answer in answers)
    above = {} if has_own else await query_above(domain, lookup)
    applied = [applied_policy(domain, answer, above) for answer in answers]
    # RFC 7489 section 7.1: the consent concerns the domain whose record names the destination.
    wanted = {
        host: each.domain
        for each in applied
        if each.record is not None
        for host in each.record.report_hosts
        if organisational_domain(host) != organisation
    }
    # RFC 7489 section 6.2: receivers must support two destinations and may ignore the others.
    hosts = sorted(wanted)[:_MAX_REPORT_HOSTS]
    accepted = await asyncio.gather(*(_accepts_reports(wanted[h], h, lookup) for h in hosts))
    return DmarcContext(organisation, above, dict(zip(hosts, accepted, strict=True)))


async def _accepts_reports(domain: str, host: str, lookup: Lookup) -> bool | None:
    answer = await lookup.resolve(f"{domain}._report._dmarc.{host}", "TXT")
    if isinstance(answer, LookupFailure):
        return None
    return isinstance(answer, Records) and bool(select(answer.values))


def applied_policy(domain: str, own: Answer, above: Walk) -> AppliedPolicy:
    """Return the stricter policy of the two RFCs, which gates the outbound cutover. Pure."""
    return stricter(by_rfc_7489(domain, own, above), by_rfc_9989(domain, own, above))


@dataclass(frozen=True)
class FoundPolicy:
    """The policy that applies to a domain by the answers of the resolvers.

    `applied` is None when a needed answer is missing. `text` is the record that applies, or else
    an unusable record of the domain itself.
    """

    applied: AppliedPolicy | None
    text: str = ""


async def find_policy(domain: str, lookup: Lookup) -> FoundPolicy:
    """Return the policy as the DMARC check finds it, for callers that need no verdict."""
    own = await resolve_validated(lookup, f"_dmarc.{domain}", "TXT")
    # Without this answer an inherited record could be wrong: the domain may have its own.
    if isinstance(own, LookupFailure):
        return FoundPolicy(None)
    above = {} if record_in(own) is not None else await query_above(domain, lookup)
    if DmarcContext(organisational_domain(domain), above).failed is not None:
        return FoundPolicy(None)
    applied = applied_policy(domain, own, above)
    answer = own if applied.domain in ("", domain) else above.get(applied.domain)
    return FoundPolicy(applied, next(iter(records_in(answer)), ""))


async def find_organisations(names: Sequence[str], lookup: Lookup) -> dict[str, str]:
    """Return the organisational domain of each name by the tree walk of RFC 9989.

    A name is absent when an answer of its walk is missing.
    """
    found = await asyncio.gather(*(_find_organisation(name, lookup) for name in names))
    return {name: each for name, each in zip(names, found, strict=True) if each}


async def _find_organisation(name: str, lookup: Lookup) -> str:
    own, above = await asyncio.gather(
        resolve_validated(lookup, f"_dmarc.{name}", "TXT"), query_above(name, lookup)
    )
    context = DmarcContext(organisational_domain(name), above)
    if isinstance(own, LookupFailure) or context.failed is not None:
        return ""
    return organisation_by_rfc_9989(name, own, above)


def judge(domain: str, answer: Answer, context: DmarcContext) -> ServerVerdict:
    """Judge one server's answer: the domain's own record, or else an inherited one. Pure."""
    faults = [*_faults(domain, answer)]
    has_own = record_in(answer) is not None
    if context.failed is not None and not has_own:
        name, failure = context.failed
        finding = Finding(
            "dmarc.organisation-lookup-failed", {"domain": name, "reason": failure.reason}
        )
        return ServerVerdict(Verdict.FAIL if faults else Verdict.UNKNOWN, (*faults, finding))
    applied = applied_policy(domain, answer, context.above)
    if applied.record is None:
        missing = () if faults else _reasons_without_record(domain, context)
        return ServerVerdict(Verdict.FAIL if faults else Verdict.WARN, (*faults, *missing))
    cautions = [*_cautions(applied.domain, applied.record, context)]
    findings = [
        *faults,
        *_meaning(domain, applied),
        *_differences(domain, answer, context.above),
        *cautions,
    ]
    passing = Verdict.WARN if cautions else Verdict.PASS
    return ServerVerdict(Verdict.FAIL if faults else passing, tuple(findings))


def _faults(domain: str, answer: Answer) -> Iterator[Finding]:
    """Yield the fault of the domain's own record, which receivers discard."""
    own = records_in(answer)
    if len(own) > 1:
        # RFC 7489 section 6.6.3 step 5: with several records, receivers do not apply DMARC.
        yield Finding("dmarc.several-records", {"domain": domain, "count": len(own)})
    elif own:
        parsed = parse(own[0])
        if isinstance(parsed, InvalidDmarcRecord):
            yield Finding("dmarc.syntax", {"domain": domain, "problem": parsed.problem})
    elif isinstance(answer, Records):
        for each in recognise("dmarc", sorted_values(answer.values))[:1]:
            yield Finding("dmarc.almost", {"record": each.shown, "problem": each.problem})


def _reasons_without_record(domain: str, context: DmarcContext) -> tuple[Finding, ...]:
    """Return the missing record, and the fault of the organisation's own record if it has one."""
    answer = context.above.get(context.organisation)
    inherited = () if answer is None else tuple(_faults(context.organisation, answer))
    return Finding("dmarc.none", {"domain": domain}), *inherited


def _meaning(domain: str, applied: AppliedPolicy) -> Iterator[Finding]:
    """Yield findings about the meaning of the record for the outbound cutover."""
    record, policy, is_inherited = applied.record, applied.policy, applied.domain != domain
    assert record is not None
    if is_inherited:
        yield Finding("dmarc.inherited", {"organisation": applied.domain, "policy": policy})
    if policy == "none":
        yield Finding("dmarc.policy-none", {"domain": applied.domain})
    else:
        yield Finding("dmarc.enforces", {"domain": applied.domain, "policy": policy})
        if record.percent < 100:
            # RFC 7489 section 6.6.4: the other failing messages receive the next milder policy.
            params = {"percent": record.percent, "policy": policy, "milder": next_milder(policy)}
            yield Finding("dmarc.partial", params)
        if record.is_testing:
            yield Finding("dmarc.testing", {"policy": policy, "milder": next_milder(policy)})
    if not is_inherited and record.subdomain_policy != record.policy:
        params = {"policy": policy, "subdomain_policy": record.subdomain_policy}
        yield Finding("dmarc.subdomain-policy", params)
    yield from _details(applied.domain, record)


def _details(domain: str, record: DmarcPolicy) -> Iterator[Finding]:
    if record.nonexistent_policy != record.subdomain_policy:
        yield Finding("dmarc.nonexistent-policy", {"policy": record.nonexistent_policy})
    if record.strict:
        yield Finding("dmarc.strict-alignment", {"tags": list(record.strict)})
    if not record.rua:
        yield Finding("dmarc.no-reports", {"domain": domain})


def _differences(domain: str, answer: Answer, above: Walk) -> Iterator[Finding]:
    """Yield the finding that receivers of the two RFCs apply different policies."""
    old, new = by_rfc_7489(domain, answer, above), by_rfc_9989(domain, answer, above)
    # Without a record, receivers deliver failing mail, as with none.
    if (old.policy or "none") != (new.policy or "none"):
        params = {"rfc7489": _described(old), "rfc9989": _described(new)}
        yield Finding("dmarc.receivers-differ", params)


def _described(applied: AppliedPolicy) -> str:
    return f"{applied.policy} ({applied.domain})" if applied.policy else _NO_POLICY


def _cautions(domain: str, record: DmarcPolicy, context: DmarcContext) -> Iterator[Finding]:
    if not record.has_policy:
        yield Finding("dmarc.policy-missing", {"domain": domain})
    if record.ignored:
        typed = "".join(record.ignored)
        stray = next((describe_character(char) for char in typed if not char.isascii()), "")
        tags = [shown(tag) for tag in record.ignored]
        params = {"domain": domain, "tags": tags, "character": stray}
        yield Finding("dmarc.ignored-tags", params)
    if record.psd == "y" and not is_public_suffix(domain):
        # RFC 9989 section 4.10.2: each name below has an organisation of its own.
        yield Finding("dmarc.public-suffix", {"domain": domain})
    if record.bad_destinations:
        yield Finding("dmarc.bad-destination", {"destinations": list(record.bad_destinations)})
    consent = context.consent or {}
    # `is False`: None means that the lookup failed, which is no refusal.
    refusing = [host for host in record.report_hosts if consent.get(host) is False]
    if refusing:
        yield Finding("dmarc.reports-not-accepted", {"hosts": refusing})


def _evidence(domain: str, answers: Sequence[Answer], context: DmarcContext) -> dict[str, Any]:
    """Return the effective record as evidence; the domain's own only if all servers agree on it."""
    answered = [answer for answer in answers if not isinstance(answer, LookupFailure)]
    sets = [records_in(answer) for answer in answered]
    agreed = answered[0] if sets and all(each == sets[0] for each in sets) else NoName()
    old, new = (find(domain, agreed, context.above) for find in (by_rfc_7489, by_rfc_9989))
    applied = stricter(old, new)
    found = records_in(agreed) or records_in(context.above.get(applied.domain))
    evidence: dict[str, Any] = {
        "organisation": context.organisation,
        "record": found[0] if len(found) == 1 else "",
        "report_hosts": dict(context.consent or {}),
        "rfc7489": {"policy": old.policy, "domain": old.domain},
        "rfc9989": {"policy": new.policy, "domain": new.domain},
    }
    if applied.record is not None:
        evidence |= {
            "policy": applied.record.policy,
            "subdomain_policy": applied.record.subdomain_policy,
            "percent": applied.record.percent,
            "rua": list(applied.record.rua),
            "ruf": list(applied.record.ruf),
            "strict": list(applied.record.strict),
        }
    return evidence
