"""Tasks follow a batch once for each tenant, and a lost reaction is repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checks import reactions, services
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.expectations import sync_checks
from checks.models import Check, Observation
from checks.signals import runs_recorded
from checks.tasks import repeat_reactions
from onboarding import progress
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plans.evaluation import evaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import can_change
from onboarding.plans.services import exempt_domain
from tenants.models import Domain, Tenant, User
from tests.factories import HostRow, MakeTenant, RunCheck, task_of

pytestmark = pytest.mark.django_db

OWNERSHIP = "domain-ownership"
START = timezone.now()


def _record(check: Check, verdict: Verdict, *, minutes: float = 0) -> None:
    services.record_run(
        check.pk,
        Outcome(CheckKind(check.kind), check.subject, verdict),
        expectation=check.expectation,
        at=START + timedelta(minutes=minutes),
    )


@contextmanager
def signals() -> Iterator[list[tuple[int, list[int]]]]:
    """The signals that are sent, as pairs of tenant id and check ids."""
    sent: list[tuple[int, list[int]]] = []

    def receive(sender: object, tenant_id: int, check_ids: list[int], **_: Any) -> None:
        sent.append((tenant_id, check_ids))

    runs_recorded.connect(receive)
    try:
        yield sent
    finally:
        runs_recorded.disconnect(receive)


def test_batch_sends_one_signal_for_each_tenant(tenant: Tenant, make_tenant: MakeTenant) -> None:
    other = make_tenant("Elsewhere", (("elsewhere.test", "primary"),))
    checks = list(Check.objects.order_by("kind", "pk"))

    with signals() as sent:
        reactions.send_for_batch(checks)

    assert {pk: sorted(ids) for pk, ids in sent} == {
        each.pk: sorted(each.checks.values_list("pk", flat=True)) for each in (tenant, other)
    }


def test_reaction_that_failed_is_repeated(
    tenant: Tenant, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise DatabaseError("canceling statement due to lock timeout")

    with monkeypatch.context() as patch:
        patch.setattr(progress, "recompute_rollup", fail)
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    lost = Check.objects.get(kind=CheckKind.OWNERSHIP)
    assert lost.unevaluated_since is not None
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO

    Check.objects.update(unevaluated_since=timezone.now() - reactions.REPEAT_AFTER)
    repeat_reactions()

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED
    assert not Check.objects.exclude(unevaluated_since=None).exists()


def test_reaction_of_a_killed_worker_is_repeated(tenant: Tenant) -> None:
    """The worker is killed after the commit and before the signal."""
    _record(Check.objects.get(kind=CheckKind.OWNERSHIP), Verdict.PASS)

    assert reactions.tenants_to_repeat(now=START) == []
    later = START + reactions.REPEAT_AFTER
    assert reactions.tenants_to_repeat(now=later) == [tenant.pk]
    assert reactions.repeat(tenant.pk, now=later) == 1
    assert reactions.tenants_to_repeat(now=later) == []
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_change_during_the_evaluation_remains_marked(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Check.objects.get(kind=CheckKind.OWNERSHIP)
    _record(check, Verdict.PASS)

    def record_meanwhile(*_: Any) -> list[Task]:
        reactions.mark_evaluated(Check.objects.filter(pk=check.pk))
        _record(check, Verdict.FAIL, minutes=1)
        return []

    monkeypatch.setattr(progress, "lock_tasks", record_meanwhile)
    progress.apply_runs(tenant.pk, [check.pk])

    check.refresh_from_db()
    assert check.unevaluated_since == START + timedelta(minutes=1)


def test_same_answer_evaluates_nothing(
    tenant: Tenant, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    before = Plan.objects.get(tenant=tenant).revision
    check = Check.objects.get(kind=CheckKind.SPF)
    _record(check, Verdict.PASS, minutes=60)
    assert Check.objects.get(pk=check.pk).unevaluated_since is None

    with CaptureQueriesContext(connection) as queries:
        progress.apply_runs(tenant.pk, [check.pk])

    # The checks, the plan and the monitoring.
    assert len(queries) == 3
    assert Plan.objects.get(tenant=tenant).revision == before


def test_checks_of_another_tenant_are_ignored(tenant: Tenant, make_tenant: MakeTenant) -> None:
    other = make_tenant("Elsewhere", (("elsewhere.test", "primary"),))
    check = other.checks.get(kind=CheckKind.OWNERSHIP)
    _record(check, Verdict.PASS)

    progress.apply_runs(tenant.pk, [check.pk])

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO
    check.refresh_from_db()
    assert check.unevaluated_since == START


VERDICTS = ["", *(verdict.value for verdict in Verdict)]


def _set_verdicts(checks: list[Check], choice: random.Random, *, passing: float) -> None:
    for check in checks:
        verdict = "pass" if choice.random() < passing else choice.choice(VERDICTS)
        Check.objects.filter(pk=check.pk).update(settled_verdict=verdict, settled_at=START)


def _close_port(tenant: Tenant) -> None:
    """Port 25 is closed to this worker: without a settled verdict, a confirmation suffices."""
    check = tenant.checks.get(kind=CheckKind.SMTP)
    findings = [{"code": "smtp.unreachable-from-here", "params": {}}]
    newest = Observation.objects.create(
        check_asked=check,
        verdict="unknown",
        findings=findings,
        first_seen_at=START,
        last_seen_at=START,
    )
    Check.objects.filter(pk=check.pk).update(latest=newest)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_skipped_tasks_would_not_change(
    make_tenant: MakeTenant, consultant: User, seed: int
) -> None:
    """`can_change` is never false where `evaluate` changes an evaluated task."""
    choice = random.Random(seed)
    tenant = make_tenant(
        "Fabrikam",
        domains=(("one.test", "primary"), ("two.test", "secondary"), ("three.test", "secondary")),
        platform="on_premises",
        hosts=(HostRow("delivery", "mail.one.test", 25),),
    )
    per_domain = Task.objects.filter(plan=tenant.plan, applies=True, is_per_domain=True)
    exempt_domain(
        choice.choice(list(per_domain)),
        tenant.domains.get(name="two.test"),
        by=consultant,
        reason="No.",
    )
    tasks = Task.objects.filter(plan=tenant.plan, applies=True, is_group=False)
    _close_port(tenant)
    skipped, changes = 0, 0
    for _ in range(12):
        hosts = list(tenant.checks.filter(kind=CheckKind.SMTP))
        _set_verdicts(
            [*choice.sample(list(tenant.checks.all()), 2), *hosts],
            choice,
            passing=choice.choice([0.2, 0.95]),
        )
        changed = list(tenant.checks.filter(settled_at=START).select_related("domain", "host"))
        tenant.checks.update(settled_at=None)
        context = PlanContext.of(tenant)
        for task in tasks.all():
            expected = can_change(task, tenant, changed)
            is_changed = evaluate(task, context.evidence(task), tenant)
            assert expected or not is_changed, f"{task.title}: {changed}"
            skipped += not expected and any(c.kind in task.check_kinds for c in changed)
            changes += is_changed
    assert skipped > 0
    assert changes > 0


@pytest.mark.slow
def test_reaction_does_not_grow_with_the_tenant(make_tenant: MakeTenant) -> None:
    """The same queries and the same number of checks read, at 20 and at 5,000 domains."""
    costs = []
    for name, domains in (("Small", 20), ("Large", 5000)):
        tenant = make_tenant(name, ((f"{name.lower()}.test", "primary"),))
        Domain.objects.bulk_create(
            Domain(tenant=tenant, name=f"d{n}.{name.lower()}.test", role="secondary")
            for n in range(domains - 1)
        )
        sync_checks(tenant)
        new = list(tenant.checks.filter(kind__in=["spf", "mx"]).order_by("-pk")[:10])
        for check in new:
            _record(check, Verdict.PASS)
        read: list[Check] = []
        from_db = Check.from_db

        def counted(*args: Any, made_by: Any = from_db, into: list[Check] = read) -> Check:
            into.append(made_by(*args))
            return into[-1]

        with CaptureQueriesContext(connection) as queries, pytest.MonkeyPatch.context() as patch:
            patch.setattr(Check, "from_db", counted)
            progress.apply_runs(tenant.pk, [check.pk for check in new])
        costs.append((len(queries), len(read)))
    assert costs[0] == costs[1]
    assert costs[0][1] == 10
