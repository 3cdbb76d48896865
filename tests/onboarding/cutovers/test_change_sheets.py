"""Change sheets: records now, records to publish, and removals that need agreement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.cutovers.change_sheets import (
    ChangeSheet,
    ZoneRecordLine,
    build_change_sheet,
    quoted,
)
from onboarding.cutovers.dns_forms import form_of
from onboarding.plans.proof import ProofSubject
from tenants.models import Domain, Tenant, User
from tenants.regions import load_region_file
from tests.cutovers import cutover_of
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import observe, plan_inbound

REGION = load_region_file().regions["us"]
NEW = [f"10 {host}" for host in REGION.mx]
OLD = "0 northwind-test.mail.protection.outlook.com"


def _server(number: int, *values: str, ttl: int = 300, status: str = "records") -> dict[str, Any]:
    name = f"ns{number}.test"
    address = f"192.0.2.{number}"
    return {"name": name, "address": address, "status": status, "values": values, "ttl": ttl}


def _sheet(kind: CheckKind, *servers: dict[str, Any], **given: Any) -> ChangeSheet:
    records = given.pop("records", None)
    evidence = {"servers": list(servers)} | ({"records": records} if records is not None else {})
    check = Check(
        kind=kind.value,
        domain=Domain(name="one.test"),
        latest=Observation(verdict=given.pop("verdict", "fail"), evidence=evidence),
    )
    made = build_change_sheet(ProofSubject(kind, "one.test", check), REGION, **given)
    assert made is not None
    return made


def test_sheet_replaces_old_hosts() -> None:
    sheet = _sheet(CheckKind.MX, _server(1, OLD), _server(2, OLD, ttl=3600))

    assert [str(line) for line in sheet.removed] == [f"one.test. 3600 IN MX {OLD}."]
    assert [str(line) for line in sheet.added] == [f"one.test. 300 IN MX {value}." for value in NEW]
    assert sheet.zone_text == "\n".join(f"one.test. 300 IN MX {value}." for value in NEW)
    assert (sheet.unknown, sheet.is_agreed, sheet.differ) == ((), True, False)


@pytest.mark.parametrize(
    ("value", "hosts", "unknown"),
    [
        (OLD, (), ()),
        ("5 mx.pphosted.com", (), ()),
        ("10 mail.one.test", ("mail.one.test",), ()),
        ("10 mail.one.test", (), ("10 mail.one.test",)),
        ("10 notoutlook.com", (), ("10 notoutlook.com",)),
    ],
)
def test_unknown_value_needs_agreement(
    value: str, hosts: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    sheet = _sheet(CheckKind.MX, _server(1, value), hosts=hosts)

    assert (sheet.unknown, sheet.is_agreed) == (unknown, not unknown)


def test_agreement_is_per_value() -> None:
    servers = _server(1, "10 a.one.test", "20 b.one.test")

    half = _sheet(CheckKind.MX, servers, agreed={"10 a.one.test"})
    whole = _sheet(CheckKind.MX, servers, agreed={"10 a.one.test", "20 b.one.test"})

    assert (half.is_agreed, whole.is_agreed) == (False, True)


def test_own_preference_is_no_change() -> None:
    servers = _server(1, *(f"5 {host}" for host in REGION.mx))

    sheet = _sheet(CheckKind.MX, servers, verdict="pass")

    assert (sheet.removed, sheet.added, sheet.is_done) == ((), (), True)


def test_silent_server_leaves_sheet_undone() -> None:
    sheet = _sheet(CheckKind.MX, _server(1, *NEW), _server(2, status="timeout"))

    assert (sheet.silent, sheet.is_done) == (("ns2.test (192.0.2.2)",), False)


def test_stale_sheet_is_not_done() -> None:
    sheet = _sheet(CheckKind.MX, _server(1, *NEW), verdict="pass", is_stale=True)

    assert (sheet.added, sheet.removed, sheet.is_done) == ((), (), False)


def test_differing_servers_show_all_values() -> None:
    sheet = _sheet(CheckKind.MX, _server(1, *NEW), _server(2, OLD))

    assert (sheet.differ, [line.value for line in sheet.removed]) == (True, [OLD])


def test_no_answer_is_not_an_empty_zone() -> None:
    sheet = _sheet(CheckKind.MX)

    assert (sheet.is_known, sheet.is_done, len(sheet.added)) == (False, False, 2)


def test_sheet_without_proposal_is_not_done() -> None:
    sheet = _sheet(CheckKind.SPF, _server(1, "verify=1"), verdict="unknown")

    assert (sheet.is_done, sheet.is_undetermined, sheet.zone_text) == (False, True, "")


def test_spf_is_merged_and_other_txt_remains() -> None:
    record = "v=spf1 include:spf.protection.outlook.com -all"
    sheet = _sheet(CheckKind.SPF, _server(1, record, "verify=1", ttl=900), records=[record])

    assert [str(line) for line in sheet.removed] == [f'one.test. 900 IN TXT "{record}"']
    assert [str(line) for line in sheet.added] == [
        'one.test. 900 IN TXT "v=spf1 include:spf.protection.outlook.com'
        f' include:{REGION.spf_include} -all"'
    ]
    assert sheet.unknown == ()


def test_dropped_spf_ending_is_named() -> None:
    records = ["v=spf1 mx -all", "v=spf1 a ~all"]

    sheet = _sheet(CheckKind.SPF, _server(1, *records), records=records)

    assert (sheet.unknown, sheet.is_agreed) == (("~all",), False)


@pytest.mark.parametrize(
    ("code", "hosts"),
    [
        ("mta-sts.not-permitted", ("a.test",)),
        ("mta-sts.policy-missing", REGION.mx),
        ("mta-sts.permits", ()),
    ],
)
def test_policy_hosts_missing_before_switch(code: str, hosts: tuple[str, ...]) -> None:
    findings = [{"code": code, "params": {"hosts": ["a.test"]}}]
    policy = Check(latest=Observation(verdict="fail", findings=findings))

    sheet = _sheet(
        CheckKind.MX, _server(1, OLD), mta_sts=ProofSubject(CheckKind.MTA_STS, "one.test", policy)
    )

    assert sheet.missing_policy_hosts == tuple(hosts)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("v=spf1 -all", '"v=spf1 -all"'),
        ('say "hi" \\', '"say \\"hi\\" \\\\"'),
        ("a" * 256, f'"{"a" * 255}" "a"'),
        ("é", '"\\195\\169"'),
        ("", '""'),
    ],
)
def test_txt_value_is_quoted(text: str, written: str) -> None:
    assert quoted(text) == written


@pytest.mark.parametrize(
    ("servers", "form"),
    [
        (["amy.ns.cloudflare.com", "bob.ns.cloudflare.com"], ("Cloudflare", "@")),
        (["ns-1.awsdns-01.com", "ns-2.awsdns-02.co.uk"], ("Amazon Route 53", "")),
        (["ns1.dnsimple.com"], ("DNSimple", None)),
        (["amy.ns.cloudflare.com", "ns1.one.test"], None),
        (["amy.ns.cloudflare.com", "ns1.hetzner.com"], None),
        ([], None),
    ],
)
def test_dns_host_needs_all_servers(
    servers: list[str], form: tuple[str, str | None] | None
) -> None:
    found = form_of(servers)

    assert ((found.host, found.apex) if found else None) == form


def test_zone_line_format() -> None:
    assert str(ZoneRecordLine("one.test", None, "MX", "10 a.test")) == "one.test. IN MX 10 a.test."


@pytest.mark.parametrize(
    ("direction", "ahead", "is_warned"),
    [("inbound", 1, True), ("inbound", -1, False), ("outbound", 1, False)],
)
def test_sheet_warns_before_inbound_window(
    tenant: Tenant, owner: User, signed_in: SignIn, direction: str, ahead: int, is_warned: bool
) -> None:
    cutover = cutover_of(tenant, direction, timezone.now() + timedelta(hours=ahead))
    address = reverse("onboarding:change-sheet", args=[tenant.public_id, cutover.public_id])

    notes = texts(signed_in(owner).get(address).content.decode(), ".note")

    assert (
        any("Do not publish before" in note and "this cutover" in note for note in notes)
        is is_warned
    )


def test_finished_sheet_offers_no_records(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    observe(tenant, CheckKind.MX, timezone.now(), 60, *NEW, servers=2)
    cutover = plan_inbound(tenant, timezone.now())
    address = reverse("onboarding:change-sheet", args=[tenant.public_id, cutover.public_id])

    html = signed_in(owner).get(address).content.decode()

    assert "All records are published correctly." in texts(html, "p")
    assert texts(html, "pre") == []


def test_records_appear_after_agreement(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    observe(tenant, CheckKind.MX, timezone.now(), 300, "10 mail.northwind.test", servers=2)
    cutover = plan_inbound(tenant, timezone.now())
    address = reverse("onboarding:change-sheet", args=[tenant.public_id, cutover.public_id])
    client = signed_in(owner)

    before = client.get(address).content.decode()
    after = client.get(
        address, {"removed": "northwind.test 10 mail.northwind.test"}
    ).content.decode()
    elsewhere = client.get(
        address, {"removed": "other.test 10 mail.northwind.test"}
    ).content.decode()

    assert [texts(html, "pre") for html in (before, elsewhere)] == [[], []]
    assert texts(after, "pre") == [
        "northwind.test. 300 IN MX 10 us-smtp-inbound-1.mimecast.com."
        " northwind.test. 300 IN MX 10 us-smtp-inbound-2.mimecast.com."
    ]
    assert "Remove 10 mail.northwind.test" in texts(before, "label")
