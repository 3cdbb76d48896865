"""The DNS records that a client has to publish for a task, from the region and the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from checks.engine.outcomes import CheckKind
from checks.engine.spf.proposal import merged_record, proposed_record
from checks.engine.spf.repair import RepairedRecord, repair
from checks.engine.spf.terms import MAX_LOOKUPS
from checks.models import Check
from onboarding.plans.proof import ProofSubject
from tenants.models import Domain
from tenants.proposals import ProposalKind, proposal_in_use, values_in_use
from tenants.regions import Region, load_region_file


@dataclass(frozen=True)
class RecordToPublish:
    """One record, in the fields of a DNS provider's form. `replaces` is the published value."""

    domain: str
    rtype: str
    name: str
    value: str
    ttl: int | None = None
    replaces: str = ""
    note: str = ""


def records_for(subject: ProofSubject, region: Region) -> list[RecordToPublish]:
    """The records that let the subject's check pass; empty for hosts and for missing evidence."""
    check = subject.check
    if check is None or check.domain is None:
        return []
    match subject.kind:
        case CheckKind.OWNERSHIP:
            return _ownership(check.domain)
        case CheckKind.SPF:
            return _spf(check, check.domain, region)
        case CheckKind.MX:
            return _mx(check, check.domain, region)
        case CheckKind.MX_TTL:
            return _lower_ttl(check, check.domain)
        case _:
            return []


def _mx(check: Check, domain: Domain, region: Region) -> list[RecordToPublish]:
    """The region's two MX hosts. The first names the records to remove."""
    wanted = set(region.mx)
    others = [v for v in _published(check) if v.partition(" ")[2] not in wanted]
    return [
        RecordToPublish(
            domain.name,
            "MX",
            "@",
            f"10 {host}.",
            ttl=_threshold(),
            replaces="\n".join(others) if number == 0 else "",
        )
        for number, host in enumerate(region.mx)
    ]


def _published(check: Check) -> list[str]:
    """All values that the authoritative servers published at the latest run."""
    servers = check.latest.evidence.get("servers", []) if check.latest is not None else []
    return sorted({value for server in servers for value in server.get("values") or []})


def _threshold() -> int:
    return int(settings.CHECKS_TTL_THRESHOLD_SECONDS)


def _ownership(domain: Domain) -> list[RecordToPublish]:
    code = values_in_use(domain, ProposalKind.OWNERSHIP)
    proposal = proposal_in_use(domain, ProposalKind.OWNERSHIP)
    note = proposal.label if proposal is not None else ""
    token, label = code["ownership_token"], code["ownership_label"]
    if token:
        return [RecordToPublish(domain.name, "TXT", "@", token, note=note)]
    target = load_region_file().global_facts.ownership_cname_target
    return [RecordToPublish(domain.name, "CNAME", label, f"{target}.", note=note)]


def _spf(check: Check, domain: Domain, region: Region) -> list[RecordToPublish]:
    # Without the published record, a proposal could drop existing senders.
    records = check.latest.evidence.get("records") if check.latest is not None else None
    if not region.spf_include or records is None:
        return []
    # A text that receivers discard is no record, but its terms are the client's senders.
    spoiled = check.latest.evidence.get("almost") or [] if check.latest is not None else []
    texts = records or [each["meant"] for each in spoiled]
    current = merged_record(texts)
    value = proposed_record(current, region.spf_include)
    if [value] == records:
        return []
    notes = ["Replace all SPF records with this one."] if len(records) > 1 else []
    notes += [note for text in texts for note in _about_repair(repair(text))]
    # An observation of an earlier version of Gangway has no count.
    lookups = check.latest.evidence.get("proposed_lookups") if check.latest is not None else None
    if lookups is not None:
        notes.append(_about_lookups(lookups))
    return [
        RecordToPublish(
            domain.name,
            "TXT",
            "@",
            value,
            replaces="\n".join(records or [each["record"] for each in spoiled]),
            note=" ".join(notes),
        )
    ]


def _about_repair(repaired: RepairedRecord) -> list[str]:
    """Return the sentences on the terms that receivers reject (RFC 7208 section 4.6)."""
    notes = [f"Corrected: {former} is now {new}." for former, new in repaired.corrected]
    if repaired.dropped:
        names = ", ".join(repaired.dropped)
        notes.append(
            f"Left out, because receivers reject it: {names}."
            " Add the correct form before you publish."
        )
    return notes


def _about_lookups(lookups: int) -> str:
    if lookups > MAX_LOOKUPS:
        return (
            f"It would need {lookups} lookups. SPF allows {MAX_LOOKUPS}."
            " Remove an unused sender before you publish it."
        )
    return f"It needs {lookups} of the {MAX_LOOKUPS} lookups that SPF allows."


def _lower_ttl(check: Check, domain: Domain) -> list[RecordToPublish]:
    return [
        RecordToPublish(
            domain.name, "MX", "@", f"{value}.", ttl=_threshold(), note="Only the TTL changes."
        )
        for value in _published(check)
    ]
