"""The delivery host of hosted mailboxes: proposal, confirmation, consent and checks."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.models import Check, Discovery
from checks.rate_limit import missing_consent
from onboarding.errors import OnboardingError
from onboarding.lifecycle.delivery_hosts import (
    DeliveryHostProposal,
    confirm_delivery_host,
    proposed_delivery_host,
)
from onboarding.plan_templates.plan_creation import apply_profile
from tenants.models import ActivityLine, Domain, Host, Platform, Tenant, User
from tests.factories import HostRow, MakeTenant, SignIn

MICROSOFT = "northwind-test.mail.protection.outlook.com"


@pytest.fixture(autouse=True)
def control_target(settings: Any) -> None:
    settings.CHECKS_CONTROL_TARGET = ("control.example.test", 25)


def proposal_of(tenant: Tenant) -> DeliveryHostProposal | None:
    return proposed_delivery_host(tenant, list(tenant.domains.all()), list(tenant.hosts.all()))


def scanned(tenant: Tenant, *mx: str, name: str = "northwind.test") -> None:
    domain = Domain.objects.get(tenant=tenant, name=name)
    Discovery.objects.update_or_create(domain=domain, defaults={"found": {"mx": list(mx)}})


def confirm(tenant: Tenant, by: User, *, has_consent: bool = False) -> Host:
    return confirm_delivery_host(
        tenant,
        MICROSOFT,
        recipient="postmaster@northwind.test",
        has_consent=has_consent,
        decides=by.is_mimecast,
        by=by,
    )


@pytest.mark.parametrize(
    ("platform", "mx", "name", "is_from_dns"),
    [
        ("microsoft_365", (), MICROSOFT, False),
        ("microsoft_365", ("mx.old-gateway.example",), MICROSOFT, False),
        ("microsoft_365", ("us-smtp-inbound-1.mimecast.com",), MICROSOFT, False),
        ("microsoft_365", ("NorthWind.mail.protection.outlook.com.",), "", True),
        ("microsoft_365", ("northwind-test.p-v1.mx.microsoft",), "", True),
        ("google_workspace", (), "smtp.google.com", False),
        ("google_workspace", ("aspmx.l.google.com", "alt1.aspmx.l.google.com"), "", True),
        ("google_workspace", (MICROSOFT,), "smtp.google.com", False),
        ("hybrid", (), MICROSOFT, False),
    ],
)
def test_proposal_follows_dns_or_the_rule(
    make_tenant: MakeTenant, platform: str, mx: tuple[str, ...], name: str, is_from_dns: bool
) -> None:
    tenant = make_tenant(platform=platform)
    scanned(tenant, *mx)

    proposal = proposal_of(tenant)

    assert proposal is not None
    expected = name or mx[0].lower().rstrip(".")
    assert (proposal.name, proposal.is_from_dns) == (expected, is_from_dns)
    assert (proposal.port, proposal.recipient) == (25, "postmaster@northwind.test")


@pytest.mark.parametrize("platform", ["on_premises", "other"])
def test_own_servers_have_no_proposal(make_tenant: MakeTenant, platform: str) -> None:
    assert proposal_of(make_tenant(platform=platform)) is None


@pytest.mark.parametrize(
    ("platform", "host", "is_proposed"),
    [
        ("microsoft_365", "mail.northwind.test", False),
        ("hybrid", "mail.northwind.test", True),
        ("hybrid", "other-name.mail.protection.outlook.com", False),
    ],
)
def test_known_host_ends_the_proposal(
    make_tenant: MakeTenant, platform: str, host: str, is_proposed: bool
) -> None:
    tenant = make_tenant(platform=platform, hosts=(HostRow("delivery", host, 25),))

    assert (proposal_of(tenant) is not None) is is_proposed


def test_directory_host_is_no_delivery_host(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(hosts=(HostRow("directory", "dc.northwind.test", 636),))

    assert proposal_of(tenant) is not None


def test_closed_tenant_has_no_proposal(tenant: Tenant) -> None:
    tenant.closed_at = timezone.now()

    assert proposal_of(tenant) is None


def test_tenant_without_mail_domain_has_no_proposal(make_tenant: MakeTenant) -> None:
    assert proposal_of(make_tenant(domains=(("parked.test", "parked"),))) is None


def test_sample_tenant_stays_in_the_lab(tenant: Tenant) -> None:
    tenant.is_sample = True

    proposal = proposal_of(tenant)

    assert proposal is not None
    assert proposal.name == "northwind-test.mail.protection.outlook.test"


def test_confirmed_host_has_a_lockdown_row(tenant: Tenant, owner: User) -> None:
    host = confirm(tenant, owner)

    check = Check.objects.get(host=host, kind="lockdown")
    assert check.expectation == {"recipient": "postmaster@northwind.test"}
    line = ActivityLine.objects.filter(tenant=tenant, action="subjects-added").last()
    assert line is not None
    assert (line.actor, line.params["names"]) == (owner, [f"{MICROSOFT}:25"])


def test_client_confirmation_is_no_consent(tenant: Tenant, owner: User) -> None:
    host = confirm(tenant, owner)

    checks = list(Check.objects.filter(host=host).select_related("host"))
    assert host.consented_at is None
    assert missing_consent(checks) == {check.pk for check in checks}


def test_consultant_records_the_consent(tenant: Tenant, consultant: User) -> None:
    host = confirm(tenant, consultant, has_consent=True)

    checks = list(Check.objects.filter(host=host).select_related("host"))
    assert (host.consented_by, missing_consent(checks)) == (consultant, set())
    assert ActivityLine.objects.filter(tenant=tenant, action="consent-given").count() == 1


def test_second_confirmation_is_refused(tenant: Tenant, owner: User) -> None:
    confirm(tenant, owner)

    with pytest.raises(OnboardingError, match="is already a delivery host"):
        confirm(tenant, owner)

    assert tenant.hosts.count() == 1


def test_lockdown_without_recipient_asks_none(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(hosts=(HostRow("delivery", "mail.northwind.test", 25),))
    apply_profile(tenant)

    assert Check.objects.get(tenant=tenant, kind="lockdown").expectation == {}


def address(tenant: Tenant) -> str:
    return reverse("onboarding:delivery-host", args=[tenant.public_id])


@pytest.mark.parametrize("page", ["my-tasks", "domains"])
def test_pages_ask_about_the_host(
    tenant: Tenant, owner: User, signed_in: SignIn, page: str
) -> None:
    client = signed_in(owner)
    shown = reverse(f"onboarding:{page}", args=[tenant.public_id])
    question = f"Is <code>{MICROSOFT}</code> your delivery host?"
    assert question in client.get(shown).content.decode()

    data = {"name": MICROSOFT, "recipient": "postmaster@northwind.test"}
    client.post(address(tenant), data, follow=True)

    assert question not in client.get(shown).content.decode()
    assert str(tenant.hosts.get()) == f"{MICROSOFT}:25"


def test_viewer_sees_no_button(tenant: Tenant, viewer: User, signed_in: SignIn) -> None:
    client = signed_in(viewer)

    page = client.get(reverse("onboarding:my-tasks", args=[tenant.public_id])).content.decode()

    assert "Yes, this is the delivery host" not in page
    assert client.post(address(tenant), {"name": MICROSOFT}).status_code == 403


def test_client_may_name_another_host(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)

    answer = client.post(address(tenant), {"name": "Mail.Hoster.Example.", "recipient": ""})

    assert answer.status_code == 302
    assert (tenant.hosts.get().name, tenant.hosts.get().recipient) == ("mail.hoster.example", "")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": ""}, "Enter the name of the host, such as mail.example.com."),
        ({"name": "us-smtp-inbound-1.mimecast.com"}, "is a host of Mimecast."),
        ({"name": "not a host"}, "not a host"),
        ({"name": "192.168.1.5"}, "192.168.1.5 is an address of a private network"),
        ({"name": MICROSOFT, "recipient": "nobody"}, "Enter a valid email address."),
        (
            {"name": MICROSOFT, "recipient": "jo@contoso.example"},
            "contoso.example is no domain of this tenant. Use an address that belongs to the"
            " client, such as postmaster@northwind.test.",
        ),
    ],
)
def test_bad_input_has_a_sentence(
    tenant: Tenant, owner: User, signed_in: SignIn, data: dict[str, str], sentence: str
) -> None:
    answer = signed_in(owner).post(address(tenant), data)

    page = answer.content.decode()
    assert (answer.status_code, sentence in page) == (422, True)
    assert all(value in page for value in data.values())
    assert not tenant.hosts.exists()


def test_known_host_is_refused_on_the_form(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    confirm(tenant, owner)

    answer = signed_in(owner).post(address(tenant), {"name": MICROSOFT})

    assert answer.status_code == 422
    assert "is already a delivery host" in answer.content.decode()


def test_client_cannot_record_consent(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    signed_in(owner).post(address(tenant), {"name": MICROSOFT, "consent": "on"})

    assert tenant.hosts.get().consented_at is None


def test_consultant_confirms_with_consent(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    signed_in(consultant).post(address(tenant), {"name": MICROSOFT, "consent": "on"})

    assert tenant.hosts.get().consented_by == consultant


def test_proposal_needs_one_query(tenant: Tenant, django_assert_num_queries: Any) -> None:
    domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())

    with django_assert_num_queries(1):
        proposed_delivery_host(tenant, domains, hosts)


def test_own_servers_need_no_query(tenant: Tenant, django_assert_num_queries: Any) -> None:
    tenant.platform = Platform.ON_PREMISES

    with django_assert_num_queries(0):
        assert proposed_delivery_host(tenant, [], []) is None
