"""Only a message that shows the right route ends a contradiction, never one that shows nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation, RawAnswers
from onboarding.models import TaskStatus
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import ProofSubject
from onboarding.plans.received_messages import ReceivedMessage
from onboarding.plans.rows import Shape, shape_of
from onboarding.plans.services import confirm_task
from onboarding.plans.submitted_messages import submit_test_message
from tenants.models import Tenant, User
from tests.closings import decide_all, obligations_now
from tests.factories import HostRow, MakeTenant, RunCheck, client_person, task_of

TASK = "inbound-delivery-test"
REGION = "delivery-message.other-region"
JUNK = "delivery-message.no-recipient"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def message(verdict: Verdict, code: str, received_at: datetime | None = None) -> ReceivedMessage:
    return ReceivedMessage(verdict, frozenset([code] if code else []), received_at)


WRONG = message(Verdict.FAIL, REGION, NOW)


@pytest.mark.parametrize("follows_switch", [False, True])
@pytest.mark.parametrize(
    ("newest", "earlier", "expected"),
    [
        (message(Verdict.FAIL, REGION), (), True),
        (message(Verdict.UNKNOWN, JUNK), (), False),
        (message(Verdict.UNKNOWN, JUNK), (WRONG,), True),
        (message(Verdict.UNKNOWN, JUNK), (message(Verdict.UNKNOWN, JUNK), WRONG), True),
        (message(Verdict.FAIL, "delivery-message.direct"), (WRONG,), True),
        (message(Verdict.PASS, "", NOW), (WRONG,), False),
        (message(Verdict.WARN, "", NOW), (WRONG,), False),
        (message(Verdict.UNKNOWN, JUNK), (message(Verdict.PASS, "", NOW), WRONG), False),
        # It counts only for a task that does not follow the MX switch.
        (message(Verdict.PASS, "", NOW - SECOND), (WRONG,), None),
        (message(Verdict.PASS, ""), (WRONG,), None),
    ],
)
def test_only_a_counting_pass_ends_a_contradiction(
    newest: ReceivedMessage,
    earlier: tuple[ReceivedMessage, ...],
    expected: bool | None,
    *,
    follows_switch: bool,
) -> None:
    received_at = newest.received_at.isoformat() if newest.received_at else ""
    check = Check(kind=CheckKind.DELIVERY_MESSAGE)
    check.latest = Observation(
        verdict=newest.verdict.value,
        findings=[{"code": code, "params": {}} for code in newest.codes],
        evidence={"message": {"received_at": received_at}},
    )
    values: dict[str, Any] = {"follows_switch": follows_switch, "switched_at": NOW}

    subject = ProofSubject(
        CheckKind.DELIVERY_MESSAGE, "one.test", check, earlier_messages=earlier, **values
    )

    assert subject.contradicts is (follows_switch if expected is None else expected)


@pytest.fixture
def contradicted(make_tenant: MakeTenant, run_check: RunCheck, consultant: User) -> Tenant:
    tenant = make_tenant("Northwind", hosts=(HostRow("delivery", "mail.northwind.test", 25),))
    decide_all(tenant, TASK)
    owner = client_person(tenant, "owner")
    for by, side in ((owner, "client"), (consultant, "mimecast")):
        confirm_task(task_of(tenant, TASK), by=by, side=side)
    run_check(tenant, CheckKind.DELIVERY_MESSAGE, Verdict.FAIL, code=REGION)
    return tenant


def is_gated(tenant: Tenant) -> bool:
    """Whether the closing page and the icon of the task show the contradiction."""
    task, context = task_of(tenant, TASK), PlanContext.of(tenant)
    supporting = context.supporting_evidence(task)
    shape = shape_of(task, context.evidence(task), supporting, is_waiting=False)
    risks = {risk.kind.value for risk in obligations_now(tenant).open_risks}
    assert task.status == TaskStatus.DONE
    assert (shape is Shape.FAIL) is ("contradiction" in risks)
    return shape is Shape.FAIL


@pytest.mark.django_db
def test_pending_message_leaves_the_closing_gate(contradicted: Tenant) -> None:
    check = contradicted.checks.get(kind=CheckKind.DELIVERY_MESSAGE, is_active=True)
    assert is_gated(contradicted)

    submit_test_message(
        contradicted.plan,
        check,
        b"From: a@x.test\n\nhello",
        by=client_person(contradicted, "second"),
    )

    assert is_gated(contradicted)


@pytest.mark.django_db
def test_message_without_a_verdict_leaves_the_closing_gate(
    contradicted: Tenant, run_check: RunCheck
) -> None:
    kind = CheckKind.DELIVERY_MESSAGE
    run_check(contradicted, kind, Verdict.UNKNOWN, code=JUNK, minutes=5, unanimous=False)

    assert is_gated(contradicted)
    assert task_of(contradicted, TASK).waiting_on == "client"

    run_check(contradicted, kind, Verdict.PASS, code="delivery-message.through-region", minutes=9)

    assert not is_gated(contradicted)
    assert task_of(contradicted, TASK).waiting_on == ""


@pytest.mark.django_db
def test_newer_rules_void_the_earlier_verdict(contradicted: Tenant, run_check: RunCheck) -> None:
    """Both verdicts are of one message, whose raw answers they share."""
    kind = CheckKind.DELIVERY_MESSAGE
    run_check(contradicted, kind, Verdict.UNKNOWN, code=JUNK, minutes=5, unanimous=False)
    raw = RawAnswers.objects.create(tenant=contradicted, digest="d", body=b"")

    Observation.objects.filter(check_asked__kind=kind).update(raw=raw)

    assert not is_gated(contradicted)
