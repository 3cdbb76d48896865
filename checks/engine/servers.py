"""What every authoritative server says, and what their answers together are worth.

Each server's answer is judged on its own and the opinions are combined by one rule, so that no kind
can believe a single server. A server that did not answer is our ignorance, never a no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from checks.engine.lookup import (
    Answer,
    CouldNotTell,
    Delegation,
    Lookup,
    NoName,
    NoRecord,
    Records,
    Server,
    sorted_values,
)
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict, worst


@dataclass(frozen=True)
class Opinion:
    """What one answer is worth. UNKNOWN: it was given and still cannot be judged."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Survey:
    """One question put to every server of a zone."""

    delegation: Delegation
    answers: tuple[tuple[Server, Answer], ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The answers as evidence."""
        return [_row(server, answer) for server, answer in self.answers]

    def opinions(self, judge: Callable[[Answer], Opinion]) -> list[Opinion | None]:
        """Each answer judged alone; None for a server that gave none.

        Equal answers are worth the same, so each is judged once.
        """
        found: list[tuple[Answer, Opinion]] = []
        opinions: list[Opinion | None] = []
        for _, answer in self.answers:
            opinion = None
            if not isinstance(answer, CouldNotTell):
                opinion = next((known for same, known in found if same == answer), None)
                if opinion is None:
                    opinion = judge(answer)
                    found.append((answer, opinion))
            opinions.append(opinion)
        return opinions


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
    return row


# The statuses of servers that answered: with records, or by saying that there are none.
ANSWERED = frozenset({"records", "no-record", "no-name"})


def status_of(answer: Answer) -> str:
    match answer:
        case Records():
            return "records"
        case NoRecord():
            return "no-record"
        case NoName():
            return "no-name"
    return answer.reason


async def survey(
    lookup: Lookup, domain: str, rtype: str, *, at: str = ""
) -> Survey | NoName | CouldNotTell:
    """Ask every server of the domain's zone for the records at `at`, or at the domain itself."""
    delegation = await lookup.delegation(domain)
    if not isinstance(delegation, Delegation):
        return delegation
    answers = await lookup.ask_all(delegation.servers, at or domain, rtype)
    return Survey(delegation, tuple(zip(delegation.servers, answers, strict=True)))


async def survey_below(
    lookup: Lookup, domain: str, name: str, rtype: str
) -> Survey | NoName | CouldNotTell:
    """Ask every server of the zone that `name`, below the domain, lies in.

    Mostly that is the domain's own zone. Its servers are asked first: where each of them says that
    its answer comes out of that zone, the name is delegated nowhere else (RFC 1034 section 4.3.2).
    Where any says otherwise, or nothing, the zone is found as for any other name.
    """
    above = await lookup.delegation(domain)
    if isinstance(above, Delegation) and above.servers:
        answers = await lookup.ask_all(above.servers, name, rtype)
        if all(_lies_in(above.zone, answer) for answer in answers):
            return Survey(above, tuple(zip(above.servers, answers, strict=True)))
    return await survey(lookup, name, rtype)


def _lies_in(zone: str, answer: Answer) -> bool:
    return not isinstance(answer, CouldNotTell) and answer.zone == zone


def undelegated(kind: Kind, domain: str, answer: NoName | CouldNotTell) -> Outcome:
    """No server could be asked: the name is not registered, or we could not find out."""
    evidence: dict[str, Any] = {"servers": [], "status": status_of(answer)}
    if isinstance(answer, NoName):
        # A no of the registry's, and not of servers of the domain's own: it may move nothing.
        finding = Finding("dns.no-such-domain", {"domain": domain})
        return Outcome(kind, domain, Verdict.FAIL, (finding,), evidence, unanimous=False)
    if answer.reason == "unconfirmed":
        finding = Finding("dns.no-such-domain-unconfirmed", {"domain": domain})
    else:
        finding = Finding("dns.no-delegation", {"domain": domain, "reason": answer.reason})
    return Outcome(kind, domain, Verdict.UNKNOWN, (finding,), evidence, unanimous=False)


def combine(
    kind: Kind,
    domain: str,
    asked: Survey,
    opinions: Sequence[Opinion | None],
    evidence: Mapping[str, Any],
) -> Outcome:
    """The one rule: all say yes is yes, all say no is no, differing is a no that moves nothing,
    and a server that could not be heard turns yes into "could not tell"."""
    verdict = _verdict(asked, opinions)
    findings = [
        *_disagreement(asked, opinions),
        *_judged_findings(opinions),
        *_silence(asked, opinions),
        *_addressless(asked.delegation),
        *_unconfirmed(asked.delegation),
    ]
    if verdict is Verdict.PASS and asked.delegation.addressless:
        verdict = Verdict.WARN
    return Outcome(
        kind=kind,
        subject=domain,
        verdict=verdict,
        findings=tuple(findings),
        evidence={"zone": asked.delegation.zone, "servers": asked.rows, **evidence},
        unanimous=_is_complete(asked, opinions) and len(_sides(opinions)) == 1,
    )


def _side(opinion: Opinion) -> str:
    if opinion.verdict.is_yes:
        return "yes"
    return "no" if opinion.verdict is Verdict.FAIL else "neither"


def _sides(opinions: Sequence[Opinion | None]) -> set[str]:
    return {_side(opinion) for opinion in opinions if _is_decided(opinion)}


def _is_decided(opinion: Opinion | None) -> TypeGuard[Opinion]:
    return opinion is not None and opinion.verdict is not Verdict.UNKNOWN


def _is_complete(asked: Survey, opinions: Sequence[Opinion | None]) -> bool:
    heard_all = bool(opinions) and all(_is_decided(opinion) for opinion in opinions)
    delegation = asked.delegation
    return heard_all and not delegation.unresolved and delegation.is_confirmed


def _verdict(asked: Survey, opinions: Sequence[Opinion | None]) -> Verdict:
    sides = _sides(opinions)
    if not sides:
        return Verdict.UNKNOWN
    if len(sides) > 1 or sides == {"no"}:
        return Verdict.FAIL
    if not _is_complete(asked, opinions):
        return Verdict.UNKNOWN
    return worst([opinion.verdict for opinion in opinions if opinion is not None])


def _disagreement(asked: Survey, opinions: Sequence[Opinion | None]) -> list[Finding]:
    if len(_sides(opinions)) < 2:
        return []
    sides: dict[bool, list[str]] = {True: [], False: []}
    for (server, _), opinion in zip(asked.answers, opinions, strict=True):
        if _is_decided(opinion):
            sides[opinion.verdict.is_yes].append(str(server))
    agreeing, lagging = sides[True], sides[False]
    return [Finding("dns.servers-disagree", {"agreeing": agreeing, "lagging": lagging})]


def _judged_findings(opinions: Sequence[Opinion | None]) -> list[Finding]:
    """What the answers show, said once; where servers differ, only the fault is worth reading."""
    split = len(_sides(opinions)) > 1
    found: list[Finding] = []
    for opinion in opinions:
        if opinion is None or (split and opinion.verdict.is_yes):
            continue
        found.extend(finding for finding in opinion.findings if finding not in found)
    return found


# What a server that gave no usable answer did instead; the servers are filled in.
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
}


# Each of them names servers that told nothing.
SILENT_CODES = frozenset({"dns.server-silent", *(each.code for each in _CONDITIONS.values())})


def _silence(asked: Survey, opinions: Sequence[Opinion | None]) -> list[Finding]:
    """Who gave no usable answer, by what they did. Our ignorance, whatever the condition."""
    silent = [
        (str(server), status_of(answer))
        for (server, answer), opinion in zip(asked.answers, opinions, strict=True)
        if opinion is None
    ]
    beyond = asked.delegation.ipv6_only
    silent += [
        (name, "no-ipv6" if name in beyond else "no-address")
        for name in asked.delegation.unresolved
    ]
    names = {reason: [name for name, why in silent if why == reason] for _, reason in silent}
    return [_condition(reason, names[reason]) for reason in sorted(names)]


def _condition(reason: str, servers: list[str]) -> Finding:
    known = _CONDITIONS.get(reason)
    if known is None:
        return Finding("dns.server-silent", {"servers": servers, "reasons": [reason]})
    return replace(known, params={"servers": servers})


def _unconfirmed(delegation: Delegation) -> list[Finding]:
    """Without the parent's word the servers asked may be those of an old delegation."""
    if delegation.is_confirmed:
        return []
    return [Finding("dns.parent-silent", {"zone": delegation.zone})]


def _addressless(delegation: Delegation) -> list[Finding]:
    if not delegation.addressless:
        return []
    return [Finding("dns.server-without-address", {"servers": list(delegation.addressless)})]
