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
from checks.engine.hosts import Prober
from checks.engine.network import Network
from checks.engine.outcomes import Kind
from checks.engine.recording import Recorder, recording
from checks.models import Check, Observation
from checks.region_facts import region_facts
from tenants.models import Tenant, User
from tests.cast import SignIn
from tests.checks.engine.zone_lookup import ZoneLookup
from tests.markup import texts
from tests.onboarding.test_cutover_room import plan_inbound

GOOD = "@ 300 MX 10 us-smtp-inbound-1.mimecast.com.\n@ 300 MX 10 us-smtp-inbound-2.mimecast.com."


@pytest.fixture
def seen(tenant: Tenant) -> Observation:
    """What a real look at the old MX was told, kept as workers keep it."""
    check = Check.objects.get(tenant=tenant, kind=Kind.MX)
    lookup, recorder = ZoneLookup("northwind.test 300 MX 10 mail.northwind.test"), Recorder()
    means = recording(lookup, Prober(Network(), lookup), recorder)
    facts = region_facts(tenant.region_values)
    outcome = asyncio.run(mx.inspect("northwind.test", facts, means.lookup))
    now = timezone.now()
    made = Observation.objects.create(
        check_asked=check,
        verdict=outcome.verdict.value,
        digest="x",
        raw=raw_answers.keep(tenant, recorder.raw()),
        first_seen_at=now,
        last_seen_at=now,
    )
    Check.objects.filter(pk=check.pk).update(latest=made, looked_at=now)
    return made


def _paste(client: Client, tenant: Tenant, records: str) -> tuple[int, str]:
    cutover = tenant.plan.cutovers.first() or plan_inbound(tenant, timezone.now() + timedelta(1))
    address = reverse("onboarding:pre-flight", args=[tenant.public_id, cutover.public_id])
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
    assert told[1].startswith("Failing MX")
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
    assert texts(html, "textarea") == [records]
