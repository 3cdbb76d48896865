"""The facts that decide about a plan's tasks: read once, and passed on to each task."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import DomainProgress, Drift, Task
from onboarding.plans.plan_context import PlanContext
from tenants.models import Domain, Host, Tenant
from tests.factories import HostRow, MakeTenant, task_of

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
ONE, TWO = (Domain(pk=pk, name=f"d{pk}.test", role="primary") for pk in (1, 2))
TENANT = Tenant(platform="microsoft_365", time_zone="America/New_York")
TASK = Task(pk=5, check_kinds=["mx"], domain_roles=["primary"], responsibility="client")


def context(**given: Any) -> PlanContext:
    mx = Check(pk=7, kind="mx", domain=ONE)
    facts: dict[str, Any] = {"checks": [mx], "domains": [ONE, TWO], "hosts": [], "now": NOW}
    return PlanContext(TENANT, **(facts | given))


def test_exempt_domain_is_no_subject() -> None:
    rows = {5: {1: DomainProgress(exempted_at=NOW), 2: DomainProgress()}}
    given = context(progress=rows)

    assert given.domains_of(TASK) == [TWO]
    assert given.domains_of(Task(pk=6)) == [ONE, TWO]
    assert [subject.name for subject in given.evidence(TASK).subjects] == ["d2.test"]


def test_evidence_has_the_facts_of_its_context() -> None:
    rows = {5: {1: DomainProgress(client_confirmed_at=NOW - timedelta(hours=1))}}
    given = context(progress=rows, drifted_since={7: NOW})

    one, two = given.evidence(TASK).subjects

    assert (one.check, one.now, one.drifted_since) == (given.checks[0], NOW, NOW)
    assert (one.confirmed_at, two.confirmed_at) == (NOW - timedelta(hours=1), None)
    assert (two.check, two.drifted_since) == (None, None)


def test_proposed_host_is_not_confirmed() -> None:
    hosts = [Host(name="old.test"), Host(name="new.test", proposed_at=NOW)]

    assert context(hosts=hosts).confirmed_hosts == {"old.test"}


def test_zone_is_of_the_tenant() -> None:
    assert context().zone == zoneinfo.ZoneInfo("America/New_York")


def test_context_reads_all_facts(tenant: Tenant) -> None:
    (domain,), task = tenant.domains.all(), task_of(tenant, "dkim-update")
    row = DomainProgress.objects.create(task=task, domain=domain, client_confirmed_at=NOW)
    mx = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    Drift.objects.create(tenant=tenant, kind="mx", check_asked=mx, opened_at=NOW)

    given = PlanContext.of(tenant)

    assert (given.tenant, given.domains, given.hosts) == (
        tenant,
        [domain],
        list(tenant.hosts.all()),
    )
    assert {check.pk for check in given.checks} == set(
        Check.objects.filter(tenant=tenant).values_list("pk", flat=True)
    )
    assert (given.progress[task.pk], given.drifted_since) == ({domain.pk: row}, {mx.pk: NOW})


@pytest.mark.parametrize("kinds", [["mx"], ["mx", "spf"]])
def test_given_facts_are_not_read(tenant: Tenant, kinds: list[str]) -> None:
    given = PlanContext.of(tenant, {5: {}}, kinds=kinds, domains=[])

    assert sorted(check.kind for check in given.checks) == kinds
    assert (given.domains, given.progress) == ([], {5: {}})


def test_facts_of_many_tenants_are_those_of_each(
    make_tenant: MakeTenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    domains = (("one.test", "primary"), ("two.test", "secondary"))
    hosts = (HostRow("delivery", "mail.test", 25),)
    one, two, other = (
        make_tenant(name, domains=domains, hosts=hosts, platform="on_premises")
        for name in ("One", "Two", "Other")
    )
    for tenant in (one, two, other):
        domain, task = tenant.domains.order_by("pk")[0], task_of(tenant, "dkim-update")
        DomainProgress.objects.create(task=task, domain=domain, client_confirmed_at=NOW)
        mx = Check.objects.get(tenant=tenant, kind=CheckKind.MX, domain=domain)
        Drift.objects.create(tenant=tenant, kind="mx", check_asked=mx, opened_at=NOW)
    Check.objects.filter(tenant=one, kind="spf", domain__name="two.test").update(is_active=False)
    bare = Tenant.objects.create(name="Bare")

    # None of the kinds concerns a host.
    with django_assert_num_queries(3):
        found = PlanContext.of_many([one, two, bare], kinds=["mx", "spf"])
        for given in found.values():
            for check in given.checks:
                assert (check.subject, check.latest) == (str(check.domain), None)
            for host in given.hosts:
                assert host.proposed_by is None

    assert found.keys() == {one.pk, two.pk, bare.pk}
    for tenant in (one, two):
        alone, given = PlanContext.of(tenant, kinds=["mx", "spf"]), found[tenant.pk]
        assert (given.tenant, given.domains, given.hosts) == (tenant, alone.domains, alone.hosts)
        assert _by_id(given.checks) == _by_id(alone.checks)
        assert (
            given.progress,
            {*alone.drifted_since.items()} - {*given.drifted_since.items()},
        ) == (
            alone.progress,
            set(),
        )
        assert other.pk not in {check.tenant_id for check in given.checks}
    nothing = found[bare.pk]
    assert (nothing.checks, nothing.domains, nothing.hosts, nothing.progress) == ([], [], [], {})
    assert (len(found[one.pk].checks), len(found[two.pk].checks)) == (3, 4)


def _by_id(checks: Sequence[Check]) -> dict[int, Check]:
    return {check.pk: check for check in checks}
