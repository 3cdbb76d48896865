"""DKIM: each recorded selector publishes a key that receivers can use.

Specified in docs/reference/checks/dkim.md. A published key does not prove that mail is signed with
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative_below,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, Records, sorted_values
from checks.engine.expected_values import DkimSelector
from checks.engine.mail.dkim_keys import (
    RECOMMENDED_BITS,
    DkimKey,
    InvalidDkimKey,
    KeyProblem,
    is_key_like,
    parse,
    select,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict, worst

# The selectors of Microsoft 365 and Google Workspace.
PREVIOUS_SELECTORS = ("selector1", "selector2", "google")
_MAX_SHOWN = 120


async def inspect(domain: str, selectors: Sequence[DkimSelector], lookup: Lookup) -> Outcome:
    """Query every authoritative server for every selector's key (RFC 6376 section 3.6.2)."""
    if not selectors:
        return Outcome(CheckKind.DKIM, domain, Verdict.UNKNOWN, unanimous=False)
    outcomes = await asyncio.gather(*(_inspect_one(domain, each, lookup) for each in selectors))
    previous = await _find_previous_keys(domain, selectors, lookup)
    return _combine_selectors(domain, outcomes).with_findings(previous)


async def _inspect_one(domain: str, selector: DkimSelector, lookup: Lookup) -> Outcome:
    # The zone of the key's own name is queried, because `_domainkey` may be a zone of its own.
    name = key_name(selector.name, domain)
    authoritative = await query_authoritative_below(lookup, domain, name, "TXT")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.DKIM, domain, authoritative)
    server_verdicts = authoritative.server_verdicts(lambda answer: judge(domain, selector, answer))
    outcome = combine(CheckKind.DKIM, domain, authoritative, server_verdicts, {})
    answered = [server_verdict for server_verdict in server_verdicts if server_verdict is not None]
    if answered and not any(isinstance(answer, Records) for _, answer in authoritative.answers):
        outcome = outcome.with_findings(await _find_misplaced(domain, selector, lookup))
    rows = [row | {"asked": name} for row in authoritative.rows]
    keys = _keys_as_evidence(selector, [answer for _, answer in authoritative.answers])
    return Outcome(
        kind=CheckKind.DKIM,
        subject=domain,
        verdict=outcome.verdict,
        findings=outcome.findings,
        evidence={"zone": authoritative.delegation.zone, "servers": rows, "keys": keys},
        unanimous=outcome.unanimous,
    )


def key_name(selector: str, domain: str) -> str:
    """Return the name at which the selector's key is published (RFC 6376 section 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def _combine_selectors(domain: str, outcomes: Sequence[Outcome]) -> Outcome:
    """Combine the selectors: all must pass. One unanimous FAIL makes the outcome unanimous."""
    verdict = worst([outcome.verdict for outcome in outcomes])
    deciding = [o for o in outcomes if o.verdict is Verdict.FAIL] or outcomes
    # One unanimous FAIL is certain alone; for any other verdict every selector must be unanimous.
    certain = any if verdict is Verdict.FAIL else all
    findings: list[Finding] = []
    for outcome in outcomes:
        findings += [finding for finding in outcome.findings if finding not in findings]
    return Outcome(
        kind=CheckKind.DKIM,
        subject=domain,
        verdict=verdict,
        findings=findings,
        evidence={
            "zone": outcomes[0].evidence.get("zone", ""),
            "servers": [row for o in outcomes for row in o.evidence["servers"]],
            "keys": [key for o in outcomes for key in o.evidence.get("keys", ())],
        },
        unanimous=certain(outcome.unanimous for outcome in deciding),
    )


def _keys_as_evidence(selector: DkimSelector, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return type and length of each distinct published key."""
    values = {v for a in answers if isinstance(a, Records) for v in a.values if is_key_like(v)}
    keys = [(value, parse(value)) for value in sorted_values(list(values))]
    return [
        {"selector": selector.name, "key_type": key.kind, "bits": key.bits, "record": value}
        for value, key in keys
        if isinstance(key, DkimKey)
    ]


def judge(domain: str, selector: DkimSelector, answer: Answer) -> ServerVerdict:
    """Judge one server's answer at a selector's name. Pure."""
    name = key_name(selector.name, domain)
    if not isinstance(answer, Records):
        return _fail(Finding("dkim.none", {"name": name}))
    candidates = select(answer.values)
    if not candidates:
        record = sorted_values(answer.values)[0][:_MAX_SHOWN]
        return _fail(Finding("dkim.not-a-key", {"name": name, "record": record}))
    if len(candidates) > 1:
        # RFC 6376 section 3.6.2.2: with several records the result is undefined.
        return _fail(Finding("dkim.several-records", {"name": name, "count": len(candidates)}))
    key = parse(candidates[0])
    if isinstance(key, InvalidDkimKey):
        return _fail(_invalid(name, key))
    faults = [*_faults(name, selector, key)]
    if faults:
        return _fail(*faults)
    cautions = [*_cautions(name, key)]
    if len(answer.values) > 1:
        cautions.append(Finding("dkim.other-records", {"name": name}))
    return ServerVerdict(Verdict.WARN if cautions else Verdict.PASS, tuple(cautions))


def _invalid(name: str, key: InvalidDkimKey) -> Finding:
    if key.kind is KeyProblem.STRAY_CHARACTER:
        return Finding("dkim.stray-character", {"name": name, "problem": key.problem})
    return Finding("dkim.syntax", {"name": name, "problem": key.problem})


def _fail(*findings: Finding) -> ServerVerdict:
    return ServerVerdict(Verdict.FAIL, findings)


def _faults(name: str, selector: DkimSelector, key: DkimKey) -> Iterator[Finding]:
    """Yield the reasons why receivers reject every signature with this key."""
    for problem in key.problems:
        yield _fault(problem, name, key)
    if key.differs_from(selector.key) and not key.is_revoked:
        yield Finding("dkim.other-key", {"name": name})


def _fault(problem: KeyProblem, name: str, key: DkimKey) -> Finding:
    match problem:
        case KeyProblem.REVOKED:
            return Finding("dkim.revoked", {"name": name})
        case KeyProblem.UNKNOWN_TYPE:
            return Finding("dkim.unknown-type", {"name": name, "key_type": key.kind})
        case KeyProblem.SHORT_KEY:
            return Finding("dkim.short-key", {"name": name, "bits": key.bits})
        case KeyProblem.LONG_KEY:
            return Finding("dkim.long-key", {"name": name, "bits": key.bits})
        case KeyProblem.NOT_FOR_MAIL:
            return Finding("dkim.not-for-mail", {"name": name, "uses": list(key.services)})
        case KeyProblem.HASH_MISSING:
            return Finding("dkim.hash-missing", {"name": name, "hashes": list(key.hashes)})
    return Finding("dkim.unreadable-key", {"name": name})


def _cautions(name: str, key: DkimKey) -> Iterator[Finding]:
    if key.kind == "rsa" and key.bits < RECOMMENDED_BITS:
        yield Finding("dkim.weak-key", {"name": name, "bits": key.bits})
    if key.kind == "ed25519":
        yield Finding("dkim.ed25519", {"name": name})
    if "y" in key.flags:
        yield Finding("dkim.testing", {"name": name})


async def _find_misplaced(domain: str, selector: DkimSelector, lookup: Lookup) -> list[Finding]:
    """Search for the key at the wrong names that a misread DNS form produces."""
    name = key_name(selector.name, domain)
    if await _has_key(lookup, f"{name}.{domain}"):
        return [Finding("dkim.zone-doubled", {"found": f"{name}.{domain}", "name": name})]
    for other in (f"{selector.name}.{domain}", f"_domainkey.{domain}"):
        if await _has_key(lookup, other):
            return [Finding("dkim.other-name", {"found": other, "name": name})]
    return []


async def _find_previous_keys(
    domain: str, selectors: Sequence[DkimSelector], lookup: Lookup
) -> list[Finding]:
    """Return a finding for the published keys of earlier signers. They do not prove signing."""
    recorded = {selector.name for selector in selectors}
    names = [key_name(each, domain) for each in PREVIOUS_SELECTORS if each not in recorded]
    answers = await lookup.resolve_all(names, "TXT")
    found = [name for name, answer in zip(names, answers, strict=True) if _is_key(answer)]
    return [Finding("dkim.old-signers", {"names": found})] if found else []


async def _has_key(lookup: Lookup, name: str) -> bool:
    return _is_key(await lookup.resolve(name, "TXT"))


def _is_key(answer: Answer) -> bool:
    if not isinstance(answer, Records):
        return False
    keys = [parse(value) for value in answer.values if is_key_like(value)]
    return any(isinstance(key, DkimKey) and not key.is_revoked for key in keys)
