"""The warning about a host that rejects senders before the lockdown is safe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.expectations import sync_checks
from checks.models import Check, Observation
from checks.queries import checks_of
from checks.runs import run_batch
from onboarding.plans.early_lockdown import EarlyLockdown, early_lockdown
from onboarding.plans.safe_times import safe_times_of
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.factories import HostRow, MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.plans.test_transitions import switch_mx
from tests.onboarding.platform_exports.exports import submit_tables

HOST = "northwind-test.mail.protection.outlook.com"
SUBJECT = f"{HOST}:25"
# Old answers with a TTL of two hours until Monday 07:00, plus four hours.
SAFE_AT = at("Mon 13:00")
NOW, LAST_RUN = at("Mon 08:00"), at("Mon 07:30")
CONNECTOR = {"code": "lockdown.refused", "params": {"code": 550, "text": "5.7.51 TenantInbound"}}
DIRECT_SEND = {
    "code": "lockdown.direct-send-refused",
    "params": {"host": HOST, "code": 550, "text": "5.7.68 Direct Send not allowed"},
}
GREETING = {"code": "lockdown.refused", "params": {"code": 554, "text": "No access"}}
OPEN = {"code": "lockdown.hosted-inconclusive", "params": {"host": HOST}}


@pytest.fixture
def locked(fixed_monday: Clock, make_tenant: MakeTenant, settings: Any) -> Tenant:
    """The host rejects with 5.7.51, and no domain has switched."""
    settings.CHECKS_CONTROL_TARGET = ("control.test", 25)
    tenant = make_tenant(hosts=(HostRow("delivery", HOST, 25),))
    sync_checks(tenant)
    reject(tenant, CONNECTOR)
    mx_settled(tenant, "fail")
    return tenant


def reject(tenant: Tenant, finding: dict[str, Any], *, ran_at: datetime = LAST_RUN) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.LOCKDOWN)
    check.latest = Observation.objects.create(
        check_asked=check,
        verdict="pass",
        findings=[finding],
        digest=f"{finding['code']}{ran_at:%d%H%M}",
        first_seen_at=ran_at,
        last_seen_at=ran_at,
    )
    check.checked_at = ran_at
    check.save(update_fields=["latest", "checked_at"])


def mx_settled(tenant: Tenant, verdict: str) -> None:
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(settled_verdict=verdict)


def found(tenant: Tenant, now: datetime = NOW) -> EarlyLockdown | None:
    checks = list(checks_of(tenant))
    return early_lockdown(tenant, checks, safe_times_of(tenant, checks, now=now), now=now)


def test_lockdown_before_switch_warns(locked: Tenant) -> None:
    names = tuple(locked.domains.order_by("name").values_list("name", flat=True))

    assert found(locked) == EarlyLockdown((SUBJECT,), None, names)


def test_lockdown_before_safe_time_warns(locked: Tenant) -> None:
    mx_settled(locked, "pass")
    switch_mx(locked, at("Mon 07:00"))

    just_before = found(locked, SAFE_AT - timedelta(seconds=1))

    assert just_before == EarlyLockdown((SUBJECT,), SAFE_AT)
    assert found(locked, SAFE_AT) is None


@pytest.mark.parametrize("finding", [DIRECT_SEND, GREETING, OPEN], ids=lambda each: each["code"])
def test_other_answers_are_no_danger(locked: Tenant, finding: dict[str, Any]) -> None:
    reject(locked, finding)

    assert found(locked) is None


def test_old_run_is_no_danger(locked: Tenant) -> None:
    reject(locked, CONNECTOR, ran_at=NOW - timedelta(hours=26))

    assert found(locked) is None


def test_unknown_safe_time_is_no_danger(locked: Tenant) -> None:
    mx_settled(locked, "pass")

    assert found(locked) is None


def test_closed_tenant_has_no_warning(locked: Tenant) -> None:
    locked.closed_at = at("Mon 07:00")

    assert found(locked) is None


@pytest.mark.parametrize("name", ["plan-show", "my-tasks", "domains"])
def test_pages_state_danger(locked: Tenant, consultant: User, signed_in: SignIn, name: str) -> None:
    address = reverse(f"onboarding:{name}", args=[locked.public_id])
    before = texts(signed_in(consultant).get(address).content.decode(), "#early-lockdown")
    mx_settled(locked, "pass")
    switch_mx(locked, at("Mon 07:00"))
    switched = texts(signed_in(consultant).get(address).content.decode(), "#early-lockdown")
    reject(locked, DIRECT_SEND)
    partial = texts(signed_in(consultant).get(address).content.decode(), "#early-lockdown")

    assert len(before) == len(switched) == 1
    assert "northwind.test do not lead to Mimecast alone yet" in before[0]
    assert "safe from Mon 30 Nov, 13:00 UTC" in switched[0]
    assert partial == []


def test_export_with_a_restricting_connector_warns(tenant: Tenant, member: User) -> None:
    submit_tables(tenant, member)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.INBOUND_CONNECTOR)
    run_batch([check.pk])
    mx_settled(tenant, "fail")

    assert found(tenant, timezone.now()) == EarlyLockdown(
        ("northwind.test",), None, ("northwind.test",)
    )


def test_export_without_one_is_no_danger(tenant: Tenant, member: User) -> None:
    submit_tables(tenant, member, InboundConnector=[])
    check = Check.objects.get(tenant=tenant, kind=CheckKind.INBOUND_CONNECTOR)
    run_batch([check.pk])
    mx_settled(tenant, "fail")

    assert found(tenant, timezone.now()) is None
