"""Concurrent workers, beats and people, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from checks import claims, services
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from onboarding.cutovers import go_no_go
from onboarding.cutovers.planning import change_cutover, plan_cutover
from onboarding.cutovers.room import load_facts
from onboarding.errors import ConflictingChange
from onboarding.models import Cutover, CutoverDecision, CutoverDomain, Plan, TaskStatus
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.services import confirm_task
from tenants.models import ActivityLine, Domain, Membership, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, fill_fields, task_of
from tests.interop.concurrency import run_concurrently

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


def test_two_beats_claim_each_check_once(make_tenant: MakeTenant) -> None:
    make_tenant(domains=tuple((f"d{n}.test", "secondary") for n in range(40)))
    now = timezone.now() + timedelta(seconds=1)

    def processes() -> dict[str, int]:
        return {"checks.default": 4}

    results = run_concurrently([lambda: claims.claim_due_checks(now=now, processes=processes)] * 2)

    claimed = [pk for found in results for batch in found for pk in batch.check_ids]
    assert sorted(claimed) == sorted(Check.objects.values_list("pk", flat=True))


def test_equal_answers_make_one_transition(tenant: Tenant) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    now = timezone.now()

    def worker(seconds: int) -> Callable[[], bool]:
        outcome = Outcome(CheckKind.OWNERSHIP, "northwind.test", Verdict.PASS)
        at = now + timedelta(seconds=seconds)
        return lambda: services.record_run(check.pk, outcome, expectation=check.expectation, at=at)

    run_concurrently([worker(second) for second in range(4)])

    assert task_of(tenant, "domain-ownership").status == TaskStatus.VERIFIED
    assert ActivityLine.objects.filter(action="task-verified").count() == 1
    assert Observation.objects.count() == 1


def _run_all_actors(check: Check, verdict: Verdict, at: datetime) -> None:
    """Two beats claim, two people request a run, and a late worker records, all at once.

    Each caller that received the check records a run."""
    outcome = Outcome(CheckKind.OWNERSHIP, "northwind.test", verdict)

    def record() -> None:
        services.record_run(check.pk, outcome, expectation=check.expectation, at=at)

    def record_if_claimed(batches: list[claims.Batch]) -> None:
        if any(check.pk in batch.check_ids for batch in batches):
            record()

    def beat() -> None:
        record_if_claimed(claims.claim_due_checks(now=at))

    def person() -> None:
        record_if_claimed(claims.request_run(Check.objects.all(), now=at))

    run_concurrently([beat, beat, person, person, record])


def test_all_actors_make_one_transition_each_way(tenant: Tenant) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    start = timezone.now() + timedelta(seconds=1)

    for minute, verdict in ((0, Verdict.PASS), *((m, Verdict.FAIL) for m in (1, 6, 11))):
        Check.objects.update(next_due_at=start, claimed_until=None)
        _run_all_actors(check, verdict, start + timedelta(minutes=minute))

    assert task_of(tenant, "domain-ownership").status == TaskStatus.REGRESSED
    lines = ActivityLine.objects.filter(tenant=tenant).order_by("number")
    actions = list(lines.values_list("action", flat=True))
    assert actions == ["tenant-created", "task-verified", "task-regressed"]
    observations = Observation.objects.order_by("pk").values_list("verdict", "runs")
    assert list(observations) == [("pass", 1), ("fail", 3)]


def test_last_two_proofs_complete_task(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    now = timezone.now()

    def worker(check: Check) -> Callable[[], bool]:
        outcome = Outcome(CheckKind.MX, check.subject, Verdict.PASS)
        return lambda: services.record_run(check.pk, outcome, expectation=check.expectation, at=now)

    run_concurrently([worker(check) for check in Check.objects.filter(kind=CheckKind.MX)])

    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.VERIFIED
    assert ActivityLine.objects.filter(action="task-verified").count() == 1


def test_both_sides_confirm_concurrently(tenant: Tenant) -> None:
    rosa = User.objects.create_user("r@gangway.test", name="R", staff_role="consultant")
    jo = User.objects.create_user("j@northwind.test", name="J")
    Membership.objects.create(tenant=tenant, user=jo, role="owner")
    key = "mail-flow-infrastructure"

    run_concurrently(
        [
            lambda: confirm_task(task_of(tenant, key), by=rosa, side="mimecast"),
            lambda: confirm_task(task_of(tenant, key), by=jo, side="client"),
        ]
    )

    assert task_of(tenant, key).status == TaskStatus.DONE


def test_counters_survive_concurrent_tasks(tenant: Tenant) -> None:
    rosa = User.objects.create_user("r@gangway.test", name="R", staff_role="consultant")
    keys = ["account-creation", "out-of-the-box-settings"]
    for key in keys:
        fill_fields(task_of(tenant, key))

    def confirm(key: str) -> Callable[[], TaskStatus]:
        return lambda: confirm_task(task_of(tenant, key), by=rosa, side="mimecast")

    run_concurrently([confirm(key) for key in keys])

    assert Plan.objects.get(tenant=tenant).tasks_complete == 2


def test_two_approvers_make_one_decision(tenant: Tenant, consultant: User, owner: User) -> None:
    planned_at = timezone.now() + timedelta(days=2)
    made = cutover_of(tenant, "inbound", planned_at)
    go_no_go.name_approvers(made, mimecast=consultant, client=owner, by=consultant)
    made.refresh_from_db()
    facts = load_facts(
        made, [], PlanContext.of(tenant), [], tenant.region_values, now=timezone.now()
    )

    def press(by: User, *, is_go: bool) -> str:
        vote = go_no_go.Vote(made.planned_at, made.round, is_go, "Now.")
        voted_on = Cutover.objects.select_related("plan__tenant").get(pk=made.pk)
        try:
            found = go_no_go.cast_vote(voted_on, vote, [], facts, by=by)
        except ConflictingChange:
            return "too late"
        return "verdict" if found is not None else "waits"

    results = run_concurrently(
        [lambda: press(consultant, is_go=True), lambda: press(owner, is_go=True)]
    )
    assert sorted(results) == ["verdict", "waits"]
    assert CutoverDecision.objects.filter(cutover=made, is_go=True).count() == 1
    lines = ActivityLine.objects.filter(tenant=tenant, action="cutover-decided")
    assert lines.count() == 1


def test_concurrent_plans_make_one_cutover(make_tenant: MakeTenant, consultant: User) -> None:
    names = (("a.test", "primary"), ("b.test", "secondary"), ("c.test", "test"))
    tenant = make_tenant(domains=names)
    primary, secondary, test = tenant.domains.order_by("name")
    window_start = timezone.now() + timedelta(days=9)

    def plan(*domains: Domain) -> str:
        own = Plan.objects.select_related("tenant").get(tenant=tenant)
        try:
            plan_cutover(own, "inbound", window_start, domains, by=consultant, reason="Agreed.")
        except ConflictingChange:
            return "too late"
        return "planned"

    results = run_concurrently([lambda: plan(secondary, primary), lambda: plan(test, secondary)])

    assert sorted(results) == ["planned", "too late"]
    assert Cutover.objects.filter(plan__tenant=tenant).count() == 1
    assert CutoverDomain.objects.filter(domain=secondary).count() == 1


def test_swapping_domains_does_not_deadlock(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=(("a.test", "primary"), ("b.test", "secondary")))
    primary, secondary = tenant.domains.order_by("name")
    window_start = timezone.now() + timedelta(days=9)
    first = cutover_of(tenant, "inbound", window_start, "a.test")
    second = cutover_of(tenant, "inbound", window_start, "b.test")

    def swap(cutover: Cutover, wanted: Domain) -> str:
        own = Cutover.objects.get(pk=cutover.pk)
        try:
            change_cutover(
                own, window_start, [wanted], expected_round=1, by=consultant, reason="Agreed."
            )
        except ConflictingChange:
            return "too late"
        return "changed"

    results = run_concurrently([lambda: swap(first, secondary), lambda: swap(second, primary)])

    assert results == ["too late", "too late"]
    assert [d.name for d in first.domains.all()] == ["a.test"]
