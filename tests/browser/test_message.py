"""A test message of the lab in Chromium, from its submission to the verified task."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from checks import runs
from checks.engine.batch import CheckRequest
from checks.engine.mail import message
from checks.engine.outcomes import Outcome
from checks.lab.signed_messages import SELECTOR, arriving_message, publish_key
from checks.lab.zones import Lab
from onboarding.models import Task
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.services import confirm_task
from tenants.models import Membership, Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.lab.test_signed_messages import zones_as_text
from tests.factories import MakeTenant, task_of


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose zones the checks read."""
    lab = Lab(tmp_path)
    publish_key(lab, "tailspin.test")
    lab.route_outbound("tailspin.test")

    async def run_within(asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        lookup = ZoneLookup(zones_as_text(lab))
        return [
            await message.inspect(each.domain, each.selectors, each.region, each.message, lookup)
            for each in asked
        ]

    monkeypatch.setattr(runs, "run_within", run_within)
    return lab


@pytest.fixture
def tailspin(make_tenant: MakeTenant) -> Tenant:
    tenant = make_tenant(
        "Tailspin",
        domains=(("tailspin.test", "primary"),),
        region_overrides={"spf_include": "us._netblocks.mimecast.test"},
    )
    tenant.domains.update(dkim_selectors=SELECTOR)
    apply_profile(tenant)
    return tenant


def outbound(tenant: Tenant) -> str:
    plan = reverse("onboarding:plan-show", args=[tenant.public_id])
    return f"{plan}?phase=outbound-cutover-phase"


def open_form(page: Page) -> None:
    page.locator("#outbound-cutover > summary").click()
    page.locator("#outbound-cutover").get_by_role("link", name="Check a test message").click()


def test_pasted_message_verifies_outbound_cutover(
    open_page: OpenPage, lab: Lab, tailspin: Tenant, consultant: User, console_errors: ConsoleErrors
) -> None:
    client = User.objects.create_user("client@tailspin.test", "pw", name="Ada Client")
    Membership.objects.create(tenant=tailspin, user=client, role="owner")
    Task.objects.filter(plan=tailspin.plan).update(depends_on=[])
    confirm_task(task_of(tailspin, "outbound-cutover"), by=client, side="client")
    page = open_page(consultant, outbound(tailspin))
    open_form(page)
    source = arriving_message(lab, "tailspin.test", "us", at=datetime.now(UTC)).decode()

    page.get_by_label("The message’s source").fill(source)
    page.get_by_role("button", name="Check this message").click()

    expect(page.locator("#message-title")).to_have_text("Sent through Mimecast and signed")
    expect(page.locator("tr[data-fact][data-verdict=pass]")).to_have_count(5)
    assert violations(page) == []
    page.goto(outbound(tailspin))
    expect(page.locator("#outbound-cutover .task-state")).to_contain_text("Verified")
    assert console_errors == []


def test_edited_message_verifies_nothing(
    open_page: OpenPage, lab: Lab, tailspin: Tenant, consultant: User, tmp_path: Path
) -> None:
    page = open_page(consultant, outbound(tailspin), scheme="dark", width=390)
    open_form(page)
    content = arriving_message(lab, "tailspin.test", "us", at=datetime.now(UTC))
    file = tmp_path / "edited.eml"
    file.write_bytes(content.replace(b"From: Ann", b"From: Eve"))

    page.get_by_label("Or the message as a file").set_input_files(file)
    page.get_by_role("button", name="Check this message").click()

    expect(page.locator("#message-title")).to_have_text("No proof")
    assert violations(page) == []
    page.goto(outbound(tailspin))
    expect(page.locator("#outbound-cutover .task-state")).to_be_empty()
