"""The status of a tenant on the dashboard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.models import Cutover, Drift, Plan, Task, TaskStatus
from onboarding.plans.current_state import SubjectStatus, TenantState
from onboarding.plans.safe_times import PlanSafeTime
from onboarding.portfolio import queries
from onboarding.portfolio.tenant_status import TenantStatus, tenant_status
from tenants.models import Tenant
from tests.factories import RunCheck

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def _status(tenant: Tenant, state: TenantState | None = None) -> TenantStatus:
    plan = Plan.objects.get(tenant=tenant)
    return tenant_status(
        plan,
        list(Cutover.objects.filter(plan=plan)),
        list(queries.unfinished_tasks([tenant])),
        state or TenantState(),
        list(queries.failing_checks([tenant], now=NOW)),
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


def test_no_cutover_planned(tenant: Tenant) -> None:
    assert _status(tenant).text == "No cutover planned"


@pytest.mark.parametrize(
    ("completed_at", "text"),
    [(NOW, "Completed, all checks pass"), (None, "Closed before completion")],
)
def test_closed_tenant_waits_for_nothing(
    tenant: Tenant, completed_at: datetime | None, text: str
) -> None:
    _plan(tenant, -3)
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=NOW, completed_at=completed_at)

    assert (_status(tenant).text, _status(tenant).cutover) == (text, None)


def test_cutover_waits_on_dependency(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover", "spf-update")

    assert _status(tenant).text == "Waiting on SPF Record Update"


def test_cutover_is_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    assert _status(tenant).text == "Ready"


def test_unknown_check_is_not_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    unknown, contradicted = (
        _status(tenant, TenantState(checks={status: 1})).text
        for status in (SubjectStatus.UNKNOWN, SubjectStatus.CONTRADICTED)
    )
    assert unknown == "Tasks done; no reliable answer from 1 check"
    assert contradicted == "Tasks done; 1 last run disagrees"


def test_past_cutover_is_overdue(tenant: Tenant) -> None:
    _plan(tenant, -1)

    assert _status(tenant).text == "Cutover overdue by 1 day"


def test_regressed_task_comes_first(tenant: Tenant, run_check: RunCheck) -> None:
    _plan(tenant, 3)
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.SPF, Verdict.FAIL, minutes=minute)

    assert _status(tenant).text == "SPF Record Update regressed"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "mx.leftover",
            "northwind.test: MX still lists in addition to Mimecast’s hosts, and mail there"
            " bypasses every filter",
        ),
        ("mx.old-only", "No cutover planned"),
    ],
)
def test_failing_check_by_finding(
    tenant: Tenant, run_check: RunCheck, code: str, text: str
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code=code)
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code=code, minutes=1)

    assert _status(tenant).text == text
    assert Check.objects.get(kind=CheckKind.MX).settled_verdict == Verdict.FAIL


def test_drifted_check_comes_before_the_cutover(tenant: Tenant, run_check: RunCheck) -> None:
    _plan(tenant, 3)
    run_check(tenant, CheckKind.MX_TTL, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX_TTL)
    Drift.objects.create(
        tenant=tenant, kind=Drift.Kind.TTL_LOW, subject=check.subject, check_asked=check
    )

    assert _status(tenant).text == "northwind.test: MX TTL drifted"
    assert _status(tenant).shape == "fail"


def test_drift_without_check_is_not_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    status = _status(tenant, TenantState(drifts=1))

    assert (status.shape, status.text) == ("fail", "1 drift since go-live")


@pytest.mark.parametrize(
    ("state", "shape", "text"),
    [
        ({SubjectStatus.VERIFIED: 2}, "pass", "All tasks done"),
        ({SubjectStatus.REGRESSED: 2}, "fail", "All tasks done, but 2 checks failing"),
        (
            {SubjectStatus.UNKNOWN: 1},
            "unknown",
            "All tasks done, but 1 check without a reliable answer",
        ),
    ],
)
def test_completed_plan_is_no_all_clear(
    tenant: Tenant, state: dict[SubjectStatus, int], shape: str, text: str
) -> None:
    status = _status(tenant, TenantState(tasks_total=5, tasks_complete=5, checks=state))

    assert (status.shape, status.text) == (shape, text)


@pytest.mark.parametrize(("direction", "text"), [("inbound", "Ready from"), ("outbound", "Ready")])
def test_inbound_cutover_waits_on_caches(tenant: Tenant, direction: str, text: str) -> None:
    plan = Plan.objects.get(tenant=tenant)
    Cutover.objects.create(plan=plan, direction=direction, planned_at=NOW + timedelta(days=3))
    _complete_all_but(tenant, "outbound-cutover", "mx-record-cutover")
    Task.objects.filter(plan=plan, key="mx-record-cutover").update(depends_on=[])
    safe_time = SafeTime(NOW + timedelta(hours=5))

    status = tenant_status(
        plan,
        list(plan.cutovers.all()),
        list(queries.unfinished_tasks([tenant])),
        TenantState(),
        [],
        PlanSafeTime("cutover", "northwind.test", safe_time, NOW),
        now=NOW,
    )

    assert (status.text, status.safe_at) == (text, safe_time.safe_at if text != "Ready" else None)
