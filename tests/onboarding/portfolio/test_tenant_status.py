"""The status sentence of a tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.models import Cutover, Plan, Task, TaskStatus
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.portfolio import queries
from onboarding.portfolio.queries import CheckCounts
from onboarding.portfolio.tenant_status import Outlook, outlook
from tenants.models import Tenant
from tests.factories import RunCheck

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def _outlook(tenant: Tenant, counts: CheckCounts | None = None) -> Outlook:
    plan = Plan.objects.get(tenant=tenant)
    return outlook(
        plan,
        list(Cutover.objects.filter(plan=plan)),
        list(queries.open_tasks([tenant])),
        counts or CheckCounts(),
        list(queries.failing_checks([tenant])),
        now=NOW,
    )


def _plan(tenant: Tenant, days: int) -> None:
    Cutover.objects.create(
        plan=Plan.objects.get(tenant=tenant),
        direction=Cutover.Direction.OUTBOUND,
        planned_at=NOW + timedelta(days=days),
    )


def _complete_all_but(tenant: Tenant, *keys: str) -> None:
    Task.objects.filter(plan__tenant=tenant).exclude(key__in=keys).update(status=TaskStatus.DONE)


def test_status_without_cutover(tenant: Tenant) -> None:
    assert _outlook(tenant).words == "No cutover planned"


def test_cutover_waits_for_dependencies(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover", "spf-update")

    assert _outlook(tenant).words == "Waits for SPF Record Update"


def test_cutover_with_done_dependencies_is_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    assert _outlook(tenant).words == "Ready"


def test_unknown_check_is_not_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    assert _outlook(tenant, CheckCounts(unknown=1)).words == "Tasks done; 1 check unknown"


def test_past_cutover_is_overdue(tenant: Tenant) -> None:
    _plan(tenant, -1)

    assert _outlook(tenant).words == "Cutover overdue"


def test_regressed_task_comes_first(tenant: Tenant, run_check: RunCheck) -> None:
    _plan(tenant, 3)
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.SPF, Verdict.FAIL, minutes=minute)

    assert _outlook(tenant).words == "Not ready: SPF Record Update regressed"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("mx.leftover", "Not ready: MX of northwind.test fails"),
        ("mx.old-only", "No cutover planned"),
    ],
)
def test_failing_check_differs_from_open_task(
    tenant: Tenant, run_check: RunCheck, code: str, words: str
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code=code)
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code=code, minutes=1)

    assert _outlook(tenant).words == words
    assert Check.objects.get(kind=CheckKind.MX).settled_verdict == Verdict.FAIL


@pytest.mark.parametrize(("direction", "words"), [("inbound", "Ready from"), ("outbound", "Ready")])
def test_inbound_cutover_waits_for_caches(tenant: Tenant, direction: str, words: str) -> None:
    plan = Plan.objects.get(tenant=tenant)
    Cutover.objects.create(plan=plan, direction=direction, planned_at=NOW + timedelta(days=3))
    _complete_all_but(tenant, "outbound-cutover", "mx-record-cutover")
    Task.objects.filter(plan=plan, key="mx-record-cutover").update(depends_on=[])
    safe_time = SafeTime(NOW + timedelta(hours=5))

    seen = outlook(
        plan,
        list(plan.cutovers.all()),
        list(queries.open_tasks([tenant])),
        CheckCounts(),
        [],
        PlanSafeTime("cutover", "northwind.test", safe_time, NOW),
        now=NOW,
    )

    assert (seen.words, seen.safe_at) == (words, safe_time.safe_at if words != "Ready" else None)
