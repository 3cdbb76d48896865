"""The pre-flight check of pasted records, which records nothing."""

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
def mx_observation(tenant: Tenant) -> Observation:
    """The observation of a real run on the old MX, stored as a worker does."""
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
        raw_id=raw_answers.store({0: (tenant.pk, recorder.raw())})[0],
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


def test_preflight_records_nothing(
    tenant: Tenant, owner: User, signed_in: SignIn, mx_observation: Observation
) -> None:
    client = signed_in(owner)
    before = list(Check.objects.filter(tenant=tenant).order_by("pk").values())

    _, good = _paste(client, tenant, GOOD)
    _, bad = _paste(client, tenant, "@ 300 MX 10 mail.northwind.test.")

    rows = [
        next(text for text in texts(html, "li") if " MX " in f" {text} " and "TTL" not in text)
        for html in (good, bad)
    ]
    assert rows[0].startswith("Verified")
    assert rows[1].startswith("Failed MX")
    assert list(Check.objects.filter(tenant=tenant).order_by("pk").values()) == before
    assert Observation.objects.get() == mx_observation


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ("$GENERATE 1-9999999 h$ A 192.0.2.1", "It has no MX, TXT or CNAME record."),
        ("$INCLUDE /etc/passwd", "It has no MX, TXT or CNAME record."),
        ("“@” MX 10 m.test.", "This is no valid zone text"),
        ("www 300 A 192.0.2.1", "It has no MX, TXT or CNAME record."),
        ("northwind.test 300 MX 10 m.test.", "Every line is outside northwind.test"),
        ("$ORIGIN other.test.\n@ 300 MX 10 m.test.", "Every line is outside northwind.test"),
        ("\n\n@ MX ten m.test.", "line 3: “ten” is no MX preference."),
    ],
)
def test_invalid_zone_is_refused_and_retained(
    tenant: Tenant, owner: User, signed_in: SignIn, records: str, problem: str
) -> None:
    status, html = _paste(signed_in(owner), tenant, records)

    assert status == 422
    assert problem in html
    assert texts(html, "textarea") == [" ".join(records.split()), ""]


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("@ 1 CNAME site.test.", "Line 3: an alias (CNAME) next to other records was ignored."),
        ("www.northwind.test MX 10 m.test.", "Line 3: no check reads www.northwind.test.northwind"),
        ("_x MX 10 mail.example.com", "Line 3: mail.example.com has no final dot"),
        (f'_x TXT "{"x" * 300}"', "Line 3: a text is longer than 255 characters."),
        ("_x TXT v=1 -all", "Line 3: a text has no quotation marks."),
        ("_x MX m.test.", "Line 3: the MX record of m.test. has no preference."),
        ("_x A 192.0.2.1", "Line 3: no check uses A records."),
        ("_x TXT a\u200bb", "Line 3: a text contains an invisible character: a zero-width space"),
        ("_x\u00ad TXT a", "Line 3: a name contains an invisible character: a soft hyphen"),
        ("_x TXT v=DMARC1; p=none", "Line 3: a semicolon without quotation marks begins a comment"),
        (
            "_x CNAME a.test.\n_x TXT a",
            "Lines 3, 4: _x.northwind.test has an alias (CNAME) and other",
        ),
        (
            "x.co.uk TXT a",
            "Line 3: a name without final dot was read below the domain, as x.co.uk.",
        ),
        ("@ 300 IN MXX 10 a.test.", "Line 3: MXX is no record type, so the line was not read."),
        ("_x TXT v=1 ; ours", "Line 3: the text after a semicolon is a comment and no part of"),
    ],
)
def test_page_names_each_deviation(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    mx_observation: Observation,
    line: str,
    note: str,
) -> None:
    status, html = _paste(signed_in(owner), tenant, f"{GOOD}\n{line}")

    assert status == 200
    assert len([text for text in texts(html, "li") if text.startswith(note)]) == 1


def test_check_outside_the_proposal_has_no_verdict(
    tenant: Tenant, owner: User, signed_in: SignIn, mx_observation: Observation
) -> None:
    """Today's verdict would appear as the verdict on the proposed records."""
    _, html = _paste(signed_in(owner), tenant, '_dmarc 300 TXT "v=DMARC1; p=none"')

    (row,) = [text for text in texts(html, "li") if " MX " in f" {text} " and "TTL" not in text]
    assert "The proposal does not change this check." in row
    assert "Verified" not in row


POLICY = "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\n"
BOTH = "mx: us-smtp-inbound-1.mimecast.com\r\nmx: us-smtp-inbound-2.mimecast.com\r\n"


def _sts_row(client: Client, tenant: Tenant, policy: str, records: str = "") -> str:
    cutover = plan_inbound(tenant, timezone.now() + timedelta(1))
    address = reverse("onboarding:preflight", args=[tenant.public_id, cutover.public_id])
    sent = {"domain": tenant.domains.get().public_id, "records": records, "policy": policy}
    html = client.post(address, sent).content.decode()
    return next((text for text in texts(html, "li") if "MTA-STS" in text), "")


@pytest.fixture
def sts_observation(tenant: Tenant) -> None:
    """A run of the MTA-STS check that found a record, but no policy."""
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
        raw_id=raw_answers.store({0: (tenant.pk, recorder.raw())})[0],
        first_seen_at=now,
        last_seen_at=now,
    )
    Check.objects.filter(pk=check.pk).update(latest=made, checked_at=now)


@pytest.mark.parametrize(
    ("policy", "records", "verdict"),
    [
        (POLICY + BOTH, "", "Verified"),
        (POLICY + "mx: mail.northwind.test\r\n", "", "Failed"),
        (POLICY + "mx: *.mimecast.com\r\n", "", "Verified"),
        ("version: STSv1\r\nmode: perhaps\r\n", "", "Failed"),
        (POLICY + BOTH, '_mta-sts 300 TXT "v=STSv1; id=2;"', "Verified"),
        (POLICY + BOTH, '_mta-sts 300 TXT "v=STSv1;"', "Failed"),
    ],
)
def test_policy_file_is_checked(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    sts_observation: None,
    policy: str,
    records: str,
    verdict: str,
) -> None:
    assert _sts_row(signed_in(owner), tenant, policy, records).startswith(f"{verdict} MTA-STS")


def test_policy_without_earlier_run_is_unknown(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    assert "No stored answers yet" in _sts_row(signed_in(owner), tenant, POLICY + BOTH)


def test_empty_proposal_is_refused(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    status, html = _paste(signed_in(owner), tenant, "")

    assert status == 422
    assert "Paste the records to publish, or a policy file." in html
