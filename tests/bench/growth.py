"""The bar P6 without its searches: the cost of a run in large tenants, and of an idle tick."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from checks import claims
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.plan_templates.registry import register_builtin_templates
from tenants import database_time
from tenants.models import Domain, Host, Tenant
from tests.bench import recording
from tests.bench.bars import Bar

RUNS = 1_200
ROUNDS = 3
TICKS = 50


def _tenant(size: int, number: int) -> list[Check]:
    """A tenant with this number of domains. Returns its checks, a few of them active."""
    profile = {"region": "us", "platform": "microsoft_365", "directory_method": "entra_id"}
    entry = ProfileEntry([Domain(name=f"d.{number}.{size}.example", role="primary")], list[Host]())
    tenant = create_tenant(Tenant(name=f"{size} domains, {number}", **profile), entry, by=None)
    Domain.objects.bulk_create(
        Domain(tenant=tenant, name=f"d{n}.{number}.{size}.example", role="secondary")
        for n in range(size - 1)
    )
    sync_checks(tenant)
    of_tenant = Check.objects.filter(tenant=tenant).select_related("tenant", "domain")
    return list(of_tenant.filter(kind__in=recording.KINDS))


def _ms_of_a_run(tenants: Sequence[list[Check]], size: int) -> float:
    """The CPU time of a run with the same answer, in tenants of this size."""
    checks = [check for of_tenant in tenants for check in of_tenant][:RUNS]
    Check.objects.update(is_active=False)
    Check.objects.filter(pk__in=[check.pk for check in checks]).update(is_active=True)
    outcomes = recording.outcomes_of(checks)
    for _ in range(3):
        recording.measure(outcomes)
    rounds = [recording.measure(outcomes) for _ in range(ROUNDS)]
    found = statistics.median(1000 * each.cpu_seconds / each.runs for each in rounds)
    print(f"tenants of {size} domains: {found:.3f} ms of CPU a run, {len(checks)} runs")
    return found


def _fill(count: int) -> None:
    """Checks of one tenant that are not due, by one statement."""
    tenant = Tenant.objects.first()
    assert tenant is not None
    present = Check.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checks_check (public_id, tenant_id, kind, domain_id, expectation, vantage,"
            " is_active, next_due_at, interval, claim_id, settled_verdict, contradicting_runs,"
            " is_misconfigured, signed_by_platform)"
            " SELECT md5(n::text), %s, 'mx', (SELECT min(id) FROM tenants_domain), '{}', 'v' || n,"
            " true, now() + interval '1 day', 'idle', '', 'pass', 0, false, '{}'"
            " FROM generate_series(1, %s) AS n",
            [tenant.pk, max(0, count - present)],
        )
        cursor.execute("ANALYZE")


def _ms_of_a_tick() -> float:
    Check.objects.filter(next_due_at__lte=database_time.now()).update(
        next_due_at=database_time.now() + timedelta(days=1)
    )
    times = []
    for _ in range(TICKS):
        began = time.perf_counter()
        assert claims.claim_due_checks(now=database_time.now()) == []
        times.append(1000 * (time.perf_counter() - began))
    print(f"idle tick with {Check.objects.count()} checks: {statistics.median(times):.2f} ms")
    return statistics.median(times)


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of checks of the idle tick."""
    logging.disable(logging.INFO)
    most = options.size or (2_000 if options.quick else 1_000_000)
    sizes = (2, 20, 200) if options.quick else (2, 20, 5_000)
    register_builtin_templates()
    costs = []
    for size in sizes:
        count = max(1, RUNS // (size * len(recording.KINDS))) if size > 2 else 40
        costs.append(_ms_of_a_run([_tenant(size, n) for n in range(count)], size))
    ticks = []
    for checks in (min(10_000, most), most):
        _fill(checks)
        ticks.append(_ms_of_a_tick())
    return [
        Bar("P6 cost of a run in the largest tenants", costs[-1] / min(costs), 1.2),
        Bar("P6 ms of an idle tick", max(ticks), 2),
    ]
