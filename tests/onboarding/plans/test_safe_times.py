"""When it is safe to switch, from what was observed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import services
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from checks.queries import checks_of, observations_by_kind
from onboarding.plans.safe_times import (
    SWITCH_OF_KIND,
    PlanSafeTime,
    safe_time_of,
    safe_times_by_kind,
)
from tenants.models import Tenant
from tests.factories import START, MakeTenant

MX = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")


def _seen(
    tenant: Tenant, kind: CheckKind, minutes: int, ttl: int | None, *values: str, domain: str
) -> None:
    at = START + timedelta(minutes=minutes)
    row: dict[str, Any] = {"name": "ns1.test", "address": "192.0.2.1", "status": "timeout"}
    if ttl is not None:
        row |= {"status": "records", "values": list(values), "ttl": ttl}
    Observation.objects.create(
        check_asked=Check.objects.get(tenant=tenant, kind=kind, domain__name=domain),
        verdict="pass",
        evidence={"servers": [row]},
        digest=f"{domain}{minutes}",
        first_seen_at=at,
        last_seen_at=at,
    )


def _safeties(tenant: Tenant, now: datetime = START) -> dict[str, PlanSafeTime]:
    checks = list(checks_of(tenant))
    return safe_times_by_kind(
        checks, observations_by_kind(checks, list(SWITCH_OF_KIND)), tenant.region_values, now=now
    )


def test_the_domain_that_waits_longest_decides(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    for domain, ttl in (("one.test", 3600), ("two.test", 21_600)):
        _seen(tenant, CheckKind.MX_TTL, 0, ttl, "10 mail.test", domain=domain)
        _seen(tenant, CheckKind.MX_TTL, 5, 300, "10 mail.test", domain=domain)

    safety = _safeties(tenant)["mx_ttl"]

    assert (safety.switch, safety.domain) == ("cutover", "two.test")
    assert safety.safe_time.safe_at == START + timedelta(minutes=5, seconds=21_600)
    assert safety.is_ahead


def test_nothing_is_called_safe_while_one_domain_is_not(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    _seen(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="one.test")
    _seen(tenant, CheckKind.MX_TTL, 0, 3600, "10 mail.test", domain="two.test")

    assert _safeties(tenant) == {}


def test_nothing_is_called_safe_while_a_server_is_silent(tenant: Tenant) -> None:
    _seen(tenant, CheckKind.MX_TTL, 0, None, domain="northwind.test")

    assert _safeties(tenant) == {}


def test_lockdown_waits_for_the_old_set_to_leave_the_caches(tenant: Tenant) -> None:
    _seen(tenant, CheckKind.MX, 0, 300, "10 mail.test", domain="northwind.test")
    _seen(tenant, CheckKind.MX, 60, 300, *MX, domain="northwind.test")

    safety = _safeties(tenant)["mx"]

    assert safety.switch == "lockdown"
    assert safety.safe_time.safe_at == START + timedelta(minutes=60 + 5, hours=4)


@pytest.mark.parametrize(("hours", "ahead"), [(0, True), (30, False)])
def test_a_clock_that_ran_out_is_no_longer_ahead(tenant: Tenant, hours: int, ahead: bool) -> None:
    _seen(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    assert _safeties(tenant, START + timedelta(hours=hours))["mx_ttl"].is_ahead == ahead


@pytest.mark.parametrize(("typed", "assumed"), [(None, 86_400), (3600, 86_400), (172_800, 172_800)])
def test_a_longer_ttl_that_somebody_remembers_is_waited_for(
    tenant: Tenant, typed: int | None, assumed: int
) -> None:
    tenant.domains.update(original_mx_ttl_seconds=typed)
    _seen(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    safe_time = _safeties(tenant)["mx_ttl"].safe_time

    assert (safe_time.safe_at, safe_time.is_assumed) == (START + timedelta(seconds=assumed), True)


def test_a_judgement_by_newer_rules_is_no_sight(tenant: Tenant) -> None:
    _seen(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")
    before = _safeties(tenant)["mx_ttl"].safe_time

    _seen(tenant, CheckKind.MX_TTL, 9, 3600, "10 mail.test", domain="northwind.test")
    Observation.objects.filter(digest="northwind.test9").update(runs=0)

    assert _safeties(tenant)["mx_ttl"].safe_time == before


def test_a_clock_counts_from_when_a_look_had_ended_and_not_from_when_it_began(
    tenant: Tenant,
) -> None:
    """A server asked last may have given out the old answer until then."""
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX_TTL)
    server = {"name": "ns1.test", "address": "192.0.2.1", "status": "records"}
    began = timezone.now() - timedelta(hours=2)

    def see(ttl: int, minutes: int) -> None:
        evidence = {"servers": [server | {"values": ["10 mail.test"], "ttl": ttl}]}
        verdict = Verdict.PASS if ttl <= 300 else Verdict.FAIL
        outcome = Outcome(CheckKind.MX_TTL, "northwind.test", verdict, (), evidence)
        at = began + timedelta(minutes=minutes)
        services.record_run(
            check.pk,
            outcome,
            expectation=check.expectation,
            at=at,
            ended_at=at + timedelta(seconds=40),
        )

    see(3600, 0)
    see(300, 5)
    check.refresh_from_db()

    safe_time = safe_time_of(
        check, list(observations_by_kind([check], [CheckKind.MX_TTL])), tenant.region_values
    )

    assert safe_time is not None
    looks = began + timedelta(minutes=5, seconds=40)
    assert safe_time.safe_at == looks + timedelta(seconds=3600)
