"""Pre-flight: pasted records are judged, and nothing is recorded."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks import raw_answers
from checks.engine import mx
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import Prober
from checks.engine.mail import mta_sts
from checks.engine.outcomes import CheckKind
from checks.engine.recording import Recorder, recording_clients
from checks.models import Check, Observation
from checks.region_facts import region_facts
from tenants.models import Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import plan_inbound

GOOD = "@ 300 MX 10 us-smtp-inbound-1.mimecast.com.\n@ 300 MX 10 us-smtp-inbound-2.mimecast.com."


@pytest.fixture
def seen(tenant: Tenant) -> Observation:
    """What a real look at the old MX was told, kept as workers keep it."""
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    lookup, recorder = ZoneLookup("northwind.test 300 MX 10 mail.northwind.test"), Recorder()
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    facts = region_facts(tenant.region_values)
    outcome = asyncio.run(mx.inspect("northwind.test", facts, means.lookup))
    now = timezone.now()
    made = Observation.objects.create(
        check_asked=check,
        verdict=outcome.verdict.value,
        digest="x",
        raw=raw_answers.store(tenant, recorder.raw()),
        first_seen_at=now,
        last_seen_at=now,
    )
    Check.objects.filter(pk=check.pk).update(latest=made, checked_at=now)
    return made


def _paste(client: Client, tenant: Tenant, records: str) -> tuple[int, str]:
    cutover = tenant.plan.cutovers.first() or plan_inbound(tenant, timezone.now() + timedelta(1))
    address = reverse("onboarding:preflight", args=[tenant.public_id, cutover.public_id])
    answer = client.post(address, {"domain": tenant.domains.get().public_id, "records": records})
    return answer.status_code, answer.content.decode()


def test_pasted_records_are_judged_and_nothing_is_recorded(
    tenant: Tenant, owner: User, signed_in: SignIn, seen: Observation
) -> None:
    client = signed_in(owner)
    before = Check.objects.filter(tenant=tenant).order_by("pk").values()[:]
    stood = list(before)

    _, good = _paste(client, tenant, GOOD)
    _, bad = _paste(client, tenant, "@ 300 MX 10 mail.northwind.test.")

    told = [
        next(text for text in texts(html, "li") if " MX " in f" {text} " and "TTL" not in text)
        for html in (good, bad)
    ]
    assert told[0].startswith("Verified")
    assert told[1].startswith("Failed MX")
    assert list(Check.objects.filter(tenant=tenant).order_by("pk").values()) == stood
    assert Observation.objects.get() == seen


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ("$GENERATE 1-9999999 h$ A 192.0.2.1", "This does not read as a zone"),
        ("www 300 A 192.0.2.1", "There is no MX, TXT or CNAME record in this."),
    ],
)
def test_what_cannot_be_judged_is_said_and_kept_in_the_form(
    tenant: Tenant, owner: User, signed_in: SignIn, records: str, problem: str
) -> None:
    status, html = _paste(signed_in(owner), tenant, records)

    assert status == 422
    assert problem in html
    assert texts(html, "textarea") == [records, ""]


POLICY = "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\n"
BOTH = "mx: us-smtp-inbound-1.mimecast.com\r\nmx: us-smtp-inbound-2.mimecast.com\r\n"


def _judged(client: Client, tenant: Tenant, policy: str, records: str = "") -> str:
    cutover = plan_inbound(tenant, timezone.now() + timedelta(1))
    address = reverse("onboarding:preflight", args=[tenant.public_id, cutover.public_id])
    sent = {"domain": tenant.domains.get().public_id, "records": records, "policy": policy}
    html = client.post(address, sent).content.decode()
    return next((text for text in texts(html, "li") if "MTA-STS" in text), "")


@pytest.fixture
def seen_sts(tenant: Tenant) -> None:
    """A look at MTA-STS that found a record, and no policy to fetch."""
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MTA_STS)
    zone = '_mta-sts.northwind.test 300 TXT "v=STSv1; id=1;"'
    lookup, recorder = ZoneLookup(zone), Recorder()
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    facts = region_facts(tenant.region_values)
    asyncio.run(mta_sts.inspect_proposed("northwind.test", facts, means.lookup, b""))
    now = timezone.now()
    made = Observation.objects.create(
        check_asked=check,
        verdict="fail",
        digest="x",
        raw=raw_answers.store(tenant, recorder.raw()),
        first_seen_at=now,
        last_seen_at=now,
    )
    Check.objects.filter(pk=check.pk).update(latest=made, checked_at=now)


@pytest.mark.parametrize(
    ("policy", "records", "said"),
    [
        (POLICY + BOTH, "", "Verified"),
        (POLICY + "mx: mail.northwind.test\r\n", "", "Failed"),
        (POLICY + "mx: *.mimecast.com\r\n", "", "Verified"),
        ("version: STSv1\r\nmode: perhaps\r\n", "", "Failed"),
        (POLICY + BOTH, '_mta-sts 300 TXT "v=STSv1; id=2;"', "Verified"),
        (POLICY + BOTH, '_mta-sts 300 TXT "v=STSv1;"', "Failed"),
    ],
)
def test_a_policy_file_is_judged_before_it_is_served(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    seen_sts: None,
    policy: str,
    records: str,
    said: str,
) -> None:
    assert _judged(signed_in(owner), tenant, policy, records).startswith(f"{said} MTA-STS")


def test_without_a_look_before_it_a_policy_cannot_be_judged_and_that_is_said(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    assert "No stored answers yet" in _judged(signed_in(owner), tenant, POLICY + BOTH)


def test_nothing_pasted_is_said_beside_the_field(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    status, html = _paste(signed_in(owner), tenant, "")

    assert status == 422
    assert "Paste the records you mean to publish, or a policy file." in html
