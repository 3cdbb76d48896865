"""The lab page: hosted mailboxes, and messages that the client's system received."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from checks.lab.zone_records import HostedLockdown
from checks.lab.zones import Lab
from tenants.models import Host, Tenant, User
from tests.factories import MakeTenant, SignIn


@pytest.fixture
def lab(settings: Any, tmp_path: Path) -> Lab:
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    return Lab(settings.LAB_DIR)


@pytest.fixture
def sample(make_tenant: MakeTenant) -> Tenant:
    tenant = make_tenant(domains=(("tailspin.test", "primary"),), is_sample=True)
    Host.objects.create(
        tenant=tenant, purpose=Host.Purpose.DELIVERY, name="mail.tailspin.test", port=25
    )
    return tenant


def address(tenant: Tenant, name: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id])


@pytest.mark.parametrize(
    ("setting", "badge"),
    [
        ("locked", "Locked down"),
        ("direct-send", "Rejects Direct Send"),
        ("open", "Accepts every sender"),
    ],
)
def test_lab_sets_the_hosted_lockdown(
    lab: Lab, sample: Tenant, consultant: User, signed_in: SignIn, setting: str, badge: str
) -> None:
    client = signed_in(consultant)
    lab.lock_hosted(HostedLockdown.LOCKED if setting == "open" else HostedLockdown.OPEN)

    data = {"action": "lockdown", "setting": setting}
    page = client.post(address(sample, "lab-change"), data, follow=True)

    assert lab.load().hosted.value == setting
    assert f">{badge}</span>" in " ".join(page.content.decode().split())


def test_lab_refuses_an_unknown_lockdown(
    lab: Lab, sample: Tenant, consultant: User, signed_in: SignIn
) -> None:
    data = {"action": "lockdown", "setting": "ajar"}

    page = signed_in(consultant).post(address(sample, "lab-change"), data, follow=True)

    assert "Choose a setting of the hosted mail platform." in page.content.decode()
    assert lab.load().hosted is HostedLockdown.OPEN


@pytest.mark.parametrize(("test", "sender"), [("", "mail.outside.test"), ("yes", "us-smtp-")])
def test_lab_offers_a_received_message(
    lab: Lab, sample: Tenant, consultant: User, signed_in: SignIn, test: str, sender: str
) -> None:
    lab.publish("tailspin.test", "MX", "20 mail.northwind.test")
    data = {"domain": "tailspin.test", "direction": "in", "test": test}

    answer = signed_in(consultant).post(address(sample, "lab-test-message"), data)

    entry = answer.content.decode().split("Received: ")[2]
    assert entry.startswith(f"from {sender}")
    assert answer["Content-Disposition"] == (
        'attachment; filename="received-message-tailspin.test.eml"'
    )
