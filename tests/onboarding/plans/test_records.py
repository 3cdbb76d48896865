"""The record to publish, from the region and the observed records."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records_to_publish import RecordToPublish, records_for
from tenants.models import Tenant
from tests.factories import START, TOKEN

MX1, MX2 = "us-smtp-inbound-1.mimecast.com", "us-smtp-inbound-2.mimecast.com"


def _records(
    tenant: Tenant, kind: CheckKind, evidence: dict[str, Any] | None = None
) -> list[RecordToPublish]:
    check = Check.objects.select_related("domain").get(tenant=tenant, kind=kind)
    if evidence is not None:
        check.latest = Observation(
            check_asked=check, evidence=evidence, first_seen_at=START, last_seen_at=START
        )
    return records_for(ProofSubject(kind, check.subject, check), tenant.region_values)


def _evidence(*values: str) -> dict[str, Any]:
    return {"servers": [{"values": list(values)}, {"values": list(values)}]}


def test_ownership_record(tenant: Tenant) -> None:
    assert _records(tenant, CheckKind.OWNERSHIP) == [
        RecordToPublish("northwind.test", "TXT", "@", TOKEN)
    ]


def test_mx_records_replace_others(tenant: Tenant) -> None:
    records = _records(tenant, CheckKind.MX, _evidence("10 mail.northwind.test", f"10 {MX1}"))

    assert [(r.value, r.replaces) for r in records] == [
        (f"10 {MX1}.", "10 mail.northwind.test"),
        (f"10 {MX2}.", ""),
    ]


def test_ttl_record_keeps_values(tenant: Tenant) -> None:
    [record] = _records(tenant, CheckKind.MX_TTL, _evidence("10 mail.northwind.test"))

    assert (record.value, record.ttl) == ("10 mail.northwind.test.", 300)


def test_spf_record_keeps_senders(tenant: Tenant) -> None:
    [record] = _records(tenant, CheckKind.SPF, {"records": ["v=spf1 ip4:192.0.2.1 -all"]})

    assert record.value == "v=spf1 ip4:192.0.2.1 include:us._netblocks.mimecast.com -all"
    assert record.replaces == "v=spf1 ip4:192.0.2.1 -all"


def test_spf_note_names_invalid_terms(tenant: Tenant) -> None:
    published = "v=spf1 ipv4:192.0.2.1 mx/33 spf.test -all"

    [record] = _records(tenant, CheckKind.SPF, {"records": [published]})

    assert record.value == "v=spf1 ip4:192.0.2.1 include:us._netblocks.mimecast.com -all"
    assert record.note == (
        "Corrected: ipv4:192.0.2.1 is now ip4:192.0.2.1."
        " Left out, because receivers reject it: mx/33, spf.test."
        " Add the correct form before you publish."
    )


def test_no_spf_record_without_evidence(tenant: Tenant) -> None:
    assert _records(tenant, CheckKind.SPF) == []
    assert _records(tenant, CheckKind.SPF, {}) == []


def test_no_mx_record_without_region_hosts(tenant: Tenant) -> None:
    tenant.region = "ca"

    assert _records(tenant, CheckKind.MX, _evidence("10 mail.northwind.test")) == []


@pytest.mark.parametrize(
    ("lookups", "note"),
    [
        (4, "It needs 4 of the 10 lookups that SPF allows."),
        (
            12,
            "It would need 12 lookups. SPF allows 10."
            " Remove an unused sender before you publish it.",
        ),
    ],
)
def test_spf_note_counts_lookups(tenant: Tenant, lookups: int, note: str) -> None:
    evidence = {"records": ["v=spf1 mx -all"], "proposed_lookups": lookups}

    (record,) = _records(tenant, CheckKind.SPF, evidence)

    assert record.note == note
