"""The pure rules of the next event on a task: time, a check, or a person with a side."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation, SendingPlatform
from checks.safe_times import SafeTime
from onboarding.models import ResidualRiskKind, Responsibility, Task, TaskRole, TaskStatus
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.next_action import (
    ActionKind,
    Awaited,
    next_action,
    proof_action,
    required_actions,
)
from onboarding.plans.proof import ProofSubject, TaskEvidence
from onboarding.plans.rows import Shape, shape_of
from onboarding.plans.safe_times import PlanSafeTime
from tenants.models import Domain

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NONE = TaskEvidence(())
CONFIRMED = Domain(pk=1, name="one.test", dkim_selectors="mc1", ownership_token="code")
PROPOSED = Domain(pk=1, name="one.test")


def task(status: TaskStatus = TaskStatus.AWAITING_VERIFICATION, **values: Any) -> Task:
    defaults: dict[str, Any] = {
        "responsibility": "client", "check_kinds": ["spf"], "client_confirmed_at": NOW,
    }  # fmt: skip
    return Task(status=status, **(defaults | values))


def check(kind: CheckKind, newest: str, *, settled: str = "", **values: Any) -> Check:
    latest = Observation(verdict=newest, findings=[], evidence={}, last_seen_at=NOW + HOUR)
    defaults: dict[str, Any] = {
        "domain": CONFIRMED, "settled_verdict": settled, "next_due_at": NOW + 2 * HOUR,
        "latest": latest if newest else None,
    }  # fmt: skip
    return Check(kind=kind.value, **(defaults | values))


def subject(of: Check | None, kind: CheckKind = CheckKind.SPF, **values: Any) -> ProofSubject:
    return ProofSubject(kind, "one.test", of, now=NOW, **values)


STATES = list(
    itertools.product(
        (CheckKind.SPF, CheckKind.OWNERSHIP, CheckKind.DKIM, CheckKind.MESSAGE),
        ("", "pass", "unknown", "fail"),
        ("", "fail"),
        (True, False),
        (True, False),
        (True, False),
    )
)


def is_decided_by_a_run(
    kind: CheckKind, newest: str, *, has_check: bool, is_proposed: bool, is_pending: bool
) -> bool:
    """Whether a run that Gangway starts without a person can still verify the subject."""
    if not has_check:
        return False
    if kind is CheckKind.MESSAGE:
        return is_pending
    return newest != "fail" and not (is_proposed and kind is not CheckKind.SPF)


def test_person_is_next_exactly_where_no_run_can_verify() -> None:
    wrong = []
    for state in STATES:
        kind, newest, settled, has_check, is_proposed, is_pending = state
        is_pending = is_pending and has_check and kind is CheckKind.MESSAGE
        domain = PROPOSED if is_proposed else CONFIRMED
        of = check(kind, newest, settled=settled, domain=domain) if has_check else None
        evidence = TaskEvidence((subject(of, kind, has_pending_message=is_pending),))
        expected = is_decided_by_a_run(
            kind, newest, has_check=has_check, is_proposed=is_proposed, is_pending=is_pending
        )

        action = proof_action(task(), evidence, NONE)

        assert action is not None
        is_right = (action.awaited is Awaited.CHECK) is expected
        has_side = bool(action.side) is not expected and bool(action.sentence) is not expected
        wrong += [] if is_right and has_side else [(state, action)]
    assert wrong == []


@pytest.mark.parametrize(
    ("subjects", "missing", "side", "kind"),
    [
        ([subject(None, CheckKind.OWNERSHIP)], (), "client", ActionKind.ENTER_VALUE),
        ([subject(None, CheckKind.DKIM)], (), "client", ActionKind.ENTER_VALUE),
        ([subject(None, CheckKind.LOCKDOWN)], (), "mimecast", ActionKind.ACCEPT_RISK),
        ([subject(None, CheckKind.SMTP)], (), "mimecast", ActionKind.COMPLETE_PROFILE),
        ([], (CheckKind.SMTP,), "client", ActionKind.ENTER_VALUE),
        ([], (CheckKind.LDAPS,), "mimecast", ActionKind.COMPLETE_PROFILE),
        ([], (CheckKind.SPF,), "mimecast", ActionKind.COMPLETE_PROFILE),
        ([], (), "mimecast", ActionKind.COMPLETE_PROFILE),
        (
            [subject(check(CheckKind.OWNERSHIP, "pass", domain=PROPOSED), CheckKind.OWNERSHIP)],
            (),
            "mimecast",
            ActionKind.DECIDE_VALUE,
        ),
        (
            [subject(None, CheckKind.OWNERSHIP), subject(None, CheckKind.LOCKDOWN)],
            (),
            "both",
            ActionKind.ENTER_VALUE,
        ),
        ([subject(check(CheckKind.SPF, "fail"))], (), "client", ActionKind.CORRECT),
    ],
)
def test_side_of_each_action(
    subjects: list[ProofSubject], missing: tuple[CheckKind, ...], side: str, kind: ActionKind
) -> None:
    action = proof_action(task(), TaskEvidence(tuple(subjects), missing), NONE)

    assert action is not None
    assert (action.side, action.actions[0].kind) == (side, kind)


def test_host_without_consent_waits_on_mimecast() -> None:
    of = check(CheckKind.SMTP, "unknown")
    assert of.latest is not None
    of.latest.findings = [{"code": "host.no-consent", "params": {}}]

    action = proof_action(task(), TaskEvidence((subject(of, CheckKind.SMTP),)), NONE)

    assert action is not None
    assert (action.side, action.actions[0].kind) == ("mimecast", ActionKind.CONFIRM_CONSENT)


@pytest.mark.parametrize(
    ("others", "is_optional", "ending"),
    [
        ([], False, "a consultant must accept the risk of this task and enter a reason."),
        ([], True, "decline this task and enter a reason."),
        (
            [subject(check(CheckKind.MESSAGE, ""), CheckKind.MESSAGE)],
            False,
            "a consultant must exempt the domain and enter a reason.",
        ),
    ],
)
def test_end_without_a_selector_is_permitted(
    others: list[ProofSubject], is_optional: bool, ending: str
) -> None:
    evidence = TaskEvidence((subject(None, CheckKind.MESSAGE), *others))

    first = required_actions(task(is_optional=is_optional), evidence)[0]

    assert first.sentence.endswith(ending)


@pytest.mark.parametrize("responsibility", Responsibility.values)
def test_records_belong_to_the_side_of_the_task(responsibility: str) -> None:
    of = task(responsibility=responsibility)
    action = proof_action(of, TaskEvidence((subject(check(CheckKind.SPF, "fail")),)), NONE)

    assert action is not None
    assert action.side == ("mimecast" if responsibility == "mimecast" else "client")


@pytest.mark.parametrize("status", sorted(set(TaskStatus) - {TaskStatus.AWAITING_VERIFICATION}))
def test_ordinary_work_has_no_next_action(status: TaskStatus) -> None:
    evidence = TaskEvidence((subject(None, CheckKind.OWNERSHIP),))

    assert next_action(task(status), evidence, NONE) is None
    assert len(required_actions(task(status), evidence)) == 1


@pytest.mark.parametrize("confirmed_at", [None, NOW])
def test_first_sentence_of_a_hybrid_system_names_both_halves(confirmed_at: datetime | None) -> None:
    of = subject(
        check(CheckKind.MESSAGE, ""),
        CheckKind.MESSAGE,
        sending_platforms=tuple(SendingPlatform),
        follows_confirmation=True,
        confirmed_at=confirmed_at,
    )

    (action,) = required_actions(task(TaskStatus.TODO), TaskEvidence((of,)))

    assert [platform.label in action.sentence for platform in SendingPlatform] == [True, True]


# --- Complete tasks that a received message contradicts


def contradicting(**values: Any) -> ProofSubject:
    of = check(CheckKind.DELIVERY_MESSAGE, "fail")
    assert of.latest is not None
    of.latest.findings = [{"code": "delivery-message.other-region", "params": {}}]
    return subject(of, CheckKind.DELIVERY_MESSAGE, **values)


@pytest.mark.parametrize("is_supporting", [True, False])
@pytest.mark.parametrize(
    ("status", "shape"),
    [(TaskStatus.DONE, Shape.FAIL), (TaskStatus.VERIFIED, Shape.FAIL)],
)
def test_message_of_another_region_contradicts_a_complete_task(
    status: TaskStatus, shape: Shape, *, is_supporting: bool
) -> None:
    found = TaskEvidence((contradicting(),))
    both = (NONE, found) if is_supporting else (found, NONE)

    action = next_action(task(status), *both)

    assert action is not None
    assert (action.awaited, action.side) == (Awaited.PERSON, "client")
    assert shape_of(task(status), *both, is_waiting=False) is shape


def test_submitted_message_ends_the_contradiction_until_its_run() -> None:
    found = TaskEvidence((contradicting(has_pending_message=True),))

    assert next_action(task(TaskStatus.DONE), NONE, found) is None


# --- Time


def safe_time(at: datetime | None) -> PlanSafeTime:
    return PlanSafeTime("lockdown", "one.test", SafeTime(at), NOW)


def test_known_safe_time_is_time_and_an_unknown_one_is_work() -> None:
    lockdown = task(TaskStatus.TODO, role=TaskRole.LOCKDOWN, check_kinds=[])

    ahead = next_action(lockdown, NONE, NONE, unsafe_until=NOW)
    unknown = next_action(lockdown, NONE, NONE, unknown_safe_time=safe_time(None))

    assert ahead is not None
    assert unknown is not None
    assert (ahead.awaited, ahead.side) == (Awaited.TIME, "")
    assert (unknown.awaited, unknown.side) == (Awaited.PERSON, "client")
    assert safe_time(None).remedy in unknown.sentence


LATER = NOW + HOUR
RISKS: dict[str, tuple[ResidualRiskKind, dict[str, Any], str | None]] = {
    "ends by time": (ResidualRiskKind.LAST_CACHE, {"ends_at": LATER}, None),
    "the client ends it": (ResidualRiskKind.MX_TTL, {"remedy": "Raise it."}, "client"),
    "neither": (ResidualRiskKind.LOCKDOWN, {}, "mimecast"),
}


@pytest.mark.parametrize("name", RISKS)
def test_open_risk_is_time_only_if_time_ends_it(name: str) -> None:
    kind, values, side = RISKS[name]
    closure = task(TaskStatus.TODO, role=TaskRole.CLOSURE, check_kinds=[])

    action = next_action(
        closure, NONE, NONE, open_risks=[ResidualRisk(kind, "one.test", "s", "t", **values)]
    )

    assert action is not None
    assert action.side == (side or "")
    assert (action.awaited is Awaited.TIME) is (side is None)


@pytest.mark.parametrize(("ends_at", "awaited"), [(NOW, Awaited.TIME), (None, None)])
def test_running_period_is_time(ends_at: datetime | None, awaited: Awaited | None) -> None:
    period = task(TaskStatus.TODO, wait_after="outbound", wait_ends_at=ends_at, check_kinds=[])

    action = next_action(period, NONE, NONE)

    assert (action.awaited if action is not None else None) is awaited


def test_verified_subject_needs_no_action() -> None:
    of = subject(check(CheckKind.SPF, "pass", settled="pass"))

    assert of.settled is Verdict.PASS
    assert required_actions(task(), TaskEvidence((of,))) == []
