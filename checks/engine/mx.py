"""MX: is the whole set exactly the region's two hosts? Specified in docs/checks/mx.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from checks.engine.addresses import parse_address
from checks.engine.expectations import RegionFacts
from checks.engine.lookup import Answer, CouldNotTell, Lookup, NoName, Records
from checks.engine.mx_surroundings import about_names_below, about_targets
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.servers import Opinion, Survey, combine, survey, undelegated

# The domains Mimecast's grids live in; a host elsewhere with the name in it only looks alike.
PARENTS = ("mimecast.com", "mimecast.co.za", "mimecast-offshore.com", "mimecast-pscom-us.com")


class State(StrEnum):
    """Where a domain's mail goes."""

    MIMECAST_ONLY = "mimecast_only"
    INCOMPLETE = "incomplete"
    MIXED = "mixed"
    OLD_ONLY = "old_only"
    WRONG_REGION = "wrong_region"
    LOOK_ALIKE = "look_alike"
    NULL_MX = "null_mx"
    NONE = "none"


@dataclass(frozen=True)
class Sorted:
    """The exchanges of one set, by whose they are."""

    ours: tuple[str, ...]
    elsewhere: tuple[str, ...]
    look_alikes: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def leftovers(self) -> tuple[str, ...]:
        return self.elsewhere + self.look_alikes + self.foreign


async def inspect(domain: str, region: RegionFacts, lookup: Lookup) -> Outcome:
    """Ask every authoritative server for the MX set (RFC 5321 section 5.1)."""
    asked = await survey(lookup, domain, "MX")
    if not isinstance(asked, Survey):
        return undelegated(Kind.MX, domain, asked)
    opinions = asked.opinions(lambda answer: judge(domain, region, answer))
    states = sorted({state_of(region, a) for _, a in asked.answers if not _is_silent(a)})
    findings = await about_targets(domain, region, asked, lookup)
    if State.MIMECAST_ONLY in states or State.MIXED in states:
        # Only once mail has moved is mail that still goes elsewhere below the domain worth telling.
        findings += await about_names_below(domain, region, lookup)
    evidence = {"expected": sorted(region.mx), "states": [str(state) for state in states]}
    return combine(Kind.MX, domain, asked, opinions, evidence).with_findings(findings)


def _is_silent(answer: Answer) -> bool:
    return isinstance(answer, CouldNotTell)


def judge(domain: str, region: RegionFacts, answer: Answer) -> Opinion:
    """One server's MX set against the region's. Preferences are the client's to choose. Pure."""
    if not region.mx:
        finding = Finding("region.gap", {"region": region.name or region.id, "field": "mx"})
        return Opinion(Verdict.UNKNOWN, (finding,))
    if isinstance(answer, NoName):
        return Opinion(Verdict.FAIL, (Finding("dns.no-such-domain", {"domain": domain}),))
    if not isinstance(answer, Records):
        return Opinion(Verdict.FAIL, (Finding("mx.none", {"domain": domain}),))
    if _is_null(answer):
        return Opinion(Verdict.FAIL, (Finding("mx.null", {"domain": domain}),))
    findings = _findings(region, answer)
    yes = state_of(region, answer) is State.MIMECAST_ONLY
    return Opinion(Verdict.PASS if yes else Verdict.FAIL, tuple(findings))


def state_of(region: RegionFacts, answer: Answer) -> State:
    if not isinstance(answer, Records):
        return State.NONE
    if _is_null(answer):
        return State.NULL_MX
    hosts = sort_hosts(region, exchanges(answer))
    if not hosts.leftovers:
        return State.INCOMPLETE if _missing(region, hosts) else State.MIMECAST_ONLY
    if hosts.ours:
        return State.MIXED
    if hosts.look_alikes:
        return State.LOOK_ALIKE
    if hosts.elsewhere:
        return State.MIXED if hosts.foreign else State.WRONG_REGION
    return State.OLD_ONLY


def exchanges(answer: Records) -> list[str]:
    return [record.exchange for record in answer.records]


def _is_null(answer: Records) -> bool:
    """RFC 7505: a single record naming the root."""
    return exchanges(answer) == ["."]


def sort_hosts(region: RegionFacts, hosts: Sequence[str]) -> Sorted:
    """By equality, never by likeness: `mimecast.com.example.net` is not Mimecast's."""
    ours = {host.lower().removesuffix(".") for host in region.mx}
    rest = sorted(set(hosts) - ours)
    known = {host for host, _ in region.other_mx}
    elsewhere = [host for host in rest if host in known or _is_mimecast(host)]
    likes = [host for host in rest if host not in elsewhere and "mimecast" in host]
    return Sorted(
        ours=tuple(sorted(set(hosts) & ours)),
        elsewhere=tuple(elsewhere),
        look_alikes=tuple(likes),
        foreign=tuple(host for host in rest if host not in elsewhere and host not in likes),
    )


def _is_mimecast(host: str) -> bool:
    return any(host.endswith("." + parent) for parent in PARENTS)


def _missing(region: RegionFacts, hosts: Sorted) -> list[str]:
    return sorted({host.lower().removesuffix(".") for host in region.mx} - set(hosts.ours))


def _findings(region: RegionFacts, answer: Records) -> list[Finding]:
    hosts = sort_hosts(region, exchanges(answer))
    findings = [*_leftover_findings(region, hosts), *_oddities(answer)]
    missing = _missing(region, hosts)
    if missing and hosts.ours:
        findings.append(Finding("mx.host-missing", {"hosts": missing}))
    return findings


def _leftover_findings(region: RegionFacts, hosts: Sorted) -> list[Finding]:
    findings = []
    foreign = {"hosts": list(hosts.foreign)}
    if hosts.foreign and (hosts.ours or hosts.elsewhere):
        findings.append(Finding("mx.leftover", foreign))
    elif hosts.foreign:
        findings.append(Finding("mx.old-only", foreign))
    if hosts.elsewhere:
        regions = sorted({name for host, name in region.other_mx if host in hosts.elsewhere})
        params = {"hosts": list(hosts.elsewhere), "regions": regions}
        findings.append(Finding("mx.wrong-region", params))
    if hosts.look_alikes:
        findings.append(Finding("mx.look-alike", {"hosts": list(hosts.look_alikes)}))
    return findings


def _oddities(answer: Records) -> list[Finding]:
    findings = []
    twice = sorted(host for host, count in Counter(exchanges(answer)).items() if count > 1)
    if twice:
        findings.append(Finding("mx.duplicate", {"hosts": twice}))
    addresses = sorted({host for host in exchanges(answer) if parse_address(host) is not None})
    if addresses:
        findings.append(Finding("mx.address-as-host", {"hosts": addresses}))
    if "." in exchanges(answer) and not _is_null(answer):
        findings.append(Finding("mx.null-beside-others", {}))
    return findings
