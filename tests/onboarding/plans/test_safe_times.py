"""The safe times of a plan, from observations."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from checks import services
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from checks.queries import checks_of, observations_by_kind
from onboarding.plans.safe_times import (
    SWITCH_KINDS,
    LazySafeTimes,
    PlanSafeTime,
    safe_time_of,
    safe_times_by_kind,
)
from tenants.models import Tenant
from tests.factories import START, MakeTenant

MX = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")


def _observe(
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


def _safe_times(tenant: Tenant, now: datetime = START) -> dict[str, PlanSafeTime]:
    checks = list(checks_of(tenant))
    return safe_times_by_kind(
        checks, observations_by_kind(checks, list(SWITCH_KINDS)), tenant.region_values, now=now
    )


def test_latest_domain_sets_safe_time(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    for domain, ttl in (("one.test", 3600), ("two.test", 21_600)):
        _observe(tenant, CheckKind.MX_TTL, 0, ttl, "10 mail.test", domain=domain)
        _observe(tenant, CheckKind.MX_TTL, 5, 300, "10 mail.test", domain=domain)

    safety = _safe_times(tenant)["mx_ttl"]

    assert (safety.switch, safety.domain) == ("cutover", "two.test")
    assert safety.safe_time.safe_at == START + timedelta(minutes=5, seconds=21_600)
    assert safety.is_ahead


def test_unsafe_domain_hides_safe_time(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    _observe(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="one.test")
    _observe(tenant, CheckKind.MX_TTL, 0, 3600, "10 mail.test", domain="two.test")

    assert "mx_ttl" not in _safe_times(tenant)


def test_silent_server_hides_safe_time(tenant: Tenant) -> None:
    _observe(tenant, CheckKind.MX_TTL, 0, None, domain="northwind.test")

    assert "mx_ttl" not in _safe_times(tenant)


SERVER = "ns1.test (192.0.2.1) of northwind.test"
SO = "so Gangway cannot compute when the lockdown is safe."
OR_RISK = "Otherwise a consultant can accept the risk of this task."


@pytest.mark.parametrize(
    ("newest", "cause", "remedy"),
    [
        (
            (None,),
            f"{SERVER} does not answer, {SO}",
            "Repair the name server or remove it from the delegation, then check northwind.test"
            " again.",
        ),
        (
            (300, *MX, "20 mail.test"),
            f"{SERVER} still publishes the old hosts, {SO}",
            "Replace the MX records there, then check northwind.test again.",
        ),
        (
            (300,),
            f"{SERVER} has no MX records, {SO}",
            "Publish the MX records there, then check northwind.test again.",
        ),
        (
            (),
            "northwind.test has no check yet that found only Mimecast’s MX hosts at every name"
            f" server, {SO}",
            "Check the MX records of northwind.test again.",
        ),
    ],
    ids=["silent", "old-hosts", "empty", "not-checked"],
)
def test_unknown_lockdown_names_cause(
    tenant: Tenant, newest: tuple[Any, ...], cause: str, remedy: str
) -> None:
    if newest:
        _observe(tenant, CheckKind.MX, 0, 300, *MX, domain="northwind.test")
        _observe(tenant, CheckKind.MX, 5, *newest, domain="northwind.test")

    safety = _safe_times(tenant)["mx"]

    assert (safety.is_unknown, safety.is_ahead) == (True, False)
    assert (safety.cause, safety.remedy) == (cause, f"{remedy} {OR_RISK}")


def test_old_hosts_are_named_before_silent_server(make_tenant: MakeTenant) -> None:
    names = ("one.test", "two.test", "three.test")
    tenant = make_tenant(domains=((names[0], "primary"), *((n, "secondary") for n in names[1:])))
    _observe(tenant, CheckKind.MX, 0, None, domain="one.test")
    _observe(tenant, CheckKind.MX, 0, 300, "10 mail.test", domain="two.test")
    _observe(tenant, CheckKind.MX, 0, 300, *MX, domain="three.test")

    assert _safe_times(tenant)["mx"].cause == (
        f"ns1.test (192.0.2.1) of two.test still publishes the old hosts, {SO}"
        " The same applies to one more domain."
    )


def test_no_mx_check_has_no_safe_time(tenant: Tenant) -> None:
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(is_active=False)

    assert _safe_times(tenant) == {}


def test_lockdown_waits_for_cached_mx(tenant: Tenant) -> None:
    _observe(tenant, CheckKind.MX, 0, 300, "10 mail.test", domain="northwind.test")
    _observe(tenant, CheckKind.MX, 60, 300, *MX, domain="northwind.test")

    safety = _safe_times(tenant)["mx"]

    assert safety.switch == "lockdown"
    assert safety.safe_time.safe_at == START + timedelta(minutes=60 + 5, hours=4)


@pytest.mark.parametrize(("hours", "ahead"), [(0, True), (30, False)])
def test_past_safe_time_is_not_ahead(tenant: Tenant, hours: int, ahead: bool) -> None:
    _observe(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    assert _safe_times(tenant, START + timedelta(hours=hours))["mx_ttl"].is_ahead == ahead


@pytest.mark.parametrize(("typed", "assumed"), [(None, 86_400), (3600, 86_400), (172_800, 172_800)])
def test_typed_original_ttl_extends_wait(tenant: Tenant, typed: int | None, assumed: int) -> None:
    tenant.domains.update(original_mx_ttl_seconds=typed)
    _observe(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")

    safe_time = _safe_times(tenant)["mx_ttl"].safe_time

    assert (safe_time.safe_at, safe_time.is_assumed) == (START + timedelta(seconds=assumed), True)


def test_observation_without_runs_is_ignored(tenant: Tenant) -> None:
    _observe(tenant, CheckKind.MX_TTL, 0, 300, "10 mail.test", domain="northwind.test")
    before = _safe_times(tenant)["mx_ttl"].safe_time

    _observe(tenant, CheckKind.MX_TTL, 9, 3600, "10 mail.test", domain="northwind.test")
    Observation.objects.filter(digest="northwind.test9").update(runs=0)

    assert _safe_times(tenant)["mx_ttl"].safe_time == before


def test_safe_time_counts_from_run_end(
    tenant: Tenant,
) -> None:
    """The server that was queried last may have published the old value until the end."""
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
    run_ended_at = began + timedelta(minutes=5, seconds=40)
    assert safe_time.safe_at == run_ended_at + timedelta(seconds=3600)


@pytest.mark.parametrize("seed", range(12))
def test_stored_safe_times_equal_computed_ones(make_tenant: MakeTenant, seed: int) -> None:
    random = Random(seed)
    domains = ("one.test", "two.test")
    tenant = make_tenant(domains=((domains[0], "primary"), (domains[1], "secondary")))
    for number in range(10):
        for domain in domains:
            kind = random.choice([CheckKind.MX, CheckKind.MX_TTL])
            values = random.choice([MX, ("10 mail.test",)])
            ttl = random.choice([None, 300, 3600])
            _observe(tenant, kind, 60 * number, ttl, *values, domain=domain)
            check = Check.objects.get(tenant=tenant, kind=kind, domain__name=domain)
            check.latest = check.observations.order_by("-first_seen_at").first()
            check.save(update_fields=["latest"])
        tenant.domains.update(original_mx_ttl_seconds=random.choice([None, 172_800]))

        now = START + timedelta(hours=number)
        for _ in range(2):
            stored = dict(LazySafeTimes(tenant, list(checks_of(tenant)), now=now))

            assert stored == _safe_times(tenant, now)
