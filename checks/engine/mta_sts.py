"""MTA-STS: will senders that enforce the domain's policy deliver to the planned MX hosts?

Specified in docs/checks/mta_sts.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from checks.engine.expectations import RegionFacts
from checks.engine.hosts import Prober
from checks.engine.https import Failure, Fetched, NotFetched, fetch
from checks.engine.lookup import Answer, Lookup, Records, sorted_values
from checks.engine.mta_sts_policy import Policy, Unreadable, parse, read_id, select
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.servers import Opinion, Survey, combine, survey, undelegated

PATH = "/.well-known/mta-sts.txt"
_CONTENT_TYPE = "text/plain"  # RFC 8461 section 3.2
Seen = Policy | Unreadable | NotFetched


async def inspect(domain: str, region: RegionFacts, lookup: Lookup, prober: Prober) -> Outcome:
    """Ask every authoritative server for the record, and fetch the policy if one has it."""
    return await _inspect(domain, region, lookup, lambda: fetch(prober, policy_host(domain), PATH))


async def inspect_proposed(
    domain: str, region: RegionFacts, lookup: Lookup, policy: bytes
) -> Outcome:
    """The same with a policy file that is not served yet; nobody is asked for it."""

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
        return Outcome(Kind.MTA_STS, domain, Verdict.UNKNOWN, (finding,), unanimous=False)
    asked = await survey(lookup, f"_mta-sts.{domain}", "TXT")
    if not isinstance(asked, Survey):
        return undelegated(Kind.MTA_STS, domain, asked)
    evidence: dict[str, Any] = {"expected": sorted(region.mx)}
    seen: Seen | None = None
    if any(records_in(answer) for _, answer in asked.answers):
        fetched = await policy_file()
        seen = parse(fetched.body) if isinstance(fetched, Fetched) else fetched
        evidence |= _as_evidence(domain, fetched, seen)
    opinions = asked.opinions(lambda answer: judge(domain, region, answer, seen))
    return combine(Kind.MTA_STS, domain, asked, opinions, evidence)


def policy_host(domain: str) -> str:
    return f"mta-sts.{domain}"


def records_in(answer: Answer) -> list[str]:
    return sorted_values(select(answer.values)) if isinstance(answer, Records) else []


def judge(domain: str, region: RegionFacts, answer: Answer, seen: Seen | None) -> Opinion:
    """One server's record, and the policy that it announces. Pure."""
    records = records_in(answer)
    if not records or seen is None:
        finding = Finding("mta-sts.none", {"domain": domain})
        return Opinion(Verdict.NOT_APPLICABLE, (finding,))
    if len(records) > 1:
        # RFC 8461 section 3.1: then there is no policy, but for those who hold one already.
        several = Finding("mta-sts.several-records", {"domain": domain, "count": len(records)})
        return Opinion(Verdict.FAIL, (several,))
    identity = read_id(records[0])
    if isinstance(identity, Unreadable):
        params = {"domain": domain, "problem": identity.problem}
        return Opinion(Verdict.FAIL, (Finding("mta-sts.record-syntax", params),))
    return _judge_policy(domain, region, seen)


def _judge_policy(domain: str, region: RegionFacts, seen: Seen) -> Opinion:
    host = policy_host(domain)
    if isinstance(seen, NotFetched):
        return _judge_missing(host, seen)
    if isinstance(seen, Unreadable):
        broken = Finding("mta-sts.policy-syntax", {"host": host, "problem": seen.problem})
        return Opinion(Verdict.FAIL, (broken,))
    if seen.mode == "none":
        return Opinion(Verdict.PASS, (Finding("mta-sts.mode-none", {"host": host}),))
    refused = [mx for mx in region.mx if not seen.permits(mx)]
    if not refused:
        good = Finding("mta-sts.permits", {"mode": seen.mode, "max_age": seen.max_age})
        return Opinion(Verdict.PASS, (good,))
    missing = {"hosts": sorted(refused), "max_age": seen.max_age}
    if seen.mode == "testing":
        return Opinion(Verdict.WARN, (Finding("mta-sts.not-permitted-testing", missing),))
    return Opinion(Verdict.FAIL, (Finding("mta-sts.not-permitted", missing),))


def _judge_missing(host: str, seen: NotFetched) -> Opinion:
    """Senders that hold an older policy go on enforcing it, so a broken one is no way out."""
    if seen.failure.is_ignorance:
        reason = seen.detail or seen.failure.value
        finding = Finding("mta-sts.policy-unreached", {"host": host, "reason": reason})
        return Opinion(Verdict.UNKNOWN, (finding,))
    return Opinion(Verdict.FAIL, (_fault(host, seen),))


def _fault(host: str, seen: NotFetched) -> Finding:
    match seen.failure:
        case Failure.NO_ADDRESS:
            return Finding("mta-sts.policy-no-address", {"host": host})
        case Failure.CERTIFICATE:
            return Finding("mta-sts.policy-certificate", {"host": host, "reason": seen.detail})
        case Failure.REDIRECT:
            return Finding("mta-sts.policy-redirect", {"host": host, "target": seen.detail})
        case Failure.TOO_LARGE:
            return Finding("mta-sts.policy-too-large", {"host": host})
        case _:
            return Finding("mta-sts.policy-missing", {"host": host, "answer": seen.detail})


def _as_evidence(domain: str, fetched: Fetched | NotFetched, seen: Seen) -> dict[str, Any]:
    evidence: dict[str, Any] = {"policy_host": policy_host(domain), "policy_from": fetched.address}
    if isinstance(fetched, NotFetched):
        return evidence | {"policy_failure": fetched.failure.value}
    evidence["content_type"] = fetched.content_type
    if isinstance(seen, Policy):
        evidence["policy"] = {"mode": seen.mode, "max_age": seen.max_age, "mx": list(seen.mx)}
    return evidence
