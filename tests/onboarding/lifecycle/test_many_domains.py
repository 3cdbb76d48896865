"""The forms of a tenant with as many domains as a list may have."""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.discovery import DiscoveryResult
from onboarding.lifecycle import domain_scans
from onboarding.lifecycle.zone_import import MOST_DOMAINS
from onboarding.models import DomainScan
from tenants.models import Domain, User
from tests.factories import MakeTenant, SignIn

pytestmark = pytest.mark.django_db
NAMES = [f"client{number}.test" for number in range(MOST_DOMAINS)]
_INPUT = re.compile(r"<(?:input|textarea)\b[^>]*>")
_SELECT = re.compile(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', re.DOTALL)


def sent_fields(page: HttpResponse) -> dict[str, str]:
    """The domain fields that a browser sends from the page."""
    html = re.sub(r"<template\b.*?</template>", "", page.content.decode(), flags=re.DOTALL)
    sent: dict[str, str] = {}
    for tag in _INPUT.findall(html):
        name = re.search(r' name="([^"]+)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            value = re.search(r' value="([^"]*)"', tag)
            sent[name[1]] = value[1] if value else ""
    for name, options in _SELECT.findall(html):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[name] = chosen[1] if chosen else ""
    return sent


@pytest.fixture
def browser(consultant: User, signed_in: SignIn) -> Client:
    return signed_in(consultant)


def test_new_tenant(browser: Client, consultant: User) -> None:
    scan = domain_scans.create_scan(NAMES, by=consultant)
    found = {
        name: DiscoveryResult(name, mx=(f"mx.{name}",), mx_ttl=3600).as_data() for name in NAMES
    }
    DomainScan.objects.update(found=found, scanned_at=timezone.now())
    address = f"{reverse('onboarding:tenant-create')}?scan={scan.public_id}"
    entry = sent_fields(browser.get(address))  # type: ignore[arg-type]
    profile = {
        "name": "Northwind",
        "region": "us",
        "platform": "microsoft_365",
        "directory_method": "entra_id",
        "authentication": "sso",
        "time_zone": "Europe/London",
    }

    response = browser.post(reverse("onboarding:tenant-create"), entry | profile)

    assert len(entry) > 1_000
    assert response.status_code == 302
    assert set(Domain.objects.values_list("name", flat=True)) == set(NAMES)


def test_profile(browser: Client, make_tenant: MakeTenant) -> None:
    tenant = make_tenant()
    Domain.objects.bulk_create(Domain(tenant=tenant, name=name) for name in NAMES)
    address = reverse("onboarding:profile-edit", args=[tenant.public_id])
    entry = sent_fields(browser.get(address))  # type: ignore[arg-type]

    response = browser.post(address, entry | {"name": "Renamed"})

    tenant.refresh_from_db()
    assert len(entry) > 1_000
    assert (response.status_code, tenant.name) == (302, "Renamed")
