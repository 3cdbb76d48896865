"""MX: the record set must be exactly the region's hosts.

Specified in docs/reference/checks/mx.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from checks.engine.addresses import parse_address
from checks.engine.dns.consensus import (
    AuthoritativeAnswers,
    ServerVerdict,
    combine,
    query_authoritative,
    undelegated_outcome,
)
from checks.engine.dns.lookup import Answer, Lookup, LookupFailure, NoName, Records
from checks.engine.expected_values import MIMECAST_DOMAINS, RegionFacts
from checks.engine.mx_related import inspect_names_below, inspect_targets
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict


class MxState(StrEnum):
    """The destination of a domain's mail."""

    MIMECAST_ONLY = "mimecast_only"
    INCOMPLETE = "incomplete"
    MIXED = "mixed"
    OLD_ONLY = "old_only"
    WRONG_REGION = "wrong_region"
    LOOK_ALIKE = "look_alike"
    NULL_MX = "null_mx"
    NONE = "none"


# The hosts of Microsoft's MX records for the proof of ownership, such as ms12345678.msv1.invalid.
_OWNERSHIP_PROOF = ".msv1.invalid"


@dataclass(frozen=True)
class MxHosts:
    """The exchanges of one record set, by owner."""

    ours: tuple[str, ...]
    other_regions: tuple[str, ...]
    look_alikes: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def leftovers(self) -> tuple[str, ...]:
        return self.other_regions + self.look_alikes + self.foreign


async def inspect(domain: str, region: RegionFacts, lookup: Lookup) -> Outcome:
    """Query every authoritative server for the MX set (RFC 5321 section 5.1) and judge it."""
    authoritative = await query_authoritative(lookup, domain, "MX")
    if not isinstance(authoritative, AuthoritativeAnswers):
        return undelegated_outcome(CheckKind.MX, domain, authoritative)
    server_verdicts = authoritative.server_verdicts(lambda answer: judge(domain, region, answer))
    states = sorted(
        {state_of(region, a) for _, a in authoritative.answers if not _is_unanswered(a)}
    )
    findings = await inspect_targets(domain, region, authoritative, lookup)
    if MxState.MIMECAST_ONLY in states or MxState.MIXED in states:
        # Names below the domain matter only after the switch. Before it, they differ by design.
        # MIXED counts: some mail has moved already.
        findings += await inspect_names_below(domain, region, lookup)
    evidence = {"expected": sorted(region.mx), "states": [str(state) for state in states]}
    return combine(CheckKind.MX, domain, authoritative, server_verdicts, evidence).with_findings(
        findings
    )


def _is_unanswered(answer: Answer) -> bool:
    return isinstance(answer, LookupFailure)


def judge(domain: str, region: RegionFacts, answer: Answer) -> ServerVerdict:
    """Judge one server's MX set against the region's hosts. Preferences do not matter. Pure."""
    if not region.mx:
        finding = Finding("region.gap", {"region": region.name or region.id, "field": "mx"})
        return ServerVerdict(Verdict.UNKNOWN, (finding,))
    if isinstance(answer, NoName):
        return ServerVerdict(Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": domain}),))
    if not isinstance(answer, Records):
        return ServerVerdict(Verdict.FAIL, (Finding("mx.none", {"domain": domain}),))
    if _is_null(answer):
        return ServerVerdict(Verdict.FAIL, (Finding("mx.null", {"domain": domain}),))
    state, findings = state_of(region, answer), _findings(region, answer)
    if state is MxState.NONE:
        findings.insert(0, Finding("mx.none", {"domain": domain}))
    if state is not MxState.MIMECAST_ONLY:
        return ServerVerdict(Verdict.FAIL, tuple(findings))
    has_proof = any(map(is_ownership_proof, exchanges(answer)))
    return ServerVerdict(Verdict.WARN if has_proof else Verdict.PASS, tuple(findings))


def state_of(region: RegionFacts, answer: Answer) -> MxState:
    """Return the state of one answer. An answer without records is NONE."""
    if not isinstance(answer, Records):
        return MxState.NONE
    if _is_null(answer):
        return MxState.NULL_MX
    if all(map(is_ownership_proof, exchanges(answer))):
        return MxState.NONE
    hosts = classify_hosts(region, exchanges(answer))
    if not hosts.leftovers:
        return MxState.INCOMPLETE if _missing(region, hosts) else MxState.MIMECAST_ONLY
    if hosts.ours:
        return MxState.MIXED
    # A lookalike outranks the rest: an attacker may have registered its domain to receive mail.
    if hosts.look_alikes:
        return MxState.LOOK_ALIKE
    if hosts.other_regions:
        return MxState.MIXED if hosts.foreign else MxState.WRONG_REGION
    return MxState.OLD_ONLY


def exchanges(answer: Records) -> list[str]:
    """Return the names of the MX hosts, in the order of the answer."""
    return [record.exchange for record in answer.records]


def _is_null(answer: Records) -> bool:
    """Return whether the answer is a null MX: a single record naming the root (RFC 7505)."""
    return exchanges(answer) == ["."]


def classify_hosts(region: RegionFacts, hosts: Sequence[str]) -> MxHosts:
    """Classify hosts by owner, by whole names: `mimecast.com.example.net` is a lookalike."""
    ours = {host.lower().removesuffix(".") for host in region.mx}
    rest = sorted({host for host in hosts if not is_ownership_proof(host)} - ours)
    known = {host for host, _ in region.other_mx}
    other_regions = [host for host in rest if host in known or _is_mimecast(host)]
    look_alikes = [host for host in rest if host not in other_regions and "mimecast" in host]
    return MxHosts(
        ours=tuple(sorted(set(hosts) & ours)),
        other_regions=tuple(other_regions),
        look_alikes=tuple(look_alikes),
        foreign=tuple(
            host for host in rest if host not in other_regions and host not in look_alikes
        ),
    )


def is_ownership_proof(host: str) -> bool:
    """Return whether the record proves to Microsoft 365 the ownership of the domain.

    RFC 2606 section 2: its host never exists, so that no sender delivers to it.
    """
    return host.endswith(_OWNERSHIP_PROOF)


def _is_mimecast(host: str) -> bool:
    return any(host.endswith("." + parent) for parent in MIMECAST_DOMAINS)


def _missing(region: RegionFacts, hosts: MxHosts) -> list[str]:
    return sorted({host.lower().removesuffix(".") for host in region.mx} - set(hosts.ours))


def _findings(region: RegionFacts, answer: Records) -> list[Finding]:
    hosts = classify_hosts(region, exchanges(answer))
    findings = [*_leftover_findings(region, hosts), *_record_problems(answer)]
    missing = _missing(region, hosts)
    if missing and hosts.ours:
        findings.append(Finding("mx.host-missing", {"hosts": missing}))
    proofs = sorted(set(filter(is_ownership_proof, exchanges(answer))))
    if proofs:
        findings.append(Finding("mx.ownership-proof", {"hosts": proofs}))
    return findings


def _leftover_findings(region: RegionFacts, hosts: MxHosts) -> list[Finding]:
    findings = []
    # A null MX next to other hosts has a finding of its own: no mail goes there.
    receiving = [host for host in hosts.foreign if host != "."]
    if receiving and (hosts.ours or hosts.other_regions):
        findings.append(Finding("mx.leftover", {"hosts": receiving}))
    elif receiving:
        findings.append(Finding("mx.old-only", {"hosts": receiving}))
    if hosts.other_regions:
        regions = sorted({name for host, name in region.other_mx if host in hosts.other_regions})
        params = {"hosts": list(hosts.other_regions), "regions": regions}
        findings.append(Finding("mx.wrong-region", params))
    if hosts.look_alikes:
        findings.append(Finding("mx.look-alike", {"hosts": list(hosts.look_alikes)}))
    return findings


def _record_problems(answer: Records) -> list[Finding]:
    findings = []
    duplicates = sorted(host for host, count in Counter(exchanges(answer)).items() if count > 1)
    if duplicates:
        findings.append(Finding("mx.duplicate", {"hosts": duplicates}))
    addresses = sorted({host for host in exchanges(answer) if parse_address(host) is not None})
    if addresses:
        findings.append(Finding("mx.address-as-host", {"hosts": addresses}))
    if "." in exchanges(answer) and not _is_null(answer):
        findings.append(Finding("mx.null-with-others", {}))
    return findings
