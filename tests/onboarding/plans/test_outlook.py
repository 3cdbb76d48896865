"""A tenant's standing in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.clocks import Clock
from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding import queries
from onboarding.models import Cutover, Plan, Task, TaskState
from onboarding.plans.outlook import Outlook, outlook
from onboarding.plans.safety import Safety
from onboarding.queries import CheckCounts
from tenants.models import Tenant
from tests.cast import Look

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
    Task.objects.filter(plan__tenant=tenant).exclude(key__in=keys).update(state=TaskState.DONE)


def test_without_a_cutover_it_says_so(tenant: Tenant) -> None:
    assert _outlook(tenant).words == "No cutover planned"


def test_a_cutover_waits_for_what_its_task_depends_on(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover", "spf-update")

    assert _outlook(tenant).words == "Waits for SPF Record Update"


def test_a_cutover_is_ready_when_everything_before_it_is_done(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    assert _outlook(tenant).words == "Ready"


def test_what_could_not_be_told_is_never_called_ready(tenant: Tenant) -> None:
    _plan(tenant, 3)
    _complete_all_but(tenant, "outbound-cutover")

    assert _outlook(tenant, CheckCounts(unknown=1)).words == "Steps done; 1 check could not tell"


def test_a_moment_that_passed_is_told(tenant: Tenant) -> None:
    _plan(tenant, -1)

    assert _outlook(tenant).words == "The planned moment has passed"


def test_a_broken_proof_comes_first(tenant: Tenant, look: Look) -> None:
    _plan(tenant, 3)
    look(tenant, Kind.SPF, Verdict.PASS)
    for minute in (1, 6, 11):
        look(tenant, Kind.SPF, Verdict.FAIL, minutes=minute)

    assert _outlook(tenant).words == "Not ready: SPF Record Update no longer holds"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("mx.leftover", "Not ready: MX of northwind.test is not as it should be"),
        ("mx.old-only", "No cutover planned"),
    ],
)
def test_a_fault_is_told_and_a_step_not_taken_is_none(
    tenant: Tenant, look: Look, code: str, words: str
) -> None:
    look(tenant, Kind.MX, Verdict.FAIL, code=code)
    look(tenant, Kind.MX, Verdict.FAIL, code=code, minutes=1)

    assert _outlook(tenant).words == words
    assert Check.objects.get(kind=Kind.MX).settled_verdict == Verdict.FAIL


@pytest.mark.parametrize(("direction", "words"), [("inbound", "Ready from"), ("outbound", "Ready")])
def test_an_inbound_cutover_is_not_ready_before_the_caches_are(
    tenant: Tenant, direction: str, words: str
) -> None:
    plan = Plan.objects.get(tenant=tenant)
    Cutover.objects.create(plan=plan, direction=direction, planned_at=NOW + timedelta(days=3))
    _complete_all_but(tenant, "outbound-cutover", "mx-record-cutover")
    Task.objects.filter(plan=plan, key="mx-record-cutover").update(depends_on=[])
    clock = Clock(NOW + timedelta(hours=5))

    seen = outlook(
        plan,
        list(plan.cutovers.all()),
        list(queries.open_tasks([tenant])),
        CheckCounts(),
        [],
        Safety("cutover", "northwind.test", clock, NOW),
        now=NOW,
    )

    assert (seen.words, seen.safe_at) == (words, clock.safe_at if words != "Ready" else None)
