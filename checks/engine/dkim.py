"""DKIM: does each recorded selector publish a key that receivers can use?

Specified in docs/checks/dkim.md. A published key never proves that anything is signed with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from checks.engine.dkim_keys import Key, Unreadable, is_key_like, parse
from checks.engine.expectations import Selector
from checks.engine.lookup import Answer, Lookup, Records, sorted_values
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict, worst
from checks.engine.servers import Opinion, Survey, combine, survey_below, undelegated
from checks.engine.tag_lists import unfolded

# Where Microsoft 365 and Google Workspace publish their keys.
OLD_SIGNERS = ("selector1", "selector2", "google")
# RFC 8301 section 3.2: verifiers refuse less than 1024 bits, signers should use 2048.
LEAST_BITS, GOOD_BITS = 1024, 2048
_MAX_SHOWN = 120


async def inspect(domain: str, selectors: Sequence[Selector], lookup: Lookup) -> Outcome:
    """Ask every authoritative server for every selector's key (RFC 6376 section 3.6.2)."""
    if not selectors:
        return Outcome(Kind.DKIM, domain, Verdict.UNKNOWN, unanimous=False)
    outcomes = await asyncio.gather(*(_inspect_one(domain, each, lookup) for each in selectors))
    old = await _old_signers(domain, selectors, lookup)
    return _together(domain, outcomes).with_findings(old)


async def _inspect_one(domain: str, selector: Selector, lookup: Lookup) -> Outcome:
    # The zone of the key's own name is asked: `_domainkey` may be delegated by itself.
    name = name_of(selector.name, domain)
    asked = await survey_below(lookup, domain, name, "TXT")
    if not isinstance(asked, Survey):
        return undelegated(Kind.DKIM, domain, asked)
    opinions = asked.opinions(lambda answer: judge(domain, selector, answer))
    outcome = combine(Kind.DKIM, domain, asked, opinions, {})
    heard = [opinion for opinion in opinions if opinion is not None]
    if heard and not any(isinstance(answer, Records) for _, answer in asked.answers):
        outcome = outcome.with_findings(await _misplaced(domain, selector, lookup))
    rows = [row | {"asked": name} for row in asked.rows]
    keys = _keys_as_evidence(selector, [answer for _, answer in asked.answers])
    return Outcome(
        kind=Kind.DKIM,
        subject=domain,
        verdict=outcome.verdict,
        findings=outcome.findings,
        evidence={"zone": asked.delegation.zone, "servers": rows, "keys": keys},
        unanimous=outcome.unanimous,
    )


def name_of(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def _together(domain: str, outcomes: Sequence[Outcome]) -> Outcome:
    """Every selector must hold. One certain no is certain, whatever the others are."""
    verdict = worst([outcome.verdict for outcome in outcomes])
    deciding = [o for o in outcomes if o.verdict is Verdict.FAIL] or outcomes
    certain = any if verdict is Verdict.FAIL else all
    findings: list[Finding] = []
    for outcome in outcomes:
        findings += [finding for finding in outcome.findings if finding not in findings]
    return Outcome(
        kind=Kind.DKIM,
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


def _keys_as_evidence(selector: Selector, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """What the distinct published records say."""
    values = {v for a in answers if isinstance(a, Records) for v in a.values if is_key_like(v)}
    keys = [(value, parse(value)) for value in sorted_values(list(values))]
    return [
        {"selector": selector.name, "key_type": key.kind, "bits": key.bits, "record": value}
        for value, key in keys
        if isinstance(key, Key)
    ]


def judge(domain: str, selector: Selector, answer: Answer) -> Opinion:
    """One server's answer at a selector's name. Pure."""
    name = name_of(selector.name, domain)
    if not isinstance(answer, Records):
        return _no(Finding("dkim.none", {"name": name}))
    likely = [value for value in sorted_values(answer.values) if is_key_like(value)]
    if not likely:
        record = sorted_values(answer.values)[0][:_MAX_SHOWN]
        return _no(Finding("dkim.not-a-key", {"name": name, "record": record}))
    if len(likely) > 1:
        # RFC 6376 section 3.6.2.2: with several records the result is undefined.
        return _no(Finding("dkim.several-records", {"name": name, "count": len(likely)}))
    key = parse(likely[0])
    if isinstance(key, Unreadable):
        return _no(Finding("dkim.syntax", {"name": name, "problem": key.problem}))
    faults = [*_faults(name, selector, key)]
    if faults:
        return _no(*faults)
    cautions = [*_cautions(name, key)]
    if len(answer.values) > 1:
        cautions.append(Finding("dkim.beside-others", {"name": name}))
    return Opinion(Verdict.WARN if cautions else Verdict.PASS, tuple(cautions))


def _no(*findings: Finding) -> Opinion:
    return Opinion(Verdict.FAIL, findings)


def _faults(name: str, selector: Selector, key: Key) -> Iterator[Finding]:
    """Why no receiver would take a signature by this key."""
    if key.is_revoked:
        yield Finding("dkim.revoked", {"name": name})
        return
    if key.kind not in ("rsa", "ed25519"):
        yield Finding("dkim.unknown-type", {"name": name, "key_type": key.kind})
    elif not key.bits:
        yield Finding("dkim.unreadable-key", {"name": name})
    elif key.kind == "rsa" and key.bits < LEAST_BITS:
        yield Finding("dkim.short-key", {"name": name, "bits": key.bits})
    if selector.key and unfolded(selector.key) != key.public:
        yield Finding("dkim.other-key", {"name": name})
    if key.services and not {"*", "email"} & set(key.services):
        yield Finding("dkim.not-for-mail", {"name": name, "uses": list(key.services)})
    if key.hashes and "sha256" not in key.hashes:
        # RFC 8301 section 3.1: SHA-1 signatures are not to be verified any more.
        yield Finding("dkim.hash-missing", {"name": name, "hashes": list(key.hashes)})


def _cautions(name: str, key: Key) -> Iterator[Finding]:
    if key.kind == "rsa" and key.bits < GOOD_BITS:
        yield Finding("dkim.weak-key", {"name": name, "bits": key.bits})
    if key.kind == "ed25519":
        yield Finding("dkim.ed25519", {"name": name})
    if "y" in key.flags:
        yield Finding("dkim.testing", {"name": name})


async def _misplaced(domain: str, selector: Selector, lookup: Lookup) -> list[Finding]:
    """Where a key ends up when a DNS form is read differently from how it was meant."""
    name = name_of(selector.name, domain)
    if await _holds_key(lookup, f"{name}.{domain}"):
        return [Finding("dkim.zone-doubled", {"found": f"{name}.{domain}", "name": name})]
    for other in (f"{selector.name}.{domain}", f"_domainkey.{domain}"):
        if await _holds_key(lookup, other):
            return [Finding("dkim.other-name", {"found": other, "name": name})]
    return []


async def _old_signers(domain: str, selectors: Sequence[Selector], lookup: Lookup) -> list[Finding]:
    """Keys of earlier signers still published. Told, and never called proof of signing."""
    recorded = {selector.name for selector in selectors}
    names = [name_of(each, domain) for each in OLD_SIGNERS if each not in recorded]
    answers = await lookup.resolve_all(names, "TXT")
    found = [name for name, answer in zip(names, answers, strict=True) if _is_key(answer)]
    return [Finding("dkim.old-signers", {"names": found})] if found else []


async def _holds_key(lookup: Lookup, name: str) -> bool:
    return _is_key(await lookup.resolve(name, "TXT"))


def _is_key(answer: Answer) -> bool:
    if not isinstance(answer, Records):
        return False
    keys = [parse(value) for value in answer.values if is_key_like(value)]
    return any(isinstance(key, Key) and not key.is_revoked for key in keys)
