"""When it is safe to switch, from what was observed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from checks.queries import checks_of, history
from onboarding.safety import ACT_OF_KIND, Safety, safeties
from tenants.models import Tenant
from tests.cast import START, MakeTenant

MX = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")


def _seen(
    tenant: Tenant, kind: Kind, minutes: int, ttl: int | None, *values: str, domain: str
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


def _safeties(tenant: Tenant, now: datetime = START) -> dict[str, Safety]:
    checks = list(checks_of(tenant))
    return safeties(checks, history(checks, list(ACT_OF_KIND)), tenant.region_values, now=now)


def test_the_domain_that_waits_longest_decides(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    for domain, ttl in (("one.test", 3600), ("two.test", 21_600)):
        _seen(tenant, Kind.MX_TTL, 0, ttl, "10 mail.test", domain=domain)
        _seen(tenant, Kind.MX_TTL, 5, 300, "10 mail.test", domain=domain)

    safety = _safeties(tenant)["mx_ttl"]

    assert (safety.act, safety.domain) == ("cutover", "two.test")
    assert safety.clock.safe_at == START + timedelta(minutes=5, seconds=21_600)
    assert safety.is_ahead


def test_nothing_is_called_safe_while_one_domain_is_not(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    _seen(tenant, Kind.MX_TTL, 0, 300, "10 mail.test", domain="one.test")
    _seen(tenant, Kind.MX_TTL, 0, 3600, "10 mail.test", domain="two.test")

    assert _safeties(tenant) == {}


def test_nothing_is_called_safe_while_a_server_is_silent(tenant: Tenant) -> None:
    _seen(tenant, Kind.MX_TTL, 0, None, domain="northwind.test")

    assert _safeties(tenant) == {}


def test_lockdown_waits_for_the_old_set_to_leave_the_caches(tenant: Tenant) -> None:
    _seen(tenant, Kind.MX, 0, 300, "10 mail.test", domain="northwind.test")
    _seen(tenant, Kind.MX, 60, 300, *MX, domain="northwind.test")

    safety = _safeties(tenant)["mx"]

    assert safety.act == "lockdown"
    assert safety.clock.safe_at == START + timedelta(minutes=60 + 5, hours=4)


@pytest.mark.parametrize(("hours", "ahead"), [(0, True), (30, False)])
def test_a_clock_that_ran_out_is_no_longer_ahead(tenant: Tenant, hours: int, ahead: bool) -> None:
    _seen(tenant, Kind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    assert _safeties(tenant, START + timedelta(hours=hours))["mx_ttl"].is_ahead == ahead


@pytest.mark.parametrize(("typed", "assumed"), [(None, 86_400), (3600, 86_400), (172_800, 172_800)])
def test_a_longer_ttl_that_somebody_remembers_is_waited_for(
    tenant: Tenant, typed: int | None, assumed: int
) -> None:
    tenant.domains.update(ttl_before=typed)
    _seen(tenant, Kind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    clock = _safeties(tenant)["mx_ttl"].clock

    assert (clock.safe_at, clock.is_assumed) == (START + timedelta(seconds=assumed), True)


def test_a_judgement_by_newer_rules_is_no_sight(tenant: Tenant) -> None:
    _seen(tenant, Kind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")
    before = _safeties(tenant)["mx_ttl"].clock

    _seen(tenant, Kind.MX_TTL, 9, 3600, "10 mail.test", domain="northwind.test")
    Observation.objects.filter(digest="northwind.test9").update(looks=0)

    assert _safeties(tenant)["mx_ttl"].clock == before
