"""Tests of the delivery hosts of the profile and of the sheet of delivery routes."""

from __future__ import annotations

from django.utils import timezone

from checks.models import Check
from checks.rate_limit import missing_consent
from onboarding.models import RequirementsSheet
from onboarding.requirements.delivery_hosts import host_differences
from tenants.models import Host, Tenant, User
from tests.factories import HostRow, MakeTenant, SignIn
from tests.onboarding.requirements.sheet_rows import add, sheet_of, values
from tests.onboarding.requirements.test_pages import url

DOMAINS = (("northwind.test", "primary"), ("shop.test", "secondary"), ("old.test", "parked"))


def routes(tenant: Tenant) -> RequirementsSheet:
    return sheet_of(tenant, "delivery-routes")


def differences(tenant: Tenant) -> tuple[list[str], list[str]]:
    found = host_differences(routes(tenant))
    return [str(host) for host in found.only_in_profile], [str(h) for h in found.only_in_sheet]


def test_differences_name_hosts_of_one_place(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(
        hosts=(
            HostRow("delivery", "a.outside.test", 25),
            HostRow("delivery", "b.outside.test", 2525),
            HostRow("directory", "ldap.outside.test", 636),
        )
    )
    add(routes(tenant), consultant, domain="northwind.test", host="A.outside.test")
    add(routes(tenant), consultant, domain="northwind.test", host="b.outside.test", port="25")

    assert differences(tenant) == (["b.outside.test:2525"], ["b.outside.test:25"])
    assert not host_differences(sheet_of(tenant, "forwarding"))


def test_profile_host_becomes_row_of_each_mail_domain(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(domains=DOMAINS, hosts=(HostRow("delivery", "a.outside.test", 25),))
    sheet, client = routes(tenant), signed_in(consultant)
    host = {"host": tenant.hosts.get().public_id}

    page = client.get(url(sheet)).content.decode()
    client.post(url(sheet, "requirements-host-use"), host)
    again = client.post(url(sheet, "requirements-host-use"), host, follow=True)

    assert "only in the profile" in page
    assert [row[:3] for row in values(sheet)] == [
        ["northwind.test", "a.outside.test", "25"],
        ["shop.test", "a.outside.test", "25"],
    ]
    assert "has this host already" in again.content.decode()
    assert "From the profile" in again.content.decode()


def test_host_with_another_port_is_no_second_row(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    host = Host.objects.create(tenant=tenant, purpose="delivery", name="a.outside.test", port=2525)
    add(routes(tenant), consultant, domain="northwind.test", host="a.outside.test")

    page = signed_in(consultant).post(
        url(routes(tenant), "requirements-host-use"), {"host": host.public_id}, follow=True
    )

    assert "a.outside.test with another port" in page.content.decode()


def test_row_of_client_reaches_profile_without_consent(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    sheet = routes(tenant)
    add(sheet, owner, domain="northwind.test", host="mail.stranger.test")
    address = url(sheet, "host-from-sheet")

    client_page = signed_in(owner).get(url(sheet)).content.decode()
    refused = signed_in(owner).post(address, {"host": "mail.stranger.test:25"})

    assert "Your consultant adds it to the profile" in client_page
    assert refused.status_code == 403
    assert not Host.objects.filter(name="mail.stranger.test").exists()
    assert not Check.objects.filter(host__name="mail.stranger.test").exists()

    added = signed_in(consultant).post(address, {"host": "mail.stranger.test:25"}, follow=True)

    host = Host.objects.get(tenant=tenant, name="mail.stranger.test")
    assert "was added to the profile" in added.content.decode()
    assert host.consented_at is None
    checks = list(Check.objects.filter(host=host).select_related("host"))
    assert checks
    assert missing_consent(checks) == {check.pk for check in checks}
    again = signed_in(consultant).post(address, {"host": "mail.stranger.test:25"}, follow=True)
    assert "no longer exists" in again.content.decode()


def test_removed_host_returns_without_its_old_consent(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    now = timezone.now()
    Host.objects.create(
        tenant=tenant,
        purpose="delivery",
        name="mail.stranger.test",
        port=25,
        consented_at=now,
        removed_at=now,
    )
    add(routes(tenant), owner, domain="northwind.test", host="mail.stranger.test")

    signed_in(consultant).post(
        url(routes(tenant), "host-from-sheet"), {"host": "mail.stranger.test:25"}
    )

    assert Host.objects.get(name="mail.stranger.test").consented_at is None
