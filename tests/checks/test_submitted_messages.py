"""A submitted message: pending, judged, deleted; and its effect on checks and tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import claims, runs, submitted_messages
from checks.engine.batch import CheckRequest
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.expectations import sync_checks
from checks.models import Check, Observation, SubmittedMessage
from checks.queries import due_checks
from onboarding.models import Task
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.services import actor_for, confirm_task, make_transition
from onboarding.plans.submitted_messages import submit_test_message
from tenants.models import Tenant, User
from tests.checks.engine.mail.signed_messages import SELECTOR
from tests.factories import task_of

PASS = Outcome(
    CheckKind.MESSAGE, "northwind.test", Verdict.PASS, (Finding("message.signed"),), {"a": 1}
)
FAIL = Outcome(
    CheckKind.MESSAGE, "northwind.test", Verdict.FAIL, (Finding("message.other-signer"),)
)
UNSIGNED = Outcome(
    CheckKind.MESSAGE,
    "northwind.test",
    Verdict.FAIL,
    (Finding("message.unsigned"),),
    unanimous=False,
)
UNKNOWN = Outcome(
    CheckKind.MESSAGE,
    "northwind.test",
    Verdict.UNKNOWN,
    (Finding("message.too-old"),),
    unanimous=False,
)
SILENT = Outcome(
    CheckKind.MESSAGE,
    "northwind.test",
    Verdict.UNKNOWN,
    (Finding("message.key-unanswered"),),
    unanimous=False,
)


@pytest.fixture
def sending(tenant: Tenant) -> Tenant:
    tenant.domains.update(dkim_selectors=SELECTOR)
    apply_profile(tenant)
    return tenant


@pytest.fixture
def check(sending: Tenant) -> Check:
    return Check.objects.get(tenant=sending, kind=CheckKind.MESSAGE)


class Worker:
    """Run the batch of one check with a fixed outcome of the engine, a little later each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, commit: Any) -> None:
        self.answer, self.seen, self.now = PASS, list[CheckRequest](), timezone.now()
        self.commit = commit
        monkeypatch.setattr(runs, "run_within", self.run_within)
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    async def run_within(self, asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        self.seen += asked
        return [self.answer for _ in asked]

    def run(self, check: Check, answer: Outcome) -> None:
        self.answer = answer
        self.now += timedelta(seconds=15)
        with self.commit(execute=True):
            runs.run_batch([check.pk])
        check.refresh_from_db()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> Worker:
    return Worker(monkeypatch, django_capture_on_commit_callbacks)


def show(check: Check, by: User | None = None, content: bytes = b"From: a\n") -> SubmittedMessage:
    by = by or User.objects.create_user(f"{User.objects.count()}@x.test", "pw", name="Some Body")
    return submitted_messages.submit_message(
        check, content, by=by, at=timezone.now(), not_before=None
    )


def outbound(tenant: Tenant) -> Task:
    return task_of(tenant, "outbound-cutover")


def test_recorded_selector_is_required(tenant: Tenant) -> None:
    assert not tenant.checks.filter(kind=CheckKind.MESSAGE).exists()

    tenant.domains.update(dkim_selectors=SELECTOR)
    sync_checks(tenant)

    assert tenant.checks.get(kind=CheckKind.MESSAGE).is_active


def test_check_without_message_is_not_due(check: Check, worker: Worker) -> None:
    worker.run(check, PASS)

    assert worker.seen == []
    assert check.checked_at is None
    assert not due_checks(timezone.now() + timedelta(days=900)).filter(pk=check.pk).exists()


def test_message_run_uses_present_selectors(check: Check, worker: Worker) -> None:
    shown = show(check, content=b"From: b\n")
    SubmittedMessage.objects.filter(pk=shown.pk).update(not_before=timezone.now())

    worker.run(check, PASS)

    asked = worker.seen[0]
    assert asked.message is not None
    assert (asked.message.content, asked.message.max_age_days) == (b"From: b\n", 7)
    assert asked.message.not_before is not None
    assert [selector.name for selector in asked.selectors] == [SELECTOR]


def test_pass_deletes_message_bytes(check: Check, worker: Worker) -> None:
    shown = show(check)

    worker.run(check, PASS)

    shown.refresh_from_db()
    assert (shown.finished_at is not None, bytes(shown.content), shown.runs) == (True, b"", 1)
    assert shown.observation == check.latest
    assert (check.settled_verdict, check.next_due_at) == ("pass", submitted_messages.NEVER_DUE)


def test_fail_needs_second_run(check: Check, worker: Worker) -> None:
    shown = show(check)

    worker.run(check, FAIL)
    shown.refresh_from_db()
    assert (shown.finished_at, bytes(shown.content), check.settled_verdict) == (
        None,
        b"From: a\n",
        "",
    )
    assert check.next_due_at < timezone.now() + timedelta(minutes=1)

    worker.run(check, FAIL)
    shown.refresh_from_db()
    assert (bytes(shown.content), check.settled_verdict, check.is_misconfigured) == (
        b"",
        "fail",
        False,
    )
    assert check.next_due_at == submitted_messages.NEVER_DUE


@pytest.mark.parametrize("answer", [UNKNOWN, UNSIGNED])
def test_inconclusive_message_finishes_at_once(
    check: Check, worker: Worker, answer: Outcome
) -> None:
    shown = show(check)

    worker.run(check, answer)

    shown.refresh_from_db()
    assert (shown.finished_at is not None, check.settled_verdict) == (True, "")


def test_silent_dns_retries_are_limited(check: Check, worker: Worker) -> None:
    shown = show(check)

    for runs_done in range(1, submitted_messages.MAX_RUNS):
        worker.run(check, SILENT)
        shown.refresh_from_db()
        assert (shown.runs, shown.finished_at) == (runs_done, None)
    worker.run(check, SILENT)

    shown.refresh_from_db()
    assert shown.finished_at is not None
    assert check.next_due_at == submitted_messages.NEVER_DUE


def test_newer_message_replaces_older(check: Check, worker: Worker) -> None:
    older, newer = show(check), show(check, content=b"From: c\n")

    worker.run(check, PASS)

    older.refresh_from_db()
    assert (older.finished_at is not None, older.observation, bytes(older.content)) == (
        True,
        None,
        b"",
    )
    assert [request.message.content for request in worker.seen if request.message] == [b"From: c\n"]
    newer.refresh_from_db()
    assert newer.observation == check.latest


def test_message_submitted_during_run_is_due(check: Check, worker: Worker) -> None:
    first = show(check)
    worker.run(check, FAIL)
    second = show(check)

    assert not submitted_messages.record_message_run(first, PASS, at=timezone.now())

    check.refresh_from_db()
    assert check.next_due_at != submitted_messages.NEVER_DUE
    assert submitted_messages.pending_messages([check]) == {check.pk: second}


def signed_at(at: datetime) -> Outcome:
    sent_at = at.isoformat(timespec="seconds")
    return replace(PASS, evidence={"message": {"sent_at": sent_at}})


def confirm_outbound(tenant: Tenant, owner: User) -> None:
    open_the_gate(tenant)
    confirm_task(outbound(tenant), by=owner, side="client")


def open_the_gate(tenant: Tenant) -> None:
    """Complete all tasks that the outbound cutover depends on."""
    Task.objects.filter(plan=tenant.plan).exclude(key="outbound-cutover").update(depends_on=[])
    waited_for = outbound(tenant).depends_on
    Task.objects.filter(plan=tenant.plan, key__in=waited_for).update(status="done")


def test_message_verifies_outbound_cutover(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    confirm_outbound(sending, owner)
    assert outbound(sending).status == "awaiting_verification"

    show(check)
    worker.run(check, signed_at(worker.now))

    assert outbound(sending).status == "verified"
    assert check.signed_at == worker.now.replace(microsecond=0) - timedelta(seconds=15)


@pytest.mark.parametrize("seconds", [60, 1])
def test_message_signed_before_confirmation_verifies_nothing(
    sending: Tenant, check: Check, worker: Worker, owner: User, seconds: int
) -> None:
    confirm_outbound(sending, owner)

    show(check)
    worker.run(check, signed_at(worker.now - timedelta(seconds=seconds)))

    assert check.settled_verdict == "pass"
    assert outbound(sending).status == "awaiting_verification"


def test_pilot_message_starts_no_waiting_period(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    show(check)
    worker.run(check, signed_at(worker.now))
    assert (outbound(sending).status, task_of(sending, "outbound-days").wait_started_at) == (
        "todo",
        None,
    )

    confirm_outbound(sending, owner)
    assert outbound(sending).status == "awaiting_verification"
    assert task_of(sending, "outbound-days").wait_started_at is None

    show(check)
    worker.run(check, signed_at(worker.now))
    assert outbound(sending).status == "verified"
    assert task_of(sending, "outbound-days").wait_started_at is not None


def test_later_failure_retains_the_signed_time(
    sending: Tenant, check: Check, worker: Worker
) -> None:
    show(check)
    worker.run(check, signed_at(worker.now))
    first = check.signed_at

    show(check)
    worker.run(check, UNKNOWN)

    assert first is not None
    assert check.signed_at == first


def test_cutover_without_selector_waits_for_it(tenant: Tenant, owner: User) -> None:
    """A bare confirmation must not start the days that outbound mail has to run."""
    open_the_gate(tenant)
    confirm_task(outbound(tenant), by=owner, side="client")

    days = task_of(tenant, "outbound-days")
    assert (outbound(tenant).status, days.wait_started_at) == ("awaiting_verification", None)


def test_cutover_at_accepted_risk_starts_no_days(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    open_the_gate(tenant)
    confirm_task(outbound(tenant), by=owner, side="client")
    make_transition(
        outbound(tenant),
        "accept-risk",
        by=consultant,
        actor=actor_for(consultant, tenant),
        reason="No signing",
        until=timezone.now() + timedelta(days=30),
    )

    days = task_of(tenant, "outbound-days")
    assert (outbound(tenant).status, days.wait_started_at is None) == ("accepted_risk", True)


@pytest.mark.parametrize("answer", [UNKNOWN, FAIL])
def test_message_does_not_verify_the_key(
    sending: Tenant, check: Check, worker: Worker, owner: User, answer: Outcome
) -> None:
    """The published key verifies its task. A pilot message only supports it."""
    confirm_task(task_of(sending, "dkim-update"), by=owner, side="client")

    show(check)
    worker.run(check, signed_at(worker.now))
    assert task_of(sending, "dkim-update").status == "awaiting_verification"
    for _ in range(2):
        show(check)
        worker.run(check, answer)
        assert task_of(sending, "dkim-update").status == "awaiting_verification"


def test_reopens_after_two_failing_runs(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    confirm_outbound(sending, owner)
    show(check)
    worker.run(check, signed_at(worker.now))

    show(check)
    worker.run(check, FAIL)
    assert outbound(sending).status == "verified"

    worker.run(check, FAIL)
    assert outbound(sending).status == "regressed"
    assert check.is_misconfigured


@pytest.mark.parametrize("answer", [UNKNOWN, UNSIGNED, SILENT])
def test_inconclusive_message_retains_proof(
    sending: Tenant, check: Check, worker: Worker, owner: User, answer: Outcome
) -> None:
    confirm_outbound(sending, owner)
    show(check)
    worker.run(check, signed_at(worker.now))

    show(check)
    worker.run(check, answer)

    assert outbound(sending).status == "verified"


def test_proof_remains_after_new_selector(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    confirm_outbound(sending, owner)
    show(check)
    worker.run(check, signed_at(worker.now))

    sending.domains.update(dkim_selectors=f"{SELECTOR} next")
    apply_profile(sending)

    assert outbound(sending).status == "verified"


def test_erased_tenant_leaves_no_message(sending: Tenant, check: Check) -> None:
    show(check)

    claims.release([check.pk], now=timezone.now())
    sending.checks.all().delete()

    assert not SubmittedMessage.objects.exists()
    assert not Observation.objects.exists()


def test_judged_message_waits_on_the_client_again(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    """A second message with the same answer changes no verdict, and is no longer pending."""
    confirm_outbound(sending, owner)
    sides = []

    for _ in range(2):
        submit_test_message(sending.plan, check, b"From: a@northwind.test\n\n", by=owner)
        sides.append(outbound(sending).waiting_on)
        Check.objects.filter(pk=check.pk).update(requested_until=None)
        worker.run(check, UNKNOWN)
        sides.append(outbound(sending).waiting_on)

    assert sides == ["", "client", "", "client"]


# --- Hybrid systems


def signed_from(platform: str, at: datetime) -> Outcome:
    message = {"sent_at": at.isoformat(timespec="seconds")}
    if platform:
        message["sending_platform"] = platform
    return replace(PASS, evidence={"message": message})


def test_hybrid_needs_a_message_from_each_half(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    Tenant.objects.filter(pk=sending.pk).update(platform="hybrid")
    sending.refresh_from_db()
    confirm_outbound(sending, owner)
    reached = []

    for platform in ("", "cloud", "cloud", "on_premises"):
        show(check)
        worker.run(check, signed_from(platform, worker.now))
        reached.append(outbound(sending).status)

    assert reached == [*["awaiting_verification"] * 3, "verified"]


def test_message_of_a_half_from_before_the_confirmation_is_early(
    sending: Tenant, check: Check, worker: Worker, owner: User
) -> None:
    Tenant.objects.filter(pk=sending.pk).update(platform="hybrid")
    sending.refresh_from_db()
    show(check)
    worker.run(check, signed_from("on_premises", worker.now - timedelta(days=1)))
    confirm_outbound(sending, owner)

    show(check)
    worker.run(check, signed_from("cloud", worker.now))

    (subject,) = PlanContext.of(sending).evidence(outbound(sending)).subjects
    assert outbound(sending).status == "awaiting_verification"
    assert [platform.value for platform in subject.missing_platforms] == ["on_premises"]


# --- One message for both halves


def written_by(platform: str, message_id: str, extra: str = "") -> bytes:
    return f"{extra}Message-ID: <{message_id}>\r\nFrom: a@northwind.test\r\n\r\n{platform}".encode()


@pytest.mark.parametrize(
    ("first", "second", "is_refused"),
    [
        (written_by("x", "1@x.test"), written_by("x", "1@x.test"), True),
        # A mailbox added a line to the copy.
        (written_by("x", "1@x.test"), written_by("x", "1@x.test", "X-Copy: 1\r\n"), True),
        (written_by("x", "1@x.test"), written_by("x", "2@x.test"), False),
        (b"From: a\n", b"From: a\n", True),
        (b"From: a\n", b"From: b\n", False),
    ],
)
@pytest.mark.parametrize("is_judged", [True, False])
def test_one_message_is_no_proof_of_both_halves(
    check: Check, worker: Worker, owner: User, first: bytes, second: bytes, *,
    is_refused: bool, is_judged: bool,
) -> None:  # fmt: skip
    def submit(content: bytes, platform: str) -> None:
        submitted_messages.submit_message(
            check, content, by=owner, at=worker.now, not_before=None, sending_platform=platform
        )

    submit(first, "cloud")
    if is_judged:
        headers = [{"name": "Message-ID", "value": "<1@x.test>"}]
        answer = signed_from("cloud", worker.now)
        worker.run(check, replace(answer, evidence={**answer.evidence, "headers": headers}))
    submit(first, "cloud")  # the same half again is no fault
    if is_refused:
        with pytest.raises(submitted_messages.MessageOfOtherHalf):
            submit(second, "on_premises")
    else:
        submit(second, "on_premises")

    assert check.messages.filter(sending_platform="on_premises").exists() is not is_refused


def test_failed_message_may_come_from_the_other_half(
    check: Check, worker: Worker, owner: User
) -> None:
    content = written_by("x", "1@x.test")
    for platform in ("cloud", "on_premises"):
        submitted_messages.submit_message(
            check, content, by=owner, at=worker.now, not_before=None, sending_platform=platform
        )
        worker.run(check, UNSIGNED)

    assert check.messages.count() == 2
