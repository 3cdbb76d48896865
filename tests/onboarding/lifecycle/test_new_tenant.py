"""A new tenant: domains first, a scan by a worker, and a form with its suggestions."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from checks import dns_discovery
from checks.engine.discovery import DiscoveryResult
from onboarding.lifecycle import domain_scans
from onboarding.lifecycle.tenant_import.tasks import resume_tenant_imports
from onboarding.models import DomainScan
from tenants.models import Host, OutboxMessage, Tenant, User
from tests.factories import SignIn
from tests.markup import texts

pytestmark = pytest.mark.django_db
NEW, CREATE = "onboarding:tenant-new", "onboarding:tenant-create"
WINGTIP = DiscoveryResult(
    "wingtip.test",
    platform="microsoft_365",
    delivery_host="wingtip-test.mail.protection.outlook.com",
    mx=("wingtip-test.mail.protection.outlook.com",),
    mx_ttl=3600,
    dkim_selectors=("selector1", "selector2"),
).as_data()


@pytest.fixture
def page(consultant: User, signed_in: SignIn) -> Client:
    return signed_in(consultant)


@pytest.fixture
def scan(consultant: User) -> DomainScan:
    """A finished scan of one domain."""
    made = domain_scans.create_scan(["wingtip.test"], by=consultant)
    DomainScan.objects.update(found={"wingtip.test": WINGTIP}, scanned_at=timezone.now())
    made.refresh_from_db()
    return made


def _address(scan: DomainScan, more: str = "") -> str:
    return f"{reverse(CREATE)}?scan={scan.public_id}{more}"


def _entry(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Wingtip Toys",
        "region": "us",
        "platform": "microsoft_365",
        "directory_method": "entra_id",
        "authentication": "sso",
        "time_zone": "new york",
        "domains-TOTAL_FORMS": "1",
        "domains-INITIAL_FORMS": "0",
        "domains-0-name": "wingtip.test",
        "domains-0-role": "primary",
        "hosts-TOTAL_FORMS": "0",
        "hosts-INITIAL_FORMS": "0",
    } | changes


def test_domains_are_queued_for_a_worker(page: Client, consultant: User) -> None:
    typed = "https://Wingtip.test/about\nann@toys.test, wingtip.test"

    response = page.post(reverse(NEW), {"domains": typed})

    scan = DomainScan.objects.get()
    assert response["Location"] == _address(scan)
    assert (scan.domains, scan.created_by) == (["wingtip.test", "toys.test"], consultant)
    assert scan.changed == [
        ["https://Wingtip.test/about", "wingtip.test"],
        ["ann@toys.test", "toys.test"],
    ]
    assert scan.is_in_progress
    assert OutboxMessage.objects.get().payload == {
        "task": "onboarding.scan_new_domains",
        "args": [scan.public_id],
        "queue": "scans",
    }


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("wingtip.test\ntwo words.test", "Line 2: "),
        ("co.uk", "Line 1: “co.uk” is a public suffix"),
        ("192.0.2.1", "Line 1: "),
        ("http://[", "Line 1: "),
        (" \n ", "Enter at least one domain"),
        ("\n".join(f"a{n}.test" for n in range(201)), "A tenant has at most 200 domains."),
    ],
)
def test_invalid_list_is_retained(page: Client, typed: str, sentence: str) -> None:
    response = page.post(reverse(NEW), {"domains": typed})

    html = response.content.decode()
    assert response.status_code == 422
    assert texts(html, "#id_domains_error")[0].startswith(sentence)
    assert texts(html, "textarea")[0] == " ".join(typed.split())
    assert not DomainScan.objects.exists()


def test_worker_stores_the_results(consultant: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = domain_scans.create_scan(["wingtip.test", "silent.test"], by=consultant)

    async def inspect(name: str, network: object) -> DiscoveryResult | None:
        return DiscoveryResult(name, mx=("mx.test",)) if name == "wingtip.test" else None

    monkeypatch.setattr(dns_discovery, "_inspect", inspect)

    assert domain_scans.run_scan(made.public_id)
    made.refresh_from_db()
    assert not made.is_in_progress
    assert made.found["silent.test"] is None
    assert made.found["wingtip.test"]["mx"] == ["mx.test"]
    assert not domain_scans.run_scan(made.public_id)


def test_slow_or_failing_names_leave_the_other_results(
    consultant: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["slow1.test", "slow2.test", "broken.test", "wingtip.test"]
    made = domain_scans.create_scan(names, by=consultant)

    async def inspect(name: str, network: object) -> DiscoveryResult | None:
        if name.startswith("slow"):
            await asyncio.sleep(3)
        if name == "broken.test":
            raise RuntimeError("unexpected")
        return DiscoveryResult(name, mx=("mx.test",))

    monkeypatch.setattr(dns_discovery, "_inspect", inspect)
    monkeypatch.setattr(dns_discovery, "_ALL_SECONDS", 0.2)

    assert domain_scans.run_scan(made.public_id)
    made.refresh_from_db()
    assert [made.found[name] is not None for name in names] == [False, False, False, True]
    assert "broken.test" in caplog.text


def test_deadline_is_below_the_time_limit_of_a_task(settings: Settings) -> None:
    assert dns_discovery._ALL_SECONDS <= 0.8 * settings.CELERY_TASK_SOFT_TIME_LIMIT


def test_page_asks_rarely_for_a_late_scan(page: Client, consultant: User) -> None:
    made = domain_scans.create_scan(["wingtip.test"], by=consultant)
    created_at = timezone.now() - domain_scans.LATE_AFTER * 2
    DomainScan.objects.filter(pk=made.pk).update(created_at=created_at)

    assert 'hx-trigger="load delay:10s"' in page.get(_address(made)).content.decode()


def test_page_waits_for_the_scan(page: Client, consultant: User) -> None:
    made = domain_scans.create_scan(["wingtip.test"], by=consultant)

    html = page.get(_address(made)).content.decode()

    assert texts(html, "h2")[0] == "Scanning the DNS of 1 domain"
    assert 'hx-trigger="load delay:1s"' in html
    assert "Create tenant and plan" not in html
    assert "Create tenant and plan" in page.get(_address(made, "&wait=no")).content.decode()


def test_late_scan_is_explained(page: Client, consultant: User) -> None:
    made = domain_scans.create_scan(["wingtip.test"], by=consultant)
    DomainScan.objects.update(created_at=timezone.now() - timedelta(seconds=31))

    html = " ".join(page.get(_address(made)).content.decode().split())

    assert "no worker has started the scan" in html


def test_form_has_suggestions_with_reasons(page: Client, scan: DomainScan) -> None:
    response = page.get(_address(scan))

    html = response.content.decode()
    profile = response.context["profile"]
    values = {name: profile[name].value() for name in ("name", "platform", "dkim_in_use")}
    assert values == {"name": "Wingtip", "platform": "microsoft_365", "dkim_in_use": True}
    rows = [" ".join(text.split()) for text in texts(html, ".suggested-value")]
    assert rows[0].endswith("High confidence From MX of wingtip.test.")
    assert rows[2].endswith(
        "Not found DNS does not show it. Enter the account code, or choose the region."
    )
    assert rows[6].endswith("wingtip.test publishes the key of selector1 and selector2.")
    assert "hx-trigger" not in html.partition('id="new-tenant"')[2].partition(">")[0]
    assert 'value="wingtip-test.mail.protection.outlook.com"' in html


def test_value_without_evidence_stays_empty(page: Client, scan: DomainScan) -> None:
    profile = page.get(_address(scan)).context["profile"]

    names = ("region", "account_code", "time_zone")
    assert [profile[name].value() or "" for name in names] == ["", "", ""]


def test_fragment_is_the_form_alone(page: Client, scan: DomainScan) -> None:
    response = page.get(_address(scan), headers={"HX-Request": "true"})

    html = response.content.decode()
    assert html.strip().startswith("<div")
    assert "<html" not in html
    assert response["Vary"].count("HX-Request") == 1


def test_tenant_is_created_and_the_scan_deleted(page: Client, scan: DomainScan) -> None:
    entry = _entry(
        **{
            "hosts-TOTAL_FORMS": "1",
            "hosts-0-purpose": "delivery",
            "hosts-0-name": "wingtip-test.mail.protection.outlook.com",
            "hosts-0-port": "25",
        }
    )

    response = page.post(_address(scan), entry)

    tenant = Tenant.objects.get()
    assert response["Location"] == reverse("onboarding:plan-show", args=[tenant.public_id])
    assert (tenant.name, tenant.time_zone) == ("Wingtip Toys", "America/New_York")
    assert [str(host) for host in Host.objects.all()] == [
        "wingtip-test.mail.protection.outlook.com:25"
    ]
    assert not DomainScan.objects.exists()


def test_invalid_form_retains_values_and_reasons(page: Client, scan: DomainScan) -> None:
    response = page.post(_address(scan), _entry(time_zone="Atlantis", platform="hybrid"))

    html = " ".join(response.content.decode().split())
    assert response.status_code == 422
    assert 'value="Atlantis"' in html
    assert "Choose a time zone from the list" in html
    assert "DNS discovery suggests Microsoft 365." in html
    assert "From MX of wingtip.test." in html
    assert DomainScan.objects.count() == 1


def test_expired_scan_does_not_lose_the_form(page: Client, scan: DomainScan) -> None:
    address = _address(scan)
    scan.delete()

    assert page.get(address).status_code == 404
    assert page.post(address, _entry()).status_code == 302
    assert Tenant.objects.get().name == "Wingtip Toys"


def test_scan_of_another_person_is_hidden(
    scan: DomainScan, administrator: User, signed_in: SignIn
) -> None:
    other = signed_in(administrator)

    assert other.get(_address(scan)).status_code == 404
    other.post(_address(scan), _entry())
    assert DomainScan.objects.count() == 1


def test_clone_has_priority_over_suggestions(
    page: Client, scan: DomainScan, tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(platform="google_workspace", region="de")

    response = page.get(_address(scan, f"&from={tenant.public_id}"))

    profile = response.context["profile"]
    html = " ".join(response.content.decode().split())
    assert (profile["platform"].value(), profile["region"].value()) == ("google_workspace", "de")
    assert profile["name"].value() == "Wingtip"
    assert "DNS discovery suggests Microsoft 365." in html
    assert "From the profile of Northwind." in html


def test_clone_survives_the_first_page(page: Client, tenant: Tenant) -> None:
    address = f"{reverse(NEW)}?from={tenant.public_id}"
    html = page.get(address).content.decode()
    assert f'action="{address}"' in html

    response = page.post(address, {"domains": "wingtip.test"})

    scan = DomainScan.objects.get()
    assert (
        response["Location"] == f"{reverse(CREATE)}?from={tenant.public_id}&scan={scan.public_id}"
    )


def test_old_scans_are_deleted(scan: DomainScan, consultant: User) -> None:
    fresh = domain_scans.create_scan(["fresh.test"], by=consultant)
    DomainScan.objects.filter(pk=scan.pk).update(created_at=timezone.now() - timedelta(hours=25))

    resume_tenant_imports()

    assert list(DomainScan.objects.all()) == [fresh]


def test_sent_form_folds_advanced_fields_with_an_error(page: Client, scan: DomainScan) -> None:
    folded = page.get(_address(scan)).content.decode()
    assert "open" not in folded.partition('id="advanced"')[2].partition(">")[0]

    host = {"purpose": "delivery", "name": "10.0.0.1", "port": "25"}
    entry = _entry(**{f"hosts-0-{name}": value for name, value in host.items()})
    entry["hosts-TOTAL_FORMS"] = "1"
    shown = page.post(_address(scan), entry).content.decode()

    assert "open" in shown.partition('id="advanced"')[2].partition(">")[0]
