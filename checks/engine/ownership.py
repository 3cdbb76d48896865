"""Ownership: the zone publishes the code that Mimecast issued.

Specified in docs/reference/checks/ownership.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from checks.engine.almost_records import clean, shown
from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative,
    undelegated_outcome,
)
from checks.engine.dns.delegations import DelegationComparison, compare_delegation
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    Lookup,
    LookupFailure,
    NoName,
    Records,
    sorted_values,
)
from checks.engine.expected_values import OwnershipCode
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

# Every known code matches this pattern, but Mimecast does not document it. It serves for a hint,
# never for a verdict.
_CODE = re.compile(r"0ed1fe018a[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", re.IGNORECASE)
_PASTED = re.compile(r"[\s,;<>]")
# Wrong names under which a code is published when the fields of a DNS form are misread.
_OTHER_NAMES = ("www", "mimecast", "_mimecast")


async def inspect(domain: str, expected: OwnershipCode, lookup: Lookup) -> Outcome:
    """Query every authoritative server for both proofs, the TXT code and the CNAME; judge them."""
    if not expected.token and not expected.label:
        finding = Finding("ownership.no-code", {"domain": domain})
        return Outcome(CheckKind.OWNERSHIP, domain, Verdict.UNKNOWN, (finding,), unanimous=False)
    codes = await query_authoritative(lookup, domain, "TXT")
    if not isinstance(codes, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.OWNERSHIP, domain, codes)
    label = f"{expected.label}.{domain}" if expected.label else ""
    aliases = await query_authoritative(lookup, domain, "CNAME", at=label) if label else None
    if isinstance(aliases, NoName | LookupFailure):
        return undelegated_outcome(CheckKind.OWNERSHIP, domain, aliases)
    server_verdicts = _judge_each(domain, expected, codes, aliases)
    comparison = await compare_delegation(lookup, codes.delegation)
    misplaced = [
        *await _find_misplaced(domain, expected, lookup, server_verdicts),
        *await _find_at_other_servers(
            domain, expected, lookup, server_verdicts, comparison, codes.delegation
        ),
    ]
    if comparison.is_inconsistent:
        params = {"parent": list(comparison.parent), "zone": list(comparison.zone)}
        misplaced.append(Finding("dns.delegation-differs", params))
    evidence: dict[str, Any] = {"expected": {"token": expected.token, "label": expected.label}}
    if aliases is not None:
        evidence["aliases"] = aliases.rows
    outcome = combine(CheckKind.OWNERSHIP, domain, codes, server_verdicts, evidence)
    return outcome.with_findings(misplaced)


def _judge_each(
    domain: str,
    expected: OwnershipCode,
    codes: AuthoritativeAnswers,
    aliases: AuthoritativeAnswers | None,
) -> list[ServerVerdict | None]:
    if aliases is None:
        return codes.server_verdicts(lambda answer: judge(domain, expected, answer, None))
    return [
        _judge_both(domain, expected, code, alias)
        for (_, code), (_, alias) in zip(codes.answers, aliases.answers, strict=True)
    ]


def _judge_both(
    domain: str, expected: OwnershipCode, code: Answer, alias: Answer
) -> ServerVerdict | None:
    """Judge both proofs: either passes alone, FAIL needs both answers. None without a decision."""
    server_verdict = judge(domain, expected, code, alias)
    is_unanswered = isinstance(code, LookupFailure) or isinstance(alias, LookupFailure)
    return None if is_unanswered and not server_verdict.verdict.is_passing else server_verdict


def judge(
    domain: str, expected: OwnershipCode, code: Answer, alias: Answer | None
) -> ServerVerdict:
    """Judge one server's answers against the issued code. Pure."""
    if isinstance(code, Records) and expected.token and expected.token in code.values:
        return ServerVerdict(Verdict.PASS)
    # Equality with the whole set: a name with other CNAMEs as well is a broken zone.
    if isinstance(alias, Records) and alias.values == (expected.cname_target,):
        return ServerVerdict(Verdict.PASS)
    if isinstance(code, NoName):
        return ServerVerdict(Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": domain}),))
    findings = _hints(expected.token, code.values if isinstance(code, Records) else ())
    if isinstance(alias, Records):
        params = {"found": alias.values[0], "expected": expected.cname_target}
        findings.append(Finding("ownership.wrong-target", params))
    missing = Finding("ownership.not-found", {"domain": domain})
    return ServerVerdict(Verdict.FAIL, tuple(findings) or (missing,))


def _hints(token: str, values: Sequence[str]) -> list[Finding]:
    """Return findings about the published values: an altered code, or another domain's code."""
    findings = []
    for value in sorted_values(values):
        bare = _PASTED.sub("", clean(value)).lower()
        if token and token.lower() in bare:
            findings.append(Finding("ownership.code-altered", {"found": shown(value)}))
        elif _CODE.fullmatch(bare):
            findings.append(Finding("ownership.other-code", {"found": value, "expected": token}))
    return findings


async def _find_at_other_servers(
    domain: str,
    expected: OwnershipCode,
    lookup: Lookup,
    server_verdicts: Sequence[ServerVerdict | None],
    comparison: DelegationComparison,
    delegation: Delegation,
) -> list[Finding]:
    """Return a finding when the code is published only at servers outside the delegation."""
    if not expected.token or any(o is not None and o.verdict.is_passing for o in server_verdicts):
        return []
    answers = await lookup.query_all(comparison.other_servers, domain, "TXT")
    with_token = [
        server.name
        for server, answer in zip(comparison.other_servers, answers, strict=True)
        if isinstance(answer, Records) and expected.token in answer.values
    ]
    if not with_token:
        return []
    delegated = sorted({server.name for server in delegation.servers})
    params = {"servers": sorted(with_token), "delegated": delegated}
    return [Finding("ownership.other-servers", params)]


async def _find_misplaced(
    domain: str,
    expected: OwnershipCode,
    lookup: Lookup,
    server_verdicts: Sequence[ServerVerdict | None],
) -> list[Finding]:
    """Search for the proof at common wrong names, only when no server publishes it correctly."""
    answered = [server_verdict for server_verdict in server_verdicts if server_verdict is not None]
    if not answered or any(server_verdict.verdict.is_passing for server_verdict in answered):
        return []
    if await _has_token(lookup, f"{domain}.{domain}", expected.token):
        return [Finding("ownership.zone-doubled", {"name": f"{domain}.{domain}"})]
    if expected.label:
        doubled = f"{expected.label}.{domain}.{domain}"
        answer = await lookup.resolve(doubled, "CNAME")
        if isinstance(answer, Records) and expected.cname_target in answer.values:
            return [Finding("ownership.zone-doubled", {"name": doubled})]
    for name in (*_OTHER_NAMES, *filter(None, [expected.label])):
        if await _has_token(lookup, f"{name}.{domain}", expected.token):
            return [Finding("ownership.other-name", {"name": f"{name}.{domain}"})]
    return []


async def _has_token(lookup: Lookup, name: str, token: str) -> bool:
    if not token:
        return False
    answer = await lookup.resolve(name, "TXT")
    # A wildcard alias to the apex would return the apex's own records at this name.
    return isinstance(answer, Records) and not answer.chain and token in answer.values
