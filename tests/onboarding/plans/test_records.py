"""The exact record to publish, worked out from the region and what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records import RecordToPublish, records_for
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


def _seen(*values: str) -> dict[str, Any]:
    return {"servers": [{"values": list(values)}, {"values": list(values)}]}


def test_ownership_is_the_code_at_the_apex(tenant: Tenant) -> None:
    assert _records(tenant, CheckKind.OWNERSHIP) == [
        RecordToPublish("northwind.test", "TXT", "@", TOKEN)
    ]


def test_mx_are_the_regions_two_hosts_and_what_must_go(tenant: Tenant) -> None:
    records = _records(tenant, CheckKind.MX, _seen("10 mail.northwind.test", f"10 {MX1}"))

    assert [(r.value, r.replaces) for r in records] == [
        (f"10 {MX1}.", "10 mail.northwind.test"),
        (f"10 {MX2}.", ""),
    ]


def test_the_ttl_is_lowered_on_the_same_values(tenant: Tenant) -> None:
    [record] = _records(tenant, CheckKind.MX_TTL, _seen("10 mail.northwind.test"))

    assert (record.value, record.ttl) == ("10 mail.northwind.test.", 300)


def test_spf_keeps_every_sender_in_use(tenant: Tenant) -> None:
    [record] = _records(tenant, CheckKind.SPF, {"records": ["v=spf1 ip4:192.0.2.1 -all"]})

    assert record.value == "v=spf1 ip4:192.0.2.1 include:us._netblocks.mimecast.com -all"
    assert record.replaces == "v=spf1 ip4:192.0.2.1 -all"


def test_spf_is_not_proposed_before_anything_was_seen(tenant: Tenant) -> None:
    assert _records(tenant, CheckKind.SPF) == []
    assert _records(tenant, CheckKind.SPF, {}) == []


def test_nothing_is_proposed_across_a_gap(tenant: Tenant) -> None:
    tenant.region = "ca"

    assert _records(tenant, CheckKind.MX, _seen("10 mail.northwind.test")) == []


@pytest.mark.parametrize(
    ("lookups", "note"),
    [
        (4, "It needs 4 of the 10 look-ups that SPF allows."),
        (
            12,
            "It would need 12 of the 10 look-ups that SPF allows: remove a sender that is no"
            " longer used before you publish it.",
        ),
    ],
)
def test_spf_says_what_the_proposal_costs(tenant: Tenant, lookups: int, note: str) -> None:
    evidence = {"records": ["v=spf1 mx -all"], "proposed_lookups": lookups}

    (record,) = _records(tenant, CheckKind.SPF, evidence)

    assert record.note == note
