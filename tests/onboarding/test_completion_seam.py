"""The completion seam, end to end: a recorded run changes only the tasks it can prove."""

from __future__ import annotations

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from checks.services import record_run
from onboarding import progress
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plans.queries import lock_tasks
from onboarding.plans.services import confirm_task
from onboarding.progress import apply_runs
from tenants.models import ActivityLine, Tenant, User
from tests.factories import START, HostRow, MakeTenant, RunCheck, task_of

OWNERSHIP = "domain-ownership"


def _actions(tenant: Tenant) -> list[str]:
    return list(
        ActivityLine.objects.filter(tenant=tenant).order_by("pk").values_list("action", flat=True)
    )


def test_pass_verifies_task(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    task = task_of(tenant, OWNERSHIP)
    assert task.status == TaskStatus.VERIFIED
    assert _actions(tenant) == ["tenant-created", "task-verified"]


def test_warn_verifies_task(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.WARN)

    assert task_of(tenant, "spf-update").status == TaskStatus.VERIFIED


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.FAIL, Verdict.NOT_APPLICABLE])
def test_other_verdicts_verify_nothing(
    tenant: Tenant, run_check: RunCheck, verdict: Verdict
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, verdict)
    run_check(tenant, CheckKind.OWNERSHIP, verdict, minutes=1)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO


def test_pass_of_some_servers_is_no_proof(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO


@pytest.mark.parametrize("minutes", [(1,), (1, 2, 3, 4, 5), (1, 12)])
def test_few_or_close_fails_reopen_nothing(
    tenant: Tenant, run_check: RunCheck, minutes: tuple[int, ...]
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in minutes:
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_fails_over_ten_minutes_regress_task(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED
    assert _actions(tenant) == ["tenant-created", "task-verified", "task-regressed"]


def test_unknown_between_fails_is_ignored(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=1)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=6)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.UNKNOWN, minutes=12, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=13)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED


def test_unknowns_keep_proof(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in range(1, 6):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.UNKNOWN, minutes=minute, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_regressed_task_is_verified_again(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=12)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_task_needs_proof_of_both_domains(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))

    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="one.test")
    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.TODO

    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="two.test")
    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.VERIFIED


def test_run_changes_own_tenant_only(
    tenant: Tenant, make_tenant: MakeTenant, run_check: RunCheck
) -> None:
    other = make_tenant("Elsewhere", domains=(("elsewhere.test", "primary"),))

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    assert task_of(other, OWNERSHIP).status == TaskStatus.TODO


def test_check_verifies_confirmed_task(tenant: Tenant, owner: User, run_check: RunCheck) -> None:
    confirm_task(task_of(tenant, OWNERSHIP), by=owner, side="client")
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.AWAITING_VERIFICATION

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_fail_keeps_awaiting_verification(tenant: Tenant, owner: User, run_check: RunCheck) -> None:
    confirm_task(task_of(tenant, OWNERSHIP), by=owner, side="client")

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=1)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.AWAITING_VERIFICATION


def test_apply_runs_is_idempotent(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    before = _actions(tenant)

    apply_runs(tenant.pk, [check.pk])

    assert _actions(tenant) == before


def test_same_answer_extends_observation(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=60)

    observation = Observation.objects.get(check_asked__tenant=tenant)
    assert observation.runs == 2
    assert (observation.last_seen_at - observation.first_seen_at).total_seconds() == 3600


def test_overtaken_run_is_dropped(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=10)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=5)

    observation = Observation.objects.get(check_asked__tenant=tenant)
    assert observation.verdict == Verdict.PASS


def test_proof_raises_revision(tenant: Tenant, run_check: RunCheck) -> None:
    before = Plan.objects.get(tenant=tenant).revision

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    assert Plan.objects.get(tenant=tenant).revision > before


def test_counters_follow_tasks(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    plan = Plan.objects.get(tenant=tenant)
    assert (plan.tasks_complete, plan.tasks_regressed) == (1, 0)

    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)
    plan.refresh_from_db()
    assert (plan.tasks_complete, plan.tasks_regressed) == (0, 1)


def test_not_applicable_domain_is_ignored(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("new.test", "secondary")))

    run_check(tenant, CheckKind.MX_TTL, Verdict.NOT_APPLICABLE, subject="new.test")
    run_check(tenant, CheckKind.MX_TTL, Verdict.PASS, subject="one.test")

    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.VERIFIED


def test_not_applicable_check_needs_no_proof(
    tenant: Tenant, owner: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.MX_TTL, Verdict.NOT_APPLICABLE)
    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.TODO

    confirm_task(task_of(tenant, "mx-ttl-update"), by=owner, side="client")
    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.DONE


def test_unreachable_port_needs_no_proof(
    make_tenant: MakeTenant, owner: User, run_check: RunCheck
) -> None:
    tenant = make_tenant(
        "Firewalled",
        platform="on_premises",
        hosts=(HostRow("delivery", "mail.one.test", 25),),
    )
    code = "smtp.unreachable-from-here"
    run_check(tenant, CheckKind.SMTP, Verdict.UNKNOWN, unanimous=False, code=code)

    confirm_task(task_of(tenant, "data-centers-urls"), by=owner, side="client")
    assert task_of(tenant, "data-centers-urls").status == TaskStatus.DONE

    run_check(tenant, CheckKind.SMTP, Verdict.FAIL, code="smtp.unreachable", minutes=1)
    run_check(tenant, CheckKind.SMTP, Verdict.FAIL, code="smtp.unreachable", minutes=2)
    assert task_of(tenant, "data-centers-urls").status == TaskStatus.AWAITING_VERIFICATION


def test_silent_server_is_not_misconfigured(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code="mx.old-only")
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code="mx.old-only", minutes=1)

    run_check(
        tenant, CheckKind.MX, Verdict.FAIL, code="dns.server-silent", minutes=2, unanimous=False
    )

    assert not Check.objects.get(tenant=tenant, kind=CheckKind.MX).is_misconfigured


def test_run_of_deleted_check_is_dropped(tenant: Tenant) -> None:
    outcome = Outcome(CheckKind.MX, "gone.test", Verdict.PASS)

    assert not record_run(0, outcome, expectation={}, at=START)


def test_run_after_closing_changes_nothing(
    tenant: Tenant, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides sign off after the check was read and before the tasks are locked."""
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    Task.objects.filter(plan__tenant=tenant).update(verified_at=None)

    def lock_later(plan_id: int) -> list[Task]:
        Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())
        return lock_tasks(plan_id)

    monkeypatch.setattr(progress, "lock_tasks", lock_later)
    progress.apply_runs(tenant.pk, [check.pk])

    assert task_of(tenant, "mx-record-cutover").verified_at is None
