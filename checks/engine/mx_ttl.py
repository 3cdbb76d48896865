"""MX TTL: it must be low at every authoritative server, so that a switch takes effect soon.

Specified in docs/reference/checks/mx_ttl.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, NoName, Records
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict


async def inspect(
    domain: str, threshold: int, lookup: Lookup, *, planned: Sequence[str] = ()
) -> Outcome:
    """Query every authoritative server for the TTL, in seconds, and judge it against `threshold`.

    A resolver's TTL counts down; only an authoritative server returns the full value. `planned` are
    the MX hosts after the switch. When exactly these hosts are published, any TTL passes.
    """
    authoritative = await query_authoritative(lookup, domain, "MX")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.MX_TTL, domain, authoritative)
    server_verdicts = authoritative.server_verdicts(
        lambda answer: judge(domain, threshold, answer, planned)
    )
    ttls = [answer.ttl for _, answer in authoritative.answers if isinstance(answer, Records)]
    # A cache may have its answer from any of the servers, so the switch waits for the highest TTL.
    evidence = {"threshold": threshold, "highest_ttl": max(ttls, default=None)}
    return combine(CheckKind.MX_TTL, domain, authoritative, server_verdicts, evidence)


def judge(
    domain: str, threshold: int, answer: Answer, planned: Sequence[str] = ()
) -> ServerVerdict:
    """Judge one server's TTL; NOT_APPLICABLE without MX records, for nothing is to switch. Pure."""
    if isinstance(answer, NoName):
        return ServerVerdict(Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": domain}),))
    if not isinstance(answer, Records) or [r.exchange for r in answer.records] == ["."]:
        return ServerVerdict(Verdict.NOT_APPLICABLE, (Finding("mx-ttl.no-mx", {"domain": domain}),))
    if answer.ttl <= threshold:
        return ServerVerdict(Verdict.PASS)
    if planned and {record.exchange for record in answer.records} == set(planned):
        return ServerVerdict(Verdict.PASS, (Finding("mx-ttl.moved", {"ttl": answer.ttl}),))
    finding = Finding("mx-ttl.too-high", {"ttl": answer.ttl, "threshold": threshold})
    return ServerVerdict(Verdict.FAIL, (finding,))
