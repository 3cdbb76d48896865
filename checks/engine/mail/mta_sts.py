"""MTA-STS: the domain's policy permits the planned MX hosts.

Senders that enforce the policy deliver to no other host. Specified in
docs/reference/checks/mta_sts.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from checks.engine.almost_records import recognise
from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, Records, sorted_values
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.https import Fetched, FetchFailure, NotFetched, fetch
from checks.engine.hosts.prober import Prober
from checks.engine.mail.mta_sts_policy import (
    InvalidMtaSts,
    MtaStsPolicy,
    parse,
    parse_id,
    select,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

PATH = "/.well-known/mta-sts.txt"
_CONTENT_TYPE = "text/plain"  # RFC 8461 section 3.2
PolicyResult = MtaStsPolicy | InvalidMtaSts | NotFetched


async def inspect(domain: str, region: RegionFacts, lookup: Lookup, prober: Prober) -> Outcome:
    """Query every authoritative server for the record, fetch an announced policy, and judge."""
    return await _inspect(domain, region, lookup, lambda: fetch(prober, policy_host(domain), PATH))


async def inspect_proposed(
    domain: str, region: RegionFacts, lookup: Lookup, policy: bytes
) -> Outcome:
    """Judge with a proposed policy file that is not served yet. Fetches nothing."""

    async def served() -> Fetched:
        return Fetched(policy, _CONTENT_TYPE, "")

    return await _inspect(domain, region, lookup, served)


async def _inspect(
    domain: str,
    region: RegionFacts,
    lookup: Lookup,
    policy_file: Callable[[], Awaitable[Fetched | NotFetched]],
) -> Outcome:
    if not region.mx:
        finding = Finding("region.gap", {"region": region.name or region.id, "field": "mx"})
        return Outcome(CheckKind.MTA_STS, domain, Verdict.UNKNOWN, (finding,), unanimous=False)
    authoritative = await query_authoritative(lookup, f"_mta-sts.{domain}", "TXT")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.MTA_STS, domain, authoritative)
    evidence: dict[str, Any] = {"expected": sorted(region.mx)}
    policy_result: PolicyResult | None = None
    fetched: Fetched | NotFetched | None = None
    # One fetch for all servers: the policy is the same file whichever server has the record.
    if any(records_in(answer) for _, answer in authoritative.answers):
        fetched = await policy_file()
        policy_result = parse(fetched.body) if isinstance(fetched, Fetched) else fetched
        evidence |= _as_evidence(domain, fetched, policy_result)
    server_verdicts = authoritative.server_verdicts(
        lambda answer: judge(domain, region, answer, policy_result, _media_type(fetched))
    )
    return combine(CheckKind.MTA_STS, domain, authoritative, server_verdicts, evidence)


def policy_host(domain: str) -> str:
    """Return the host that serves the policy (RFC 8461 section 3.3)."""
    return f"mta-sts.{domain}"


def records_in(answer: Answer) -> list[str]:
    """Return the texts of an answer that begin as an MTA-STS record, sorted; none for a failure."""
    return sorted_values(select(answer.values)) if isinstance(answer, Records) else []


def _media_type(fetched: Fetched | NotFetched | None) -> str:
    """The media type of the file, in lower case and without parameters such as the charset."""
    if not isinstance(fetched, Fetched):
        return _CONTENT_TYPE
    return fetched.content_type.partition(";")[0].strip().lower()


def judge(
    domain: str,
    region: RegionFacts,
    answer: Answer,
    policy_result: PolicyResult | None,
    media_type: str = _CONTENT_TYPE,
) -> ServerVerdict:
    """Judge one server's record and the policy that it announces. Pure."""
    records = records_in(answer)
    # RFC 8461 section 3.1: without the record, senders never fetch the policy.
    if not records or policy_result is None:
        none = Finding("mta-sts.none", {"domain": domain})
        spoiled = recognise("mta-sts", answer.values) if isinstance(answer, Records) else []
        hints = [
            Finding("mta-sts.almost", {"record": each.shown, "problem": each.problem})
            for each in spoiled[:1]
            if not records
        ]
        return ServerVerdict(Verdict.NOT_APPLICABLE, (none, *hints))
    if len(records) > 1:
        # RFC 8461 section 3.1: new senders see no policy; others enforce their cached one.
        several = Finding("mta-sts.several-records", {"domain": domain, "count": len(records)})
        return ServerVerdict(Verdict.FAIL, (several,))
    identity = parse_id(records[0])
    if isinstance(identity, InvalidMtaSts):
        params = {"domain": domain, "problem": identity.problem}
        return ServerVerdict(Verdict.FAIL, (Finding("mta-sts.record-syntax", params),))
    return _with_media_type(domain, media_type, _judge_policy(domain, region, policy_result))


def _with_media_type(domain: str, media_type: str, judged: ServerVerdict) -> ServerVerdict:
    """Add a caution for another media type: some senders discard such a file (section 3.2)."""
    if media_type == _CONTENT_TYPE:
        return judged
    params = {"host": policy_host(domain), "media_type": media_type or "none"}
    verdict = Verdict.WARN if judged.verdict is Verdict.PASS else judged.verdict
    return ServerVerdict(verdict, (*judged.findings, Finding("mta-sts.media-type", params)))


def _judge_policy(domain: str, region: RegionFacts, policy_result: PolicyResult) -> ServerVerdict:
    host = policy_host(domain)
    if isinstance(policy_result, NotFetched):
        return _judge_missing(host, policy_result)
    if isinstance(policy_result, InvalidMtaSts):
        invalid = Finding("mta-sts.policy-syntax", {"host": host, "problem": policy_result.problem})
        return ServerVerdict(Verdict.FAIL, (invalid,))
    # RFC 8461 section 5: mode none removes the policy, so it permits every host.
    if policy_result.mode == "none":
        return ServerVerdict(Verdict.PASS, (Finding("mta-sts.mode-none", {"host": host}),))
    not_permitted = [mx for mx in region.mx if not policy_result.permits(mx)]
    if not not_permitted:
        permitted = Finding(
            "mta-sts.permits", {"mode": policy_result.mode, "max_age": policy_result.max_age}
        )
        return ServerVerdict(Verdict.PASS, (permitted,))
    missing = {"hosts": sorted(not_permitted), "max_age": policy_result.max_age}
    # RFC 8461 section 5: in testing mode senders report the failure and still deliver.
    if policy_result.mode == "testing":
        return ServerVerdict(Verdict.WARN, (Finding("mta-sts.not-permitted-testing", missing),))
    return ServerVerdict(Verdict.FAIL, (Finding("mta-sts.not-permitted", missing),))


def _judge_missing(host: str, policy_result: NotFetched) -> ServerVerdict:
    """Judge a policy that cannot be fetched: FAIL, because senders enforce their cached policy."""
    is_inconclusive = policy_result.failure.is_inconclusive
    verdict = Verdict.UNKNOWN if is_inconclusive else Verdict.FAIL
    return ServerVerdict(verdict, (_fault(host, policy_result),))


_FAULTS: dict[FetchFailure, str] = {
    FetchFailure.NO_ADDRESS: "mta-sts.policy-no-address",
    FetchFailure.CERTIFICATE: "mta-sts.policy-certificate",
    FetchFailure.REDIRECT: "mta-sts.policy-redirect",
    FetchFailure.TOO_LARGE: "mta-sts.policy-too-large",
    FetchFailure.TLS_CLOSED: "mta-sts.policy-closed-at-handshake",
    FetchFailure.TLS_SLOW: "mta-sts.policy-tls-slow",
    FetchFailure.TLS_ALERT: "mta-sts.policy-tls-alert",
    FetchFailure.TLS_TOO_OLD: "mta-sts.policy-protocol-too-old",
    FetchFailure.TLS_NO_CERTIFICATE: "mta-sts.policy-no-certificate",
    FetchFailure.TLS_UNKNOWN_NAME: "mta-sts.policy-unknown-name",
    FetchFailure.TLS_CLIENT_CERTIFICATE: "mta-sts.policy-client-certificate",
    FetchFailure.TLS_NOT_SERVED: "mta-sts.policy-not-tls",
    FetchFailure.TLS_FAILED: "mta-sts.policy-tls-failed",
}
# The parameter that has the detail of a failure, where its sentence has one.
_DETAILS: dict[FetchFailure, str] = {
    FetchFailure.CERTIFICATE: "reason",
    FetchFailure.REDIRECT: "target",
    FetchFailure.TLS_SLOW: "seconds",
    FetchFailure.TLS_ALERT: "reason",
    FetchFailure.TLS_FAILED: "reason",
}


def _fault(host: str, policy_result: NotFetched) -> Finding:
    failure = policy_result.failure
    if failure in _FAULTS:
        details = {_DETAILS[failure]: policy_result.detail} if failure in _DETAILS else {}
        return Finding(_FAULTS[failure], {"host": host} | details)
    if policy_result.failure.is_inconclusive:
        reason = policy_result.detail or policy_result.failure.value
        return Finding("mta-sts.policy-unreached", {"host": host, "reason": reason})
    return Finding("mta-sts.policy-missing", {"host": host, "answer": policy_result.detail})


def _as_evidence(
    domain: str, fetched: Fetched | NotFetched, policy_result: PolicyResult
) -> dict[str, Any]:
    evidence: dict[str, Any] = {"policy_host": policy_host(domain), "policy_from": fetched.address}
    if isinstance(fetched, NotFetched):
        return evidence | {"policy_failure": fetched.failure.value}
    evidence["content_type"] = fetched.content_type
    if isinstance(policy_result, MtaStsPolicy):
        evidence["policy"] = {
            "mode": policy_result.mode,
            "max_age": policy_result.max_age,
            "mx": list(policy_result.mx),
        }
    return evidence
