"""The completion seam, end to end: a recorded look moves the task it can prove, and no other."""

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
from onboarding.progress import apply_run
from tenants.models import ActivityLine, Tenant, User
from tests.factories import START, HostRow, MakeTenant, RunCheck, task_of

OWNERSHIP = "domain-ownership"


def _acts(tenant: Tenant) -> list[str]:
    return list(
        ActivityLine.objects.filter(tenant=tenant).order_by("pk").values_list("action", flat=True)
    )


def test_a_pass_from_every_server_proves_the_task(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    task = task_of(tenant, OWNERSHIP)
    assert task.status == TaskStatus.VERIFIED
    assert _acts(tenant) == ["tenant-created", "task-verified"]


def test_a_warning_completes_as_a_pass_does(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.WARN)

    assert task_of(tenant, "spf-update").status == TaskStatus.VERIFIED


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.FAIL, Verdict.NOT_APPLICABLE])
def test_nothing_but_a_yes_proves(tenant: Tenant, run_check: RunCheck, verdict: Verdict) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, verdict)
    run_check(tenant, CheckKind.OWNERSHIP, verdict, minutes=1)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO


def test_a_pass_that_a_server_did_not_join_proves_nothing(
    tenant: Tenant, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.TODO


@pytest.mark.parametrize("minutes", [(1,), (1, 2, 3, 4, 5), (1, 12)])
def test_failing_looks_too_few_or_too_close_reopen_nothing(
    tenant: Tenant, run_check: RunCheck, minutes: tuple[int, ...]
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in minutes:
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_failing_looks_over_ten_minutes_reopen_what_a_check_had_proven(
    tenant: Tenant, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED
    assert _acts(tenant) == ["tenant-created", "task-verified", "task-regressed"]


def test_unknown_between_two_fails_neither_confirms_nor_clears(
    tenant: Tenant, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=1)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=6)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.UNKNOWN, minutes=12, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=13)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED


def test_any_number_of_unknowns_leaves_a_proof_alone(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in range(1, 6):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.UNKNOWN, minutes=minute, unanimous=False)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_a_broken_task_is_proven_again(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.REGRESSED

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=12)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_a_task_of_two_domains_waits_for_both(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))

    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="one.test")
    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.TODO

    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="two.test")
    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.VERIFIED


def test_a_look_moves_no_other_tenants_task(
    tenant: Tenant, make_tenant: MakeTenant, run_check: RunCheck
) -> None:
    other = make_tenant("Elsewhere", domains=(("elsewhere.test", "primary"),))

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    assert task_of(other, OWNERSHIP).status == TaskStatus.TODO


def test_a_claim_is_no_proof_and_the_check_makes_it_one(
    tenant: Tenant, owner: User, run_check: RunCheck
) -> None:
    confirm_task(task_of(tenant, OWNERSHIP), by=owner, side="client")
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.AWAITING_VERIFICATION

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    assert task_of(tenant, OWNERSHIP).status == TaskStatus.VERIFIED


def test_a_failing_check_leaves_a_claim_a_claim(
    tenant: Tenant, owner: User, run_check: RunCheck
) -> None:
    confirm_task(task_of(tenant, OWNERSHIP), by=owner, side="client")

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=1)

    assert task_of(tenant, OWNERSHIP).status == TaskStatus.AWAITING_VERIFICATION


def test_applying_a_run_twice_changes_nothing_more(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.OWNERSHIP)
    before = _acts(tenant)

    apply_run(check.pk)

    assert _acts(tenant) == before


def test_the_same_answer_extends_one_interval(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=60)

    seen = Observation.objects.get(check_asked__tenant=tenant)
    assert seen.runs == 2
    assert (seen.last_seen_at - seen.first_seen_at).total_seconds() == 3600


def test_a_look_that_a_later_one_overtook_is_dropped(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=10)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=5)

    seen = Observation.objects.get(check_asked__tenant=tenant)
    assert seen.verdict == Verdict.PASS


def test_a_move_raises_the_revision_that_open_pages_watch(
    tenant: Tenant, run_check: RunCheck
) -> None:
    before = Plan.objects.get(tenant=tenant).revision

    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)

    assert Plan.objects.get(tenant=tenant).revision > before


def test_counters_follow_the_tasks(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    plan = Plan.objects.get(tenant=tenant)
    assert (plan.tasks_complete, plan.tasks_regressed) == (1, 0)

    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)
    plan.refresh_from_db()
    assert (plan.tasks_complete, plan.tasks_regressed) == (0, 1)


def test_a_question_that_does_not_apply_to_one_domain_holds_nothing_up(
    make_tenant: MakeTenant, run_check: RunCheck
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("new.test", "secondary")))

    run_check(tenant, CheckKind.MX_TTL, Verdict.NOT_APPLICABLE, subject="new.test")
    run_check(tenant, CheckKind.MX_TTL, Verdict.PASS, subject="one.test")

    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.VERIFIED


def test_where_no_question_applies_peoples_word_completes_the_task(
    tenant: Tenant, owner: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.MX_TTL, Verdict.NOT_APPLICABLE)
    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.TODO

    confirm_task(task_of(tenant, "mx-ttl-update"), by=owner, side="client")
    assert task_of(tenant, "mx-ttl-update").status == TaskStatus.DONE


def test_a_port_open_to_mimecast_alone_goes_by_the_clients_word(
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


def test_a_silent_server_is_no_fault_of_a_step_not_taken(
    tenant: Tenant, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code="mx.old-only")
    run_check(tenant, CheckKind.MX, Verdict.FAIL, code="mx.old-only", minutes=1)

    run_check(
        tenant, CheckKind.MX, Verdict.FAIL, code="dns.server-silent", minutes=2, unanimous=False
    )

    assert not Check.objects.get(tenant=tenant, kind=CheckKind.MX).is_misconfigured


def test_a_look_at_a_check_that_is_gone_is_dropped(tenant: Tenant) -> None:
    outcome = Outcome(CheckKind.MX, "gone.test", Verdict.PASS)

    assert not record_run(0, outcome, expectation={}, at=START)


def test_a_look_that_ends_after_the_case_was_closed_moves_nothing(
    tenant: Tenant, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides signed between the moment its check was read and the one its tasks were held."""
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    Task.objects.filter(plan__tenant=tenant).update(verified_at=None)

    def hold_later(plan_id: int) -> list[Task]:
        Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())
        return lock_tasks(plan_id)

    monkeypatch.setattr(progress, "lock_tasks", hold_later)
    progress.apply_run(check.pk)

    assert task_of(tenant, "mx-record-cutover").verified_at is None
