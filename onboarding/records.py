"""The exact record a client should publish for a task, worked out from region and evidence."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from checks.engine.outcomes import Kind
from checks.engine.spf import proposed_record
from checks.models import Check
from onboarding.proof import Subject
from tenants.models import Domain
from tenants.regions import Region, load_book


@dataclass(frozen=True)
class RecordToPublish:
    """One record as DNS hosts ask for it. `replaces` is what stands there now, if anything."""

    domain: str
    rtype: str
    name: str
    value: str
    ttl: int | None = None
    replaces: str = ""
    note: str = ""


def records_for(subject: Subject, region: Region) -> list[RecordToPublish]:
    """What to publish so that the subject's check comes to yes; empty for hosts and for gaps."""
    check = subject.check
    if check is None or check.domain is None:
        return []
    match subject.kind:
        case Kind.OWNERSHIP:
            return _ownership(check.domain)
        case Kind.SPF:
            return _spf(check, check.domain, region)
        case Kind.MX:
            return [
                RecordToPublish(check.domain.name, "MX", "@", f"10 {host}.", ttl=_threshold())
                for host in region.mx
            ]
        case Kind.MX_TTL:
            return _lower_ttl(check, check.domain)
        case _:
            return []


def _threshold() -> int:
    return int(settings.CHECKS_TTL_THRESHOLD_SECONDS)


def _ownership(domain: Domain) -> list[RecordToPublish]:
    if domain.ownership_token:
        return [RecordToPublish(domain.name, "TXT", "@", domain.ownership_token)]
    target = load_book().everywhere.ownership_cname_target
    return [RecordToPublish(domain.name, "CNAME", domain.ownership_label, f"{target}.")]


def _spf(check: Check, domain: Domain, region: Region) -> list[RecordToPublish]:
    if not region.spf_include:
        return []
    seen = check.latest.evidence.get("record") if check.latest is not None else None
    current = seen if isinstance(seen, str) else ""
    value = proposed_record(current, region.spf_include)
    if not value or value == current:
        return []
    return [RecordToPublish(domain.name, "TXT", "@", value, replaces=current)]


def _lower_ttl(check: Check, domain: Domain) -> list[RecordToPublish]:
    servers = check.latest.evidence.get("servers", []) if check.latest is not None else []
    values = sorted({value for server in servers for value in server.get("values") or []})
    return [
        RecordToPublish(
            domain.name, "MX", "@", f"{value}.", ttl=_threshold(), note="Only the TTL changes."
        )
        for value in values
    ]
