"""Every page in Chromium: accessible, without console errors, and without sideways scrolling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.models import Cutover
from onboarding.plans.custom_tasks import CustomTaskContent, add_task
from onboarding.plans.services import confirm_task
from tenants.models import Membership, Tenant, User
from tests.browser.conftest import ConsoleErrors, OpenPage, violations
from tests.factories import HostRow, MakeTenant, task_of

PAGES = [
    ("signed-out", "account_login"),
    ("signed-out", "account_reset_password"),
    ("consultant", "onboarding:desk"),
    ("consultant", "onboarding:tenant-list"),
    ("consultant", "onboarding:tenant-create"),
    ("consultant", "onboarding:tenant-import"),
    ("consultant", "onboarding:plan-show"),
    ("consultant", "onboarding:domains"),
    ("consultant", "onboarding:activity"),
    ("consultant", "onboarding:profile-edit"),
    ("consultant", "onboarding:closing"),
    ("client", "onboarding:my-tasks"),
    ("client", "onboarding:delivery-host"),
    ("client", "onboarding:plan-show"),
    ("client", "onboarding:domains"),
    ("client", "onboarding:closing"),
    ("consultant", "onboarding:requirements"),
    ("consultant", "onboarding:schedule"),
    ("consultant", "onboarding:design"),
    ("client", "onboarding:schedule"),
    ("manager", "onboarding:dashboard"),
    ("manager", "onboarding:tenant-list"),
]
TENANT_PAGES = {
    *(
        "requirements",
        "schedule",
        "plan-show",
        "domains",
        "activity",
        "profile-edit",
        "my-tasks",
        "delivery-host",
        "closing",
    ),
}
SERVERS = [
    {
        "name": f"ns{number}.a-rather-long-name-of-a-server.test",
        "address": f"192.0.2.{number}",
        "status": "records",
        "values": [f"v=spf1 include:us._netblocks.mimecast.test ip4:203.0.113.{number} -all"],
        "ttl": 3600,
    }
    for number in (1, 2)
]


@pytest.fixture
def tenant_with_everything(make_tenant: MakeTenant, consultant: User) -> Tenant:
    """A tenant with tasks, hosts, a cutover, confirmations and results of each verdict."""
    tenant = make_tenant(
        platform="hybrid",
        directory_method="ldap",
        consultant=consultant,
        domains=(("northwind.test", "primary"), ("northwind-co.test", "secondary")),
        hosts=(HostRow("delivery", "mail.northwind.test", 25),),
    )
    client = User.objects.create_user("client@northwind.test", "pw", name="Jo Lindqvist")
    Membership.objects.create(tenant=tenant, user=client, role="owner")
    Cutover.objects.create(
        plan=tenant.plan, direction="outbound", planned_at=timezone.now() + timedelta(days=3)
    )
    for check in Check.objects.filter(tenant=tenant):
        _record_runs(check)
    # A title without a line-break opportunity.
    long = CustomTaskContent("onboarding-review", "W" * 200, responsibility="client")
    add_task(tenant.plan, long, by=consultant)
    confirm_task(task_of(tenant, "spf-update"), by=client, side="client")
    confirm_task(task_of(tenant, "mail-flow-infrastructure"), by=consultant, side="mimecast")
    return tenant


def _record_runs(check: Check) -> None:
    evidence: dict[str, Any] = {"servers": SERVERS, "record": SERVERS[0]["values"]}
    results = {
        CheckKind.OWNERSHIP: (Verdict.PASS, ()),
        CheckKind.SPF: (Verdict.FAIL, (Finding("spf.several-records", {"count": 2}),)),
        CheckKind.MX_TTL: (Verdict.FAIL, (Finding("mx-ttl.too-high", {"ttl": 9, "threshold": 3}),)),
        CheckKind.MX: (Verdict.FAIL, (Finding("mx.old-only", {"hosts": ["mail.northwind.test"]}),)),
    }
    verdict, findings = results.get(CheckKind(check.kind), (Verdict.UNKNOWN, ()))
    for minutes in (2, 1):
        record_run(
            check.pk,
            Outcome(
                CheckKind(check.kind), check.subject, verdict, findings, evidence,
                verdict is not Verdict.UNKNOWN,
            ),
            expectation=check.expectation,
            at=timezone.now() - timedelta(minutes=minutes),
        )  # fmt: skip


@pytest.fixture
def people(
    tenant_with_everything: Tenant, consultant: User, manager: User
) -> Callable[[str], User | None]:
    client = User.objects.get(email="client@northwind.test")
    by_role = {"consultant": consultant, "manager": manager, "client": client, "signed-out": None}
    return lambda role: by_role[role]


def _address(name: str, tenant: Tenant) -> str:
    if name.partition(":")[2] not in TENANT_PAGES:
        return reverse(name)
    address = reverse(name, args=[tenant.public_id])
    if name == "onboarding:domains":
        check = Check.objects.filter(tenant=tenant, kind="spf")[0]
        return f"{address}?check={check.public_id}"
    return address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("role", "name"), PAGES)
def test_page_is_accessible(
    open_page: OpenPage,
    console_errors: ConsoleErrors,
    people: Callable[[str], User | None],
    tenant_with_everything: Tenant,
    role: str,
    name: str,
    scheme: str,
) -> None:
    page = open_page(people(role), _address(name, tenant_with_everything), scheme=scheme)
    if name == "onboarding:plan-show":
        page.eval_on_selector_all("details.task", "rows => rows.forEach(row => (row.open = true))")

    assert violations(page) == []
    assert console_errors == []


@pytest.mark.parametrize("width", [390, 820])
@pytest.mark.parametrize(("role", "name"), PAGES)
def test_page_fits_its_window(
    open_page: OpenPage,
    people: Callable[[str], User | None],
    tenant_with_everything: Tenant,
    role: str,
    name: str,
    width: int,
) -> None:
    page = open_page(people(role), _address(name, tenant_with_everything), width=width)
    page.eval_on_selector_all("details.task", "rows => rows.forEach(row => (row.open = true))")

    excess = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert max(0, excess) == 0
