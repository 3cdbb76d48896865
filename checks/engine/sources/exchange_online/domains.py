"""The accepted domains compared with the tenant's, and the old DKIM signing."""

from __future__ import annotations

from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.tables import DOMAINS, SIGNING
from checks.engine.sources.exports.commands import quoted
from checks.engine.sources.rules import Judgement, RuleInput

ACCEPTED_NEEDS = {DOMAINS: ("DomainName", "DomainType", "InitialDomain")}
SIGNING_NEEDS = {SIGNING: ("Domain", "Enabled")}
# Mimecast adds this domain where it is necessary.
_HYBRID_ROUTING = ".mail.onmicrosoft.com"
_MOST_SHOWN = 50


def judge_accepted(question: RuleInput) -> Judgement:
    """Every accepted domain is in the profile, and every mail domain of the profile is accepted."""
    rows = question.facts.rows(DOMAINS)
    accepted = {row["DomainName"].lower() for row in rows}
    relayed = sorted(r["DomainName"].lower() for r in rows if r["DomainType"] == "InternalRelay")
    known = set(question.expected.get("all_domains", ()))
    evidence = {"accepted": sorted(accepted)[:_MOST_SHOWN], "count": len(accepted)}
    unknown = sorted(name for name in accepted - known if not name.endswith(_HYBRID_ROUTING))
    absent = sorted(set(question.expected.get("domains", ())) - accepted)
    findings = []
    if unknown:
        findings.append(Finding("accepted-domains.unknown", {"domains": unknown[:_MOST_SHOWN]}))
    if absent:
        findings.append(Finding("accepted-domains.absent", {"domains": absent[:_MOST_SHOWN]}))
    if relayed:
        findings.append(Finding("accepted-domains.relayed", {"domains": relayed[:_MOST_SHOWN]}))
    return Judgement(Verdict.WARN if findings else Verdict.PASS, findings, evidence)


def judge_signing(question: RuleInput) -> Judgement:
    """Exchange Online signs none of the tenant's domains with DKIM any more."""
    rows = question.facts.rows(SIGNING)
    wanted = set(question.expected.get("domains", ()))
    states = {row["Domain"].lower(): bool(row["Enabled"]) for row in rows}
    signing = sorted(name for name in wanted if states.get(name))
    unlisted = sorted(wanted - set(states))
    evidence = {"signing": signing, "unlisted": unlisted[:_MOST_SHOWN]}
    if signing:
        command = "; ".join(
            f"Set-DkimSigningConfig -Identity {quoted(name)} -Enabled $false" for name in signing
        )
        finding = Finding("cloud-signing.on", {"domains": signing, "command": command})
        return Judgement(Verdict.FAIL, [finding], evidence)
    if unlisted:
        # A domain without a configuration is not signed by its own name, or is in another
        # organisation: the export does not show which.
        finding = Finding("cloud-signing.unlisted", {"domains": unlisted[:_MOST_SHOWN]})
        return Judgement(Verdict.UNKNOWN, [finding], evidence)
    return Judgement(Verdict.PASS, (), evidence)
