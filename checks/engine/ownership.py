"""Ownership: does the zone hold the code Mimecast issued? Specified in docs/checks/ownership.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from checks.engine.delegations import Surroundings, surroundings
from checks.engine.expectations import Ownership
from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    Lookup,
    NoName,
    Records,
    sorted_values,
)
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.servers import Opinion, Survey, combine, survey, undelegated

# Seen in every published code, and documented nowhere: good for a hint, never for a verdict.
_CODE = re.compile(r"0ed1fe018a[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", re.IGNORECASE)
_PASTED = re.compile(r"[\s\"'\u2018\u2019\u201c\u201d]")
# Where a code ends up when a DNS form is read differently from how it was meant.
_OTHER_NAMES = ("www", "mimecast", "_mimecast")


async def inspect(domain: str, expected: Ownership, lookup: Lookup) -> Outcome:
    """Ask every authoritative server for both proofs: the TXT code and the CNAME."""
    if not expected.token and not expected.label:
        finding = Finding("ownership.no-code", {"domain": domain})
        return Outcome(Kind.OWNERSHIP, domain, Verdict.UNKNOWN, (finding,), unanimous=False)
    codes = await survey(lookup, domain, "TXT")
    if not isinstance(codes, Survey):
        return undelegated(Kind.OWNERSHIP, domain, codes)
    label = f"{expected.label}.{domain}" if expected.label else ""
    aliases = await survey(lookup, domain, "CNAME", at=label) if label else None
    if isinstance(aliases, NoName | CouldNotTell):
        return undelegated(Kind.OWNERSHIP, domain, aliases)
    opinions = _opinions(domain, expected, codes, aliases)
    around = await surroundings(lookup, codes.delegation)
    misplaced = [
        *await _find_misplaced(domain, expected, lookup, opinions),
        *await _find_elsewhere(domain, expected, lookup, opinions, around, codes.delegation),
    ]
    if around.differ:
        params = {"parent": list(around.parent), "zone": list(around.zone)}
        misplaced.append(Finding("dns.delegation-differs", params))
    evidence: dict[str, Any] = {"expected": {"token": expected.token, "label": expected.label}}
    if aliases is not None:
        evidence["aliases"] = aliases.rows
    outcome = combine(Kind.OWNERSHIP, domain, codes, opinions, evidence)
    return outcome.with_findings(misplaced)


def _opinions(
    domain: str, expected: Ownership, codes: Survey, aliases: Survey | None
) -> list[Opinion | None]:
    if aliases is None:
        return codes.opinions(lambda answer: judge(domain, expected, answer, None))
    return [
        _judge_both(domain, expected, code, alias)
        for (_, code), (_, alias) in zip(codes.answers, aliases.answers, strict=True)
    ]


def _judge_both(domain: str, expected: Ownership, code: Answer, alias: Answer) -> Opinion | None:
    """Either proof is enough; a no needs both questions answered."""
    opinion = judge(domain, expected, code, alias)
    silent = isinstance(code, CouldNotTell) or isinstance(alias, CouldNotTell)
    return None if silent and not opinion.verdict.is_yes else opinion


def judge(domain: str, expected: Ownership, code: Answer, alias: Answer | None) -> Opinion:
    """One server's answers against the issued code. Pure."""
    if isinstance(code, Records) and expected.token and expected.token in code.values:
        return Opinion(Verdict.PASS)
    if isinstance(alias, Records) and alias.values == (expected.cname_target,):
        return Opinion(Verdict.PASS)
    if isinstance(code, NoName):
        return Opinion(Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": domain}),))
    findings = _hints(expected.token, code.values if isinstance(code, Records) else ())
    if isinstance(alias, Records):
        params = {"found": alias.values[0], "expected": expected.cname_target}
        findings.append(Finding("ownership.wrong-target", params))
    missing = Finding("ownership.not-found", {"domain": domain})
    return Opinion(Verdict.FAIL, tuple(findings) or (missing,))


def _hints(token: str, values: Sequence[str]) -> list[Finding]:
    """What was published instead: the code altered in pasting, or another domain's code."""
    findings = []
    for value in sorted_values(values):
        bare = _PASTED.sub("", value).lower()
        if token and token.lower() in bare:
            findings.append(Finding("ownership.code-altered", {"found": value}))
        elif _CODE.fullmatch(bare):
            findings.append(Finding("ownership.other-code", {"found": value, "expected": token}))
    return findings


async def _find_elsewhere(
    domain: str,
    expected: Ownership,
    lookup: Lookup,
    opinions: Sequence[Opinion | None],
    around: Surroundings,
    delegation: Delegation,
) -> list[Finding]:
    """Was the code published at servers that nobody asks?"""
    if not expected.token or any(o is not None and o.verdict.is_yes for o in opinions):
        return []
    answers = await lookup.ask_all(around.others, domain, "TXT")
    holding = [
        server.name
        for server, answer in zip(around.others, answers, strict=True)
        if isinstance(answer, Records) and expected.token in answer.values
    ]
    if not holding:
        return []
    delegated = sorted({server.name for server in delegation.servers})
    params = {"servers": sorted(holding), "delegated": delegated}
    return [Finding("ownership.other-servers", params)]


async def _find_misplaced(
    domain: str, expected: Ownership, lookup: Lookup, opinions: Sequence[Opinion | None]
) -> list[Finding]:
    """Look for the proof beside its place, only when no server has it there."""
    heard = [opinion for opinion in opinions if opinion is not None]
    if not heard or any(opinion.verdict.is_yes for opinion in heard):
        return []
    if await _holds(lookup, f"{domain}.{domain}", expected.token):
        return [Finding("ownership.zone-doubled", {"name": f"{domain}.{domain}"})]
    if expected.label:
        doubled = f"{expected.label}.{domain}.{domain}"
        answer = await lookup.resolve(doubled, "CNAME")
        if isinstance(answer, Records) and expected.cname_target in answer.values:
            return [Finding("ownership.zone-doubled", {"name": doubled})]
    for name in (*_OTHER_NAMES, *filter(None, [expected.label])):
        if await _holds(lookup, f"{name}.{domain}", expected.token):
            return [Finding("ownership.other-name", {"name": f"{name}.{domain}"})]
    return []


async def _holds(lookup: Lookup, name: str, token: str) -> bool:
    if not token:
        return False
    answer = await lookup.resolve(name, "TXT")
    # A wildcard alias would show the apex's own records here.
    return isinstance(answer, Records) and not answer.chain and token in answer.values
