"""Suggestions for requirements sheets, and tests of TLS partners, through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from checks.dns_discovery import request_discovery
from checks.models import Discovery
from onboarding.models import Contact, TlsPartnerCheck
from onboarding.requirements.sign_off import sign_off
from tenants.models import Host, Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.onboarding.requirements.sheet_rows import add, sheet_of, values

HOST = "a.outside.test"


def path_of(tenant: Tenant, kind: str) -> str:
    return f"tenants/{tenant.public_id}/requirements/{sheet_of(tenant, kind).public_id}/"


def test_senders_become_rows(api: ApiClient, tenant: Tenant) -> None:
    domain = tenant.domains.get()
    request_discovery(domain)
    senders = [
        {"term": "include:spf.news.example", "name": "News", "depth": 0},
        {"term": "ip4:8.8.4.0/24", "name": "", "depth": 0},
    ]
    Discovery.objects.filter(domain=domain).update(found={"senders": senders})
    path = path_of(tenant, "spoofing-exceptions")

    offered = api.get(f"{path}suggestions/").json()["senders"]
    one = api.post(f"{path}senders/", {"suggestion": offered[0]["suggestion"]})
    rest = api.post(f"{path}senders/", {})

    assert [each["term"] for each in offered] == ["include:spf.news.example", "ip4:8.8.4.0/24"]
    assert (one.json(), rest.json()) == ({"added": 1}, {"added": 1})
    assert [row[2] for row in values(sheet_of(tenant, "spoofing-exceptions"))] == [
        "spf.news.example",
        "8.8.4.0/24",
    ]


def test_known_answer_is_stored(api: ApiClient, tenant: Tenant) -> None:
    Contact.objects.create(tenant=tenant, role="signatory", name="Sam")
    path = path_of(tenant, "request-for-information")

    offered = {each["question"] for each in api.get(f"{path}suggestions/").json()["answers"]}
    stored = api.post(f"{path}answers/", {"question": "signatory"})
    again = api.post(f"{path}answers/", {"question": "signatory"})

    assert ("signatory" in offered, stored.json()) == (True, {"added": 1})
    assert again.json()["detail"] == "This answer is no longer open. Nothing was changed."


def test_hosts_of_profile_and_sheet_are_exchanged(
    api: ApiClient, tenant: Tenant, owner: User
) -> None:
    sheet, path = sheet_of(tenant, "delivery-routes"), path_of(tenant, "delivery-routes")
    add(sheet, owner, domain="northwind.test", host="b.outside.test")
    sheet.refresh_from_db()
    sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)
    Host.objects.filter(tenant=tenant).delete()
    host = Host.objects.create(tenant=tenant, purpose="delivery", name=HOST, port=25)

    offered = api.get(f"{path}suggestions/").json()
    row = api.post(f"{path}hosts/", {"host": host.public_id})
    added = api.post(f"{path}profile-hosts/", {"host": "b.outside.test:25"})

    assert [each["host"] for each in offered["hosts"]] == [host.public_id]
    assert offered["hosts_of_sheet"] == ["b.outside.test:25"]
    assert (row.status_code, row.json()) == (200, {"added": 1})
    assert (added.status_code, added.json()["name"]) == (201, "b.outside.test")
    assert tenant.hosts.get(name="b.outside.test").consented_at is None


def test_member_may_not_change_the_profile(member: User, tenant: Tenant) -> None:
    client, path = client_for(member), path_of(tenant, "delivery-routes")

    refused = client.post(f"{path}profile-hosts/", {"host": "b.outside.test:25"})

    assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")


def test_partner_is_tested_once_a_day(
    api: ApiClient, tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.outbox.queue_task", lambda *args, **message: None)
    add(sheet_of(tenant, "tls-partners"), owner, domain="one.test")
    path = f"{path_of(tenant, 'tls-partners')}partner-tests/"

    first, again = (api.post(path) for _ in range(2))
    TlsPartnerCheck.objects.update(requested_at=timezone.now() - timedelta(days=2))

    assert [first.json(), again.json()] == [{"requested": 1}, {"requested": 0}]
    assert api.post(path).json() == {"requested": 1}
