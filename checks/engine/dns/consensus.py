"""Query every authoritative server and combine the verdicts for their answers.

Each answer is judged alone. One rule, `combine`, covers all kinds of checks, so that none can rely
on a single server. A server without an answer leads to UNKNOWN, never to FAIL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from checks.engine.dns import dnssec
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    Lookup,
    LookupFailure,
    NoName,
    NoRecord,
    Records,
    Server,
    sorted_values,
)
from checks.engine.dns.validated import validate_targets
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict, worst


@dataclass(frozen=True)
class ServerVerdict:
    """The verdict for one server's answer. UNKNOWN: the answer exists but cannot be judged."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class AuthoritativeAnswers:
    """The answers of all servers of a zone to one question."""

    delegation: Delegation
    answers: tuple[tuple[Server, Answer], ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The answers as evidence."""
        return [_row(server, answer) for server, answer in self.answers]

    def server_verdicts(
        self, judge: Callable[[Answer], ServerVerdict]
    ) -> list[ServerVerdict | None]:
        """Return the verdict for each server, None for a server without an answer.

        Equal answers have equal verdicts, so each distinct answer is judged once.
        """
        found: list[tuple[Answer, ServerVerdict]] = []
        server_verdicts: list[ServerVerdict | None] = []
        for _, answer in self.answers:
            server_verdict = None
            if not isinstance(answer, LookupFailure):
                server_verdict = next((known for same, known in found if same == answer), None)
                if server_verdict is None:
                    server_verdict = _judge_both_cases(answer, judge)
                    found.append((answer, server_verdict))
            server_verdicts.append(server_verdict)
        return server_verdicts


def _judge_both_cases(answer: Answer, judge: Callable[[Answer], ServerVerdict]) -> ServerVerdict:
    """Judge an answer, and the other one in lower case: resolvers receive either of them."""
    if not isinstance(answer, Records) or answer.lower_case is None:
        return judge(answer)
    both = [judge(replace(answer, lower_case=None)), judge(answer.lower_case)]
    verdict = worst([each.verdict for each in both])
    findings: list[Finding] = []
    for each in both:
        if each.verdict.is_passing == verdict.is_passing:
            findings += [finding for finding in each.findings if finding not in findings]
    return ServerVerdict(verdict, tuple(findings))


def _row(server: Server, answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": server.name,
        "address": server.address,
        "status": status_of(answer),
        "values": [],
        "ttl": None,
    }
    if isinstance(answer, Records):
        row.update(values=sorted_values(answer.values), ttl=answer.ttl)
        if answer.chain:
            row["aliases"] = [link.value for link in answer.chain]
        if answer.lower_case is not None:
            lower = answer.lower_case
            row["lower_case"] = sorted_values(lower.values) if isinstance(lower, Records) else []
    return row


# The statuses of servers that answered, with records or with a denial.
ANSWERED_STATUSES = frozenset({"records", "no-record", "no-name"})


def status_of(answer: Answer) -> str:
    """Return one of ANSWERED_STATUSES, or the reason of a failed query."""
    match answer:
        case Records():
            return "records"
        case NoRecord():
            return "no-record"
        case NoName():
            return "no-name"
    return answer.reason


async def query_authoritative(
    lookup: Lookup, domain: str, rtype: str, *, at: str = ""
) -> AuthoritativeAnswers | NoName | LookupFailure:
    """Query every server of the domain's zone for the records at `at`, by default the domain."""
    delegation = await lookup.delegation(domain)
    if not isinstance(delegation, Delegation):
        return delegation
    answers = await lookup.query_all(delegation.servers, at or domain, rtype)
    answers = await validate_targets(lookup, answers, rtype)
    return AuthoritativeAnswers(delegation, tuple(zip(delegation.servers, answers, strict=True)))


async def query_authoritative_below(
    lookup: Lookup, domain: str, name: str, rtype: str
) -> AuthoritativeAnswers | NoName | LookupFailure:
    """Query every server of the zone that contains `name`, a name below the domain.

    Usually it is the domain's own zone, so its servers are queried first. When each of them answers
    from that zone, the name is not delegated further (RFC 1034 section 4.3.2). Otherwise the zone
    is located as for any other name.
    """
    above = await lookup.delegation(domain)
    # This saves the delegation of each name below the domain, most of which are in its own zone.
    if isinstance(above, Delegation) and above.servers:
        answers = await lookup.query_all(above.servers, name, rtype)
        if all(_lies_in(above.zone, answer) or _ends_in_alias(answer) for answer in answers):
            answers = await validate_targets(lookup, answers, rtype)
            return AuthoritativeAnswers(above, tuple(zip(above.servers, answers, strict=True)))
    return await query_authoritative(lookup, name, rtype)


def _lies_in(zone: str, answer: Answer) -> bool:
    return not isinstance(answer, LookupFailure) and answer.zone == zone


def _ends_in_alias(answer: Answer) -> bool:
    """Return whether the server has an alias of the name, and nothing is known of its target."""
    return isinstance(answer, LookupFailure) and answer.reason in ("alias-unresolved", "cname-loop")


def undelegated_outcome(kind: CheckKind, domain: str, answer: NoName | LookupFailure) -> Outcome:
    """Return the outcome without any server: the name is not registered, or the lookup failed."""
    evidence: dict[str, Any] = {"servers": [], "status": status_of(answer)}
    if isinstance(answer, NoName):
        # Only the registry denied the name, no server of the domain's own. Such a verdict must not
        # change a task, so it is not unanimous.
        finding = Finding("dns.no-such-domain", {"domain": domain})
        return Outcome(kind, domain, Verdict.FAIL, (finding,), evidence, unanimous=False)
    if answer.reason == "unconfirmed":
        finding = Finding("dns.no-such-domain-unconfirmed", {"domain": domain})
    else:
        finding = Finding("dns.no-delegation", {"domain": domain, "reason": answer.reason})
    return Outcome(kind, domain, Verdict.UNKNOWN, (finding,), evidence, unanimous=False)


def combine(
    kind: CheckKind,
    domain: str,
    authoritative: AuthoritativeAnswers,
    server_verdicts: Sequence[ServerVerdict | None],
    evidence: Mapping[str, Any],
) -> Outcome:
    """Combine the verdicts for all servers into one outcome.

    - All pass: the most severe passing verdict.
    - All fail: FAIL.
    - They differ: FAIL, not unanimous, so that no task changes.
    - One server has no verdict: UNKNOWN instead of PASS. A FAIL remains, but is not unanimous.
    """
    verdict = _verdict(authoritative, server_verdicts)
    findings = [
        *_disagreement_findings(authoritative, server_verdicts),
        *_judged_findings(server_verdicts),
        *_unanswered_findings(authoritative, server_verdicts),
        *_addressless_findings(authoritative.delegation),
        *_glue_findings(authoritative.delegation),
        *_case_findings(authoritative),
        *_unconfirmed_findings(authoritative.delegation),
        *_excess_findings(authoritative.delegation),
        *_empty_alias_findings(authoritative),
    ]
    # A server without an address can mislead no sender, so it costs a caution and not the verdict.
    # So does glue that differs, while the server at that address gives the same answer.
    delegation = authoritative.delegation
    if verdict is Verdict.PASS and (
        delegation.addressless or delegation.glue_only or _case_findings(authoritative)
    ):
        verdict = Verdict.WARN
    return Outcome(
        kind=kind,
        subject=domain,
        verdict=verdict,
        findings=tuple(findings),
        evidence={**_server_evidence(authoritative), **evidence},
        unanimous=_is_complete(authoritative, server_verdicts)
        and len(_sides(server_verdicts)) == 1
        # Some resolvers receive the other answer, as from a server that disagrees.
        and not _changing_case(authoritative),
    )


def _server_evidence(authoritative: AuthoritativeAnswers) -> dict[str, Any]:
    delegation = authoritative.delegation
    evidence: dict[str, Any] = {"zone": delegation.zone, "servers": authoritative.rows}
    if delegation.unqueried:
        evidence["unqueried"] = [str(server) for server in delegation.unqueried]
    return evidence


def _side(server_verdict: ServerVerdict) -> str:
    # WARN and PASS are on one side: servers that differ only in a caution agree.
    if server_verdict.verdict.is_passing:
        return "yes"
    return "no" if server_verdict.verdict is Verdict.FAIL else "neither"


def _sides(server_verdicts: Sequence[ServerVerdict | None]) -> set[str]:
    return {
        _side(server_verdict) for server_verdict in server_verdicts if _is_decided(server_verdict)
    }


def _is_decided(server_verdict: ServerVerdict | None) -> TypeGuard[ServerVerdict]:
    return server_verdict is not None and server_verdict.verdict is not Verdict.UNKNOWN


def _is_complete(
    authoritative: AuthoritativeAnswers, server_verdicts: Sequence[ServerVerdict | None]
) -> bool:
    # `bool`: without any server, `all` of nothing would be true.
    is_complete = bool(server_verdicts) and all(
        _is_decided(server_verdict) for server_verdict in server_verdicts
    )
    delegation = authoritative.delegation
    return (
        is_complete
        and not delegation.unresolved
        and not delegation.excess
        and delegation.is_confirmed
    )


def _verdict(
    authoritative: AuthoritativeAnswers, server_verdicts: Sequence[ServerVerdict | None]
) -> Verdict:
    sides = _sides(server_verdicts)
    if not sides:
        return Verdict.UNKNOWN
    # Before completeness: one certain fault is a fault, whether or not the other servers answered.
    if len(sides) > 1 or sides == {"no"}:
        return Verdict.FAIL
    if not _is_complete(authoritative, server_verdicts):
        return Verdict.UNKNOWN
    return worst(
        [server_verdict.verdict for server_verdict in server_verdicts if server_verdict is not None]
    )


def _disagreement_findings(
    authoritative: AuthoritativeAnswers, server_verdicts: Sequence[ServerVerdict | None]
) -> list[Finding]:
    if len(_sides(server_verdicts)) < 2:
        return []
    sides: dict[bool, list[str]] = {True: [], False: []}
    for (server, _), server_verdict in zip(authoritative.answers, server_verdicts, strict=True):
        if _is_decided(server_verdict):
            sides[server_verdict.verdict.is_passing].append(str(server))
    agreeing, lagging = sides[True], sides[False]
    return [Finding("dns.servers-disagree", {"agreeing": agreeing, "lagging": lagging})]


def _judged_findings(server_verdicts: Sequence[ServerVerdict | None]) -> list[Finding]:
    """Return each finding once. When servers differ, only the findings of failing ones count."""
    is_split = len(_sides(server_verdicts)) > 1
    found: list[Finding] = []
    for server_verdict in server_verdicts:
        if server_verdict is None or (is_split and server_verdict.verdict.is_passing):
            continue
        found.extend(finding for finding in server_verdict.findings if finding not in found)
    return found


# The finding for each condition of a server without a usable answer; `_condition` adds the servers.
_SERVERS: Mapping[str, Any] = {}
_CONDITIONS = {
    "lame": Finding("dns.server-lame", _SERVERS),
    "refused": Finding("dns.server-refuses", _SERVERS),
    "servfail": Finding("dns.server-fails", _SERVERS),
    "malformed": Finding("dns.server-malformed", _SERVERS),
    "oversized": Finding("dns.server-oversized", _SERVERS),
    "truncated": Finding("dns.server-truncates", _SERVERS),
    "cname-loop": Finding("dns.alias-loop", _SERVERS),
    "unreachable": Finding("dns.server-unreachable", _SERVERS),
    "not-allowed": Finding("dns.server-not-public", _SERVERS),
    "no-address": Finding("dns.server-unresolved", _SERVERS),
    "no-ipv6": Finding("dns.no-ipv6-here", _SERVERS),
    dnssec.EXPIRED: Finding("dns.dnssec-expired", _SERVERS),
    dnssec.NOT_YET_VALID: Finding("dns.dnssec-not-yet-valid", _SERVERS),
    dnssec.NO_MATCHING_KEY: Finding("dns.dnssec-no-matching-key", _SERVERS),
    dnssec.SIGNATURE_MISSING: Finding("dns.dnssec-signature-missing", _SERVERS),
    dnssec.SIGNATURE_INVALID: Finding("dns.dnssec-signature-invalid", _SERVERS),
    dnssec.DENIAL_UNPROVEN: Finding("dns.dnssec-denial-unproven", _SERVERS),
    dnssec.REJECTED: Finding("dns.dnssec-rejected", _SERVERS),
}


# Each of these findings names servers without a usable answer.
UNANSWERED_CODES = frozenset(
    {"dns.server-silent", "dns.alias-unresolved", *(each.code for each in _CONDITIONS.values())}
)


def _unanswered_findings(
    authoritative: AuthoritativeAnswers, server_verdicts: Sequence[ServerVerdict | None]
) -> list[Finding]:
    """Return one finding for each condition, with the servers that gave no usable answer."""
    unanswered = [
        (str(server), status_of(answer))
        for (server, answer), server_verdict in zip(
            authoritative.answers, server_verdicts, strict=True
        )
        if server_verdict is None
    ]
    ipv6_only = authoritative.delegation.ipv6_only
    unanswered += [
        (name, "no-ipv6" if name in ipv6_only else "no-address")
        for name in authoritative.delegation.unresolved
    ]
    names = {
        reason: [name for name, status in unanswered if status == reason]
        for _, reason in unanswered
    }
    targets = {
        answer.detail
        for _, answer in authoritative.answers
        if isinstance(answer, LookupFailure) and answer.reason == "alias-unresolved"
    }
    return [_condition(reason, names[reason], sorted(targets)) for reason in sorted(names)]


def _condition(reason: str, servers: list[str], targets: list[str]) -> Finding:
    if reason == "alias-unresolved":
        return Finding("dns.alias-unresolved", {"servers": servers, "names": targets})
    known = _CONDITIONS.get(reason)
    if known is None:
        return Finding("dns.server-silent", {"servers": servers, "reasons": [reason]})
    return replace(known, params={"servers": servers})


def _unconfirmed_findings(delegation: Delegation) -> list[Finding]:
    """Return a finding when the parent zone did not confirm the servers: they may be outdated."""
    if delegation.is_confirmed:
        return []
    return [Finding("dns.parent-silent", {"zone": delegation.zone})]


def _excess_findings(delegation: Delegation) -> list[Finding]:
    """Return a finding when the zone has more servers than a check queries."""
    if not delegation.excess:
        return []
    params = {"zone": delegation.zone, "count": delegation.excess}
    return [Finding("dns.too-many-servers", params)]


def _empty_alias_findings(authoritative: AuthoritativeAnswers) -> list[Finding]:
    """Return a finding for each alias whose target has no such record, if no server has one."""
    answers = [answer for _, answer in authoritative.answers]
    if any(isinstance(answer, Records) for answer in answers):
        return []
    aliases = {
        (answer.chain[0].owner, answer.chain[-1].value)
        for answer in answers
        if isinstance(answer, NoRecord | NoName) and answer.chain
    }
    return [
        Finding("dns.alias-without-record", {"name": name, "target": target})
        for name, target in sorted(aliases)
    ]


def _glue_findings(delegation: Delegation) -> list[Finding]:
    if not delegation.glue_only:
        return []
    servers = [str(server) for server in delegation.glue_only]
    return [Finding("dns.glue-differs", {"servers": servers})]


def _case_findings(authoritative: AuthoritativeAnswers) -> list[Finding]:
    """Return the findings for servers whose answer depends on case (RFC 4343 section 3)."""
    servers = [
        str(server)
        for server, answer in authoritative.answers
        if isinstance(answer, Records) and answer.is_case_sensitive
    ]
    found = []
    if servers:
        found.append(Finding("dns.case-sensitive-server", {"servers": servers}))
    if changing := _changing_case(authoritative):
        found.append(Finding("dns.case-changes-answer", {"servers": changing}))
    return found


def _changing_case(authoritative: AuthoritativeAnswers) -> list[str]:
    """Return the servers with other records for the name in lower case."""
    return [
        str(server)
        for server, answer in authoritative.answers
        if isinstance(answer, Records) and answer.lower_case is not None
    ]


def _addressless_findings(delegation: Delegation) -> list[Finding]:
    if not delegation.addressless:
        return []
    return [Finding("dns.server-without-address", {"servers": list(delegation.addressless)})]
