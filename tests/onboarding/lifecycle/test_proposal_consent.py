"""No connection to a proposed host without the client's consent or verified ownership."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks import claims, preflight, rate_limit, runs
from checks.engine.batch import CheckRequest
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.expectations import PURPOSE_BY_KIND
from checks.models import Check
from onboarding.lifecycle.proposals import (
    add_host,
    confirm_host,
    confirm_values,
)
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import Task
from tenants.models import Domain, Host, Tenant, User
from tests.factories import SignIn
from tests.proposals import OWNERSHIP, check_of, domain_of, expected_of

pytestmark = [pytest.mark.django_db]


# --- No connection without consent


class Outside:
    """The network outside the batch: the hosts to which it would connect."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def run_within(self, asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        self.asked += [look.host for look in asked if look.host]
        return [Outcome(look.kind, look.subject, Verdict.PASS) for look in asked]

    async def locate_hosts(self, hosts: list[tuple[str, int]], **_: Any) -> dict[Any, list[str]]:
        return {endpoint: ["192.0.2.25"] for endpoint in hosts}


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    there = Outside()
    monkeypatch.setattr(runs, "run_within", there.run_within)
    monkeypatch.setattr(runs, "locate_hosts", there.locate_hosts)
    return there


def run_everything(tenant: Tenant) -> None:
    """Run all checks of the tenant, also those that a user or a window would run earlier."""
    checks = Check.objects.filter(tenant=tenant, is_active=True)
    claims.request_run(checks, now=timezone.now())
    checks.update(cutover_until=timezone.now() + timedelta(hours=4), viewed_until=timezone.now())
    runs.run_batch([check.pk for check in checks])


def test_own_code_is_no_consent(attacked: Tenant, outside: Outside) -> None:
    run_everything(attacked)

    newest = check_of(attacked, CheckKind.SMTP).latest
    assert outside.asked == []
    assert newest is not None
    assert [found["code"] for found in newest.findings] == ["host.no-consent"]


def test_own_code_is_no_consent_in_lab(attacked: Tenant, outside: Outside) -> None:
    """A sample tenant's own hosts need no consent, but a proposed host may be anywhere."""
    Tenant.objects.filter(pk=attacked.pk).update(is_sample=True)

    run_everything(attacked)

    assert outside.asked == []


@pytest.mark.parametrize("address", ["check-run-all", "check-run", "task-check-run"])
def test_no_request_leads_to_connection(
    attacked: Tenant, member: User, signed_in: SignIn, outside: Outside, address: str
) -> None:
    attacked.memberships.create(user=member, role="member")
    smtp = check_of(attacked, CheckKind.SMTP)
    ids = {
        "check-run-all": [],
        "check-run": [smtp.public_id],
        "task-check-run": [Task.objects.get(plan__tenant=attacked, role="verifies:smtp").public_id],
    }[address]
    url = reverse(f"onboarding:{address}", args=[attacked.public_id, *ids])

    assert signed_in(member).post(url).status_code == 302
    runs.run_batch([smtp.pk])
    assert outside.asked == []


def test_confirmed_code_is_consent(attacked: Tenant, consultant: User, outside: Outside) -> None:
    domain = domain_of(attacked)
    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    run_everything(attacked)

    assert outside.asked == ["mail.victim.test"]


def test_replaced_code_is_no_consent(attacked: Tenant, consultant: User, outside: Outside) -> None:
    """The consultant enters another code than the published one."""
    domain = domain_of(attacked)
    domain.ownership_token = "issued"
    save_profile(attacked, ProfileEntry([domain]), by=consultant)
    Check.objects.filter(kind=CheckKind.OWNERSHIP).update(next_due_at=timezone.now())

    assert rate_limit.missing_consent([check_of(attacked, CheckKind.SMTP)])


def test_proof_must_be_about_confirmed_code(attacked: Tenant) -> None:
    """Even if the stored proof and the confirmed code differ for another reason."""
    Domain.objects.filter(tenant=attacked).update(ownership_token="issued")

    assert rate_limit.missing_consent([check_of(attacked, CheckKind.SMTP)])


def test_confirmed_host_still_needs_consent(
    attacked: Tenant, consultant: User, outside: Outside
) -> None:
    host = Host.objects.get(tenant=attacked)
    confirm_host(host, by=consultant, with_consent=False)
    run_everything(attacked)
    assert outside.asked == []

    host.refresh_from_db()
    assert (host.is_proposed, host.confirmed_by, host.consented_at) == (False, consultant, None)


def test_confirmation_with_consent_connects(
    attacked: Tenant, consultant: User, outside: Outside
) -> None:
    other = add_host(attacked, name="b.victim.test", port=25, by=consultant, decides=True)
    Host.objects.filter(pk=other.pk).update(consented_at=timezone.now(), consented_by=consultant)
    host = Host.objects.get(tenant=attacked, name="mail.victim.test")
    confirm_host(host, by=consultant, with_consent=True)

    assert Host.objects.filter(tenant=attacked, consented_at=None).count() == 0
    runs.run_batch([Check.objects.get(host=host, kind=CheckKind.SMTP).pk])
    assert outside.asked == ["mail.victim.test"]


def test_preflight_judges_no_host(attacked: Tenant) -> None:
    """The pre-flight check has no kind that connects to a host."""
    assert set(preflight.KINDS) & set(PURPOSE_BY_KIND) == set()
