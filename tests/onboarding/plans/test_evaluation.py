"""The evaluation of tasks: the stored rows and the whole activity lines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Monitoring, Task
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.plans.evaluation import (
    complete_waits,
    evaluate,
    recompute_waits,
    recompute_waits_after_commit,
    reevaluate,
)
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import ProofSubject, TaskEvidence
from tenants.models import ActivityLine, Domain, Notification, Tenant, User
from tests.clock import Clock
from tests.factories import START, TOKEN, MakeTenant, RunCheck, task_of

KEY, WAIT = "mx-record-cutover", "outbound-days"
EARLIER = START - timedelta(days=9)
# A port that answers Mimecast only: no check can prove it.
UNREACHABLE = Observation(findings=[{"code": "smtp.unreachable-from-here", "params": {}}])
EXPORT = {"source": "exchange_online", "check": "connection_filter", "strength": "strong"}


def evidence_of(**settled: str) -> TaskEvidence:
    """Evidence with one subject for each name. `unreachable` has no settled verdict."""
    return TaskEvidence(
        tuple(
            ProofSubject(
                CheckKind.SMTP,
                name,
                Check(latest=UNREACHABLE)
                if verdict == "unreachable"
                else Check(settled_verdict=verdict),
            )
            for name, verdict in settled.items()
        )
    )


def store(tenant: Tenant, key: str = KEY, **values: Any) -> Task:
    Task.objects.filter(plan=tenant.plan, key=key).update(**values)
    return task_of(tenant, key)


def facts(task: Task) -> tuple[datetime | None, datetime | None, bool]:
    return task.verified_at, task.regressed_at, task.confirmation_suffices


def lines(tenant: Tenant, task: Task) -> list[tuple[str, dict[str, Any]]]:
    """The action and the parameters of the lines about the task, in their order."""
    rows = ActivityLine.objects.filter(tenant=tenant, params__task_id=task.public_id)
    return list(rows.order_by("number").values_list("action", "params"))


def params_of(task: Task, **others: object) -> dict[str, object]:
    return {"task": task.title, "task_id": task.public_id, **others}


@pytest.mark.parametrize(
    ("before", "evidence", "action", "subjects", "status"),
    [
        ({}, evidence_of(a="pass", b="warn"), "task-verified", ["a", "b"], "verified"),
        (
            {"regressed_at": EARLIER, "status": "regressed"},
            evidence_of(a="warn", b="pass"),
            "task-verified",
            ["a", "b"],
            "verified",
        ),
        (
            {"verified_at": EARLIER, "status": "verified"},
            evidence_of(a="pass", b="fail", c=""),
            "task-regressed",
            ["b"],
            "regressed",
        ),
    ],
    ids=["first-proof", "proof-again", "regression"],
)
def test_evaluation_stores_and_logs(
    tenant: Tenant,
    fixed_monday: Clock,
    before: dict[str, Any],
    evidence: TaskEvidence,
    action: str,
    subjects: list[str],
    status: str,
) -> None:
    task = store(tenant, **before)
    others = Task.objects.filter(plan=tenant.plan).exclude(pk=task.pk)
    stored = list(others.values())

    assert evaluate(task, evidence, tenant) is True

    now = fixed_monday.now
    expected = (now, None, False) if status == "verified" else (None, now, False)
    assert (facts(task), facts(task_of(tenant, KEY))) == (expected, expected)
    assert list(others.values()) == stored
    params = params_of(task, subjects=subjects, before=task.status, after=status)
    assert lines(tenant, task) == [(action, params)]


@pytest.mark.parametrize(
    ("before", "evidence"),
    [
        ({}, evidence_of(a="pass", b="")),
        ({}, evidence_of(a="pass", b="fail")),
        ({}, TaskEvidence(())),
        ({"verified_at": EARLIER}, evidence_of(a="pass")),
        ({"verified_at": EARLIER}, evidence_of(a="pass", b="")),
        ({"regressed_at": EARLIER}, evidence_of(a="fail")),
        ({"confirmation_suffices": True}, evidence_of(a="not_applicable")),
    ],
)
def test_same_evidence_changes_nothing(
    tenant: Tenant, before: dict[str, Any], evidence: TaskEvidence
) -> None:
    task = store(tenant, **before)
    expected = facts(task)

    assert evaluate(task, evidence, tenant) is False
    assert (facts(task), facts(task_of(tenant, KEY))) == (expected, expected)
    assert lines(tenant, task) == []


@pytest.mark.parametrize(
    ("before", "evidence", "suffices"),
    [
        (False, evidence_of(a="not_applicable"), True),
        (False, evidence_of(a="pass", b="unreachable"), True),
        (True, evidence_of(a="unreachable", b=""), False),
    ],
)
def test_evaluation_stores_sufficing_confirmation(
    tenant: Tenant, before: bool, evidence: TaskEvidence, suffices: bool
) -> None:
    task = store(tenant, confirmation_suffices=before)
    others = Task.objects.filter(plan=tenant.plan).exclude(pk=task.pk)
    stored = list(others.values())

    assert evaluate(task, evidence, tenant) is True
    assert (facts(task), facts(task_of(tenant, KEY))) == ((None, None, suffices),) * 2
    assert list(others.values()) == stored
    assert lines(tenant, task) == []


@pytest.mark.parametrize(
    ("read", "stored", "evidence"),
    [
        ({}, {"verified_at": EARLIER}, evidence_of(a="pass")),
        (
            {"verified_at": EARLIER},
            {"verified_at": None, "regressed_at": START},
            evidence_of(a="fail"),
        ),
        ({}, {"confirmation_suffices": True}, evidence_of(a="not_applicable")),
        ({}, {"applies": False}, evidence_of(a="pass")),
        ({"verified_at": EARLIER}, {"applies": False}, evidence_of(a="fail")),
        ({}, {"applies": False}, evidence_of(a="not_applicable")),
    ],
    ids=[
        "verified",
        "regressed",
        "suffices",
        "excluded-before-proof",
        "excluded-before-regression",
        "excluded-before-confirmation",
    ],
)
def test_faster_worker_wins(
    tenant: Tenant, read: dict[str, Any], stored: dict[str, Any], evidence: TaskEvidence
) -> None:
    """Another worker or the profile changes the row after this worker has read the task."""
    task = store(tenant, **read)
    expected = facts(store(tenant, **stored))

    assert evaluate(task, evidence, tenant) is False
    assert facts(task_of(tenant, KEY)) == expected
    assert lines(tenant, task) == []


def failing(*kinds: CheckKind) -> TaskEvidence:
    return TaskEvidence(
        tuple(
            ProofSubject(kind, f"{kind} subject", Check(settled_verdict="fail")) for kind in kinds
        )
    )


MX, SMTP = CheckKind.MX, CheckKind.SMTP


@pytest.mark.parametrize(
    ("kinds", "monitored", "is_notified"),
    [
        ([SMTP], None, True),
        ([MX, SMTP], None, True),
        ([MX], None, True),
        ([MX], "other", True),
        # The monitoring reports these facts as drift.
        ([MX], "own", False),
        (list(DRIFT_OF_CHECK), "own", False),
        ([SMTP], "own", True),
        ([MX, SMTP], "own", True),
    ],
)
def test_regression_notifies_both_sides(
    tenant: Tenant,
    make_tenant: MakeTenant,
    owner: User,
    fixed_monday: Clock,
    kinds: list[CheckKind],
    monitored: str | None,
    is_notified: bool,
) -> None:
    if monitored is not None:
        of = tenant if monitored == "own" else make_tenant("Other")
        Monitoring.objects.create(tenant=of, started_at=EARLIER, reason="closed")
    task = store(tenant, verified_at=EARLIER)

    assert evaluate(task, failing(*kinds), tenant) is True

    source = f"regressed:{task.public_id}:{fixed_monday.now.isoformat()}"
    place = {"id": task.public_id, "title": task.title, "phase": task.phase.key, "key": KEY}
    params = {"tasks": [place], "subjects": [f"{kind} subject" for kind in kinds]}
    rows = Notification.objects.values_list("tenant", "recipient", "kind", "source", "params")
    expected = (tenant.pk, owner.pk, "regressed", source, params)
    assert list(rows) == ([expected] if is_notified else [])


def test_first_proof_sends_no_notification(tenant: Tenant, owner: User) -> None:
    assert evaluate(store(tenant), evidence_of(a="pass"), tenant) is True
    assert not Notification.objects.filter(recipient=owner).exists()


def test_reevaluation_of_task_with_source_only(tenant: Tenant) -> None:
    key, other = "office-365-connection-filter", "end-user-asset-library"
    for each in (key, other):
        store(tenant, each, confirmation_suffices=False)

    reevaluate(tenant.plan)

    assert task_of(tenant, key).confirmation_suffices is True
    assert task_of(tenant, other).confirmation_suffices is False


def test_reevaluation_reopens_task_for_new_domain(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    Domain.objects.create(tenant=tenant, name="new.test", role="secondary", ownership_token=TOKEN)

    reevaluate(tenant.plan)

    task = task_of(tenant, KEY)
    assert (task.verified_at, task.status) == (None, "todo")
    assert lines(tenant, task)[1:] == [
        ("task-domains-added", params_of(task, subjects=["new.test"]))
    ]


@pytest.mark.parametrize("sources", [[], [EXPORT]], ids=["checks", "checks-or-export"])
def test_reevaluate_verified_task_writes_no_activity(
    tenant: Tenant, run_check: RunCheck, sources: list[dict[str, str]]
) -> None:
    """Also without an export, which could complete the task as well."""
    store(tenant, completed_by=sources)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    before = task_of(tenant, KEY)
    stored = lines(tenant, before)

    reevaluate(tenant.plan)

    task = task_of(tenant, KEY)
    assert (facts(task), task.status) == (facts(before), "verified")
    assert lines(tenant, task) == stored
    assert [action for action, _ in stored] == ["task-verified"]


@pytest.mark.parametrize("started_at", [EARLIER, None])
def test_ended_period_stores_and_logs(tenant: Tenant, started_at: datetime | None) -> None:
    task = store(tenant, WAIT, wait_started_at=started_at, wait_ends_at=START, status="waiting")
    since = started_at.isoformat() if started_at else ""

    assert complete_waits(tenant.plan, now=START - timedelta(seconds=1)) == 0
    assert complete_waits(tenant.plan, now=START) == 1
    params = params_of(task, since=since, before="waiting", after="verified")
    assert lines(tenant, task) == [("wait-ended", params)]


@pytest.mark.parametrize(("seconds", "is_recomputed"), [(-1, False), (0, True)])
def test_safe_lockdown_is_recomputed(tenant: Tenant, seconds: int, is_recomputed: bool) -> None:
    store(tenant, "connection-lockdown", safe_from=START)

    assert complete_waits(tenant.plan, now=START + timedelta(seconds=seconds)) == 0
    # Without a check of the MX records, no safe time is known.
    expected = None if is_recomputed else START
    assert task_of(tenant, "connection-lockdown").safe_from == expected


def test_period_before_its_end_is_recomputed(tenant: Tenant, fixed_monday: Clock) -> None:
    verified_at = fixed_monday.now - timedelta(days=3)
    store(tenant, "outbound-cutover", verified_at=verified_at)

    recompute_waits(tenant.plan)

    task = task_of(tenant, WAIT)
    assert (task.wait_started_at, task.wait_ends_at) == (verified_at, fixed_monday.now)
    assert (task.status, task.verified_at) == ("verified", fixed_monday.now)


def test_period_is_recomputed_after_commit(
    tenant: Tenant, fixed_monday: Clock, django_capture_on_commit_callbacks: Any
) -> None:
    store(tenant, "outbound-cutover", verified_at=fixed_monday.now - timedelta(days=3))

    with django_capture_on_commit_callbacks(execute=True):
        recompute_waits_after_commit(tenant.plan)
        before = task_of(tenant, WAIT).status

    assert (before, task_of(tenant, WAIT).status) == ("todo", "verified")


def test_evidence_of_given_kinds(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    task, context = task_of(tenant, KEY), PlanContext.of(tenant)
    mx, both = context.evidence(task), context.evidence(task, ["spf", "dmarc"])

    assert [(s.kind, s.name) for s in mx.subjects] == [
        (CheckKind.MX, "one.test"),
        (CheckKind.MX, "two.test"),
    ]
    assert [(s.kind, s.name) for s in both.subjects] == [
        (CheckKind.SPF, "one.test"),
        (CheckKind.SPF, "two.test"),
        (CheckKind.DMARC, "one.test"),
        (CheckKind.DMARC, "two.test"),
    ]


# --- No MTA-STS policy


def check_policy(
    run_check: RunCheck, tenant: Tenant, *runs: tuple[Verdict, str], start: int = 0
) -> None:
    """Run the check twice with each answer, so that each settles."""
    for number, (verdict, code) in enumerate(runs):
        for repeat in range(3):
            minutes = start + 60 * number + 15 * repeat
            run_check(tenant, CheckKind.MTA_STS, verdict, minutes=minutes, code=code)


NONE = (Verdict.NOT_APPLICABLE, "mta-sts.none")


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ([NONE], "verified"),
        ([(Verdict.UNKNOWN, "dns.server-silent"), NONE], "verified"),
        # Senders apply the removed policy until its max_age ends.
        ([(Verdict.FAIL, "mta-sts.not-permitted"), NONE], "todo"),
        # A record without a policy that Gangway could fetch: senders may have fetched it.
        ([(Verdict.UNKNOWN, "mta-sts.policy-unreached"), NONE], "todo"),
        # The record was meant as a policy.
        ([(Verdict.NOT_APPLICABLE, "mta-sts.almost")], "todo"),
        ([NONE, (Verdict.FAIL, "mta-sts.not-permitted")], "regressed"),
    ],
)
def test_absent_policy_needs_no_confirmation(
    tenant: Tenant, run_check: RunCheck, runs: list[tuple[Verdict, str]], status: str
) -> None:
    check_policy(run_check, tenant, *runs)

    task = task_of(tenant, "mta-sts-policy")
    assert task.status == status
    assert task.client_confirmed_at is None


def test_every_domain_must_have_no_policy(make_tenant: MakeTenant, run_check: RunCheck) -> None:
    tenant = make_tenant("Two", domains=(("one.test", "primary"), ("two.test", "secondary")))
    for minutes in (0, 15, 30):
        run_check(
            tenant,
            CheckKind.MTA_STS,
            Verdict.NOT_APPLICABLE,
            subject="one.test",
            minutes=minutes,
            code="mta-sts.none",
        )
    assert task_of(tenant, "mta-sts-policy").status == "todo"

    for minutes in (40, 55, 70):
        run_check(
            tenant,
            CheckKind.MTA_STS,
            Verdict.NOT_APPLICABLE,
            subject="two.test",
            minutes=minutes,
            code="mta-sts.none",
        )
    assert task_of(tenant, "mta-sts-policy").status == "verified"
