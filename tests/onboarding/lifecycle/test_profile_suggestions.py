"""DNS discovery: results, suggestions and their use or dismissal."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from checks import dns_discovery
from checks.models import Discovery
from checks.queries import DiscoveredSender, discovered_senders
from onboarding.lifecycle.profile_suggestions import profile_suggestions
from tenants.models import ActivityLine, Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.test_dkim import GOOD
from tests.factories import SignIn

NAME = "northwind.test"
ZONE = f"""
{NAME} MX 10 northwind-test.mail.protection.outlook.com
{NAME} TXT "v=spf1 include:spf.protection.outlook.com include:sendgrid.net -all"
spf.protection.outlook.com TXT "v=spf1 ip4:198.51.100.0/24 -all"
sendgrid.net TXT "v=spf1 ip4:198.51.100.0/24 -all"
selector1._domainkey.{NAME} CNAME s._domainkey.northwindinc.onmicrosoft.com
s._domainkey.northwindinc.onmicrosoft.com TXT "{GOOD}"
_dmarc.{NAME} TXT "v=DMARC1; p=reject"
"""


class World(ZoneLookup):
    async def close(self) -> None:
        """The signature of the real lookup."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The zone for the worker. Without zone text, no server answers."""
    seen = {"zone": ZONE}

    def lookup(_: Any) -> World:
        trouble = f"{NAME} TROUBLE timeout\n_dmarc.{NAME} TROUBLE timeout\n"
        silent = f"{trouble}_mta-sts.{NAME} TROUBLE timeout"
        return World(seen["zone"] or silent)

    monkeypatch.setattr(dns_discovery, "NetworkLookup", lookup)
    return seen


@pytest.fixture
def on_premises(tenant: Tenant) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(
        platform="on_premises", directory_method="ldap", dkim_in_use=False
    )
    tenant.refresh_from_db()
    return tenant


def run_discovery(tenant: Tenant) -> Discovery:
    asked = dns_discovery.request_discovery(tenant.domains.get(name=NAME))
    dns_discovery.run_discovery(asked.pk)
    asked.refresh_from_db()
    return asked


def offered(tenant: Tenant) -> list[str]:
    return [
        each.fingerprint
        for scan in profile_suggestions(tenant).scanned
        for each in scan.suggestions
    ]


def post(client: Client, tenant: Tenant, name: str, **data: str) -> Any:
    domain = tenant.domains.get(name=NAME)
    return client.post(
        reverse(f"onboarding:{name}", args=[tenant.public_id, domain.public_id]), data
    )


ALL = [
    "platform=microsoft_365",
    "directory_method=entra_id",
    "dkim_in_use=yes",
    "onmicrosoft=northwindinc.onmicrosoft.com",
    "delivery_host=northwind-test.mail.protection.outlook.com",
]


def test_scan_only_suggests(on_premises: Tenant, world: dict[str, str]) -> None:
    run_discovery(on_premises)

    on_premises.refresh_from_db()
    assert offered(on_premises) == ALL
    assert on_premises.platform == "on_premises"
    assert on_premises.domains.count() == 1
    assert on_premises.hosts.count() == 0


def test_current_values_are_not_suggested(tenant: Tenant, world: dict[str, str]) -> None:
    tenant.dkim_in_use = True
    tenant.save(update_fields=["dkim_in_use"])
    run_discovery(tenant)

    assert offered(tenant) == ALL[3:]


def test_hybrid_gets_no_microsoft_suggestion(on_premises: Tenant, world: dict[str, str]) -> None:
    on_premises.platform = "hybrid"
    on_premises.save(update_fields=["platform"])
    run_discovery(on_premises)

    assert offered(on_premises) == ALL[2:]


def test_old_selectors_are_not_suggested(on_premises: Tenant, world: dict[str, str]) -> None:
    seen = run_discovery(on_premises)

    assert seen.found["dkim_selectors"] == ["selector1"]
    assert not [mark for mark in offered(on_premises) if "selector" in mark]


def test_dns_timeout_preserves_former_result(on_premises: Tenant, world: dict[str, str]) -> None:
    before = run_discovery(on_premises).found
    world["zone"] = ""

    seen = run_discovery(on_premises)

    assert (seen.has_failed, seen.found) == (True, before)


def test_first_dns_timeout_suggests_nothing(
    on_premises: Tenant, world: dict[str, str], consultant: User, signed_in: SignIn
) -> None:
    world["zone"] = ""
    run_discovery(on_premises)

    assert offered(on_premises) == []
    shown = signed_in(consultant).get(
        reverse("onboarding:profile-edit", args=[on_premises.public_id])
    )
    assert "No reliable answer: the DNS did not answer" in " ".join(shown.content.decode().split())


def test_external_senders_are_found(on_premises: Tenant, world: dict[str, str]) -> None:
    world["zone"] = ZONE.replace("include:sendgrid.net", "include:us._netblocks.mimecast.com mx")
    run_discovery(on_premises)

    assert discovered_senders(on_premises) == [
        DiscoveredSender(NAME, "include:spf.protection.outlook.com", "Microsoft 365"),
        DiscoveredSender(NAME, "mx", ""),
    ]


@pytest.mark.parametrize("mark", ALL)
def test_used_suggestion_changes_profile(
    on_premises: Tenant,
    world: dict[str, str],
    consultant: User,
    signed_in: SignIn,
    mark: str,
) -> None:
    run_discovery(on_premises)

    post(signed_in(consultant), on_premises, "suggestion-use", suggestion=mark)

    on_premises.refresh_from_db()
    used = {
        f"platform={on_premises.platform}",
        f"directory_method={on_premises.directory_method}",
        f"dkim_in_use={'yes' if on_premises.dkim_in_use else 'no'}",
        *(f"onmicrosoft={d.name}" for d in on_premises.domains.filter(role="routing")),
        *(f"delivery_host={h.name}" for h in on_premises.hosts.filter(port=25)),
    }
    assert used & set(ALL) == {mark}
    assert mark not in offered(on_premises)
    assert ActivityLine.objects.filter(
        tenant=on_premises, action__in=["profile-changed", "subjects-added"], actor=consultant
    ).exists()


def test_dismissed_suggestion_returns_with_new_value(
    on_premises: Tenant, world: dict[str, str], consultant: User, signed_in: SignIn
) -> None:
    run_discovery(on_premises)
    client = signed_in(consultant)

    post(client, on_premises, "suggestion-dismiss", suggestion=ALL[0])
    run_discovery(on_premises)
    assert offered(on_premises) == ALL[1:]

    world["zone"] = f"{NAME} MX 1 smtp.google.com"
    run_discovery(on_premises)
    assert offered(on_premises) == ["platform=google_workspace", "directory_method=google"]


@pytest.mark.parametrize("act", ["suggestion-use", "suggestion-dismiss"])
def test_outdated_suggestion_is_rejected(
    on_premises: Tenant,
    world: dict[str, str],
    consultant: User,
    signed_in: SignIn,
    act: str,
) -> None:
    run_discovery(on_premises)
    client = signed_in(consultant)

    for mark in ("platform=hybrid", "name=Evil", ""):
        post(client, on_premises, act, suggestion=mark)

    before = (on_premises.name, on_premises.platform)
    on_premises.refresh_from_db()
    assert (on_premises.name, on_premises.platform) == before
    assert offered(on_premises) == ALL


def test_scan_starts_after_commit(
    tenant: Tenant,
    world: dict[str, str],
    consultant: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    revision = tenant.plan.revision

    with django_capture_on_commit_callbacks(execute=True):
        post(signed_in(consultant), tenant, "dns-scan")

    seen = Discovery.objects.get()
    assert not seen.is_in_progress
    assert seen.found["platform"] == "microsoft_365"
    tenant.plan.refresh_from_db()
    assert tenant.plan.revision > revision


def test_suggestions_page_equals_fragment(
    on_premises: Tenant, world: dict[str, str], consultant: User, signed_in: SignIn
) -> None:
    run_discovery(on_premises)
    client = signed_in(consultant)
    address = reverse("onboarding:profile-edit", args=[on_premises.public_id])

    whole = client.get(address).content.decode()
    fragment = client.get(address, headers={"HX-Request": "true"}).content.decode()

    for text in (whole, fragment):
        assert [mark for mark in ALL if f'value="{mark}"' in text] == ALL
        assert "include:sendgrid.net" in text
    assert "Save profile" in whole
    assert "Save profile" not in fragment


def test_suggestions_exclude_other_tenants(
    on_premises: Tenant, outsider: User, world: dict[str, str]
) -> None:
    run_discovery(on_premises)
    other = Tenant.objects.get(name="Elsewhere")

    assert profile_suggestions(other).scanned == ()
    assert discovered_senders(other) == []


def test_removed_domain_deletes_discovery(on_premises: Tenant, world: dict[str, str]) -> None:
    run_discovery(on_premises)

    on_premises.domains.all().delete()

    assert not Discovery.objects.exists()
