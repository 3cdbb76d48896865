"""The sentence of each refused transition, and the transitions that change nothing. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from onboarding.models import (
    DomainProgress,
    ManualStatus,
    Responsibility,
    Task,
    TaskRole,
    TaskStatus,
)
from onboarding.plans.domain_progress import TaskProgress
from onboarding.plans.transitions import (
    CONFIRM,
    EXEMPT_DOMAIN,
    INCLUDE_DOMAIN,
    MAX_ACCEPTED_RISK,
    SET_RESPONSIBILITY,
    TRANSITIONS,
    UNDO,
    WITHDRAW_CONFIRMATION,
    Actor,
    Transition,
    TransitionContext,
    input_error,
    is_in_place,
    is_offered,
    unread_status_text,
    why_not,
)
from tenants.models import Domain, User

CLIENT = Actor("client", may_manage_plan=False, user_id=7)
CONSULTANT = Actor("mimecast", may_manage_plan=True, user_id=8)
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
ONE, TWO, PARKED = (
    Domain(pk=pk, name=f"{name}.test", role=role)
    for pk, (name, role) in enumerate(
        (("one", "primary"), ("two", "secondary"), ("parked", "parked")), start=1
    )
)
SIGN_OFF = TransitionContext(is_confirmed_by_sign_off=True, is_sign_off=True)


def task(status: TaskStatus = TaskStatus.TODO, **other: Any) -> Task:
    return Task(status=status, **({"responsibility": Responsibility.BOTH} | other))


def per_domain(**other: Any) -> Task:
    return task(is_per_domain=True, domain_roles=["primary", "secondary"], **other)


def context(
    *scope: Domain, rows: dict[Domain, dict[str, Any]] | None = None, **other: Any
) -> TransitionContext:
    """The domains in scope, and the progress of each domain with a row."""
    progress = {
        domain.pk: DomainProgress(domain=domain, **row) for domain, row in (rows or {}).items()
    }
    return TransitionContext(progress=TaskProgress(scope, progress), **other)


@pytest.mark.parametrize(
    ("of", "refusal"),
    [
        (
            task(TaskStatus.NOT_APPLICABLE, manual_status=ManualStatus.NOT_NEEDED),
            "This task is marked as not applicable. Restore it first.",
        ),
        (
            task(TaskStatus.NOT_APPLICABLE, applies=False),
            "This task does not apply to the tenant.",
        ),
        (task(TaskStatus.DECLINED), "This task is declined. Reconsider it first."),
        (
            task(TaskStatus.ACCEPTED_RISK),
            "The risk of this task is accepted. Restore the task first.",
        ),
        (
            task(TaskStatus.VERIFIED),
            "A check has verified this task. There is nothing to change.",
        ),
        (task(TaskStatus.DONE), "The status of this task is “Done”. It does not allow this."),
        (
            task(TaskStatus.IN_PROGRESS),
            "The status of this task is “In progress”. It does not allow this.",
        ),
        (task(), ""),
        (task(is_group=True), "This is a group. Its status follows its sub-tasks."),
        (
            task(wait_after="outbound-cutover"),
            "This task completes automatically on its date."
            " A consultant can accept its risk or mark it as not applicable.",
        ),
    ],
)
def test_refusal_by_status(of: Task, refusal: str) -> None:
    assert why_not(of, TRANSITIONS["start"], CONSULTANT) == refusal


def test_refusal_to_decline() -> None:
    decline = TRANSITIONS["decline"]

    assert why_not(task(), decline, CLIENT) == "Only an optional task can be declined."
    assert why_not(task(is_optional=True), decline, CLIENT) == ""


@pytest.mark.parametrize(
    ("transition", "actor", "given", "refusal"),
    [
        (
            CONFIRM,
            CLIENT,
            TransitionContext(is_confirmed_by_sign_off=True),
            "Sign off its requirements sheet: the sign-off confirms this task.",
        ),
        (CONFIRM, CLIENT, SIGN_OFF, ""),
        (CONFIRM, CLIENT, TransitionContext(), ""),
        (
            WITHDRAW_CONFIRMATION,
            CLIENT,
            TransitionContext(is_confirmed_by_sign_off=True, signed_sides=["client"]),
            "Your side signed off its requirements sheet. Withdraw the sign-off on the sheet.",
        ),
        (
            WITHDRAW_CONFIRMATION,
            CONSULTANT,
            TransitionContext(is_confirmed_by_sign_off=True, signed_sides=["client"]),
            "",
        ),
        (WITHDRAW_CONFIRMATION, CLIENT, TransitionContext(is_confirmed_by_sign_off=True), ""),
        (WITHDRAW_CONFIRMATION, CLIENT, TransitionContext(signed_sides=["client"]), ""),
        (
            WITHDRAW_CONFIRMATION,
            CLIENT,
            TransitionContext(
                is_confirmed_by_sign_off=True, signed_sides=["client"], is_sign_off=True
            ),
            "",
        ),
    ],
)
def test_refusal_next_to_sign_off(
    transition: Transition, actor: Actor, given: TransitionContext, refusal: str
) -> None:
    assert why_not(task(), transition, actor, given) == refusal


@pytest.mark.parametrize(
    ("transition", "status", "is_allowed"),
    [
        (WITHDRAW_CONFIRMATION, TaskStatus.VERIFIED, True),
        (WITHDRAW_CONFIRMATION, TaskStatus.NOT_APPLICABLE, True),
        (CONFIRM, TaskStatus.VERIFIED, True),
        (CONFIRM, TaskStatus.DECLINED, False),
        (CONFIRM, TaskStatus.NOT_APPLICABLE, False),
    ],
)
def test_sign_off_of_settled_task(
    transition: Transition, status: TaskStatus, is_allowed: bool
) -> None:
    assert (why_not(task(status), transition, CLIENT, SIGN_OFF) == "") is is_allowed
    assert why_not(task(status), transition, CLIENT) != ""


@pytest.mark.parametrize(
    ("titles", "waits_for"),
    [
        (["One"], "“One”"),
        (["One", "Two"], "“One” and “Two”"),
        (["One", "Two", "Three", "Four"], "“One” and “Two” and 2 more"),
    ],
)
def test_closed_gate_names_two_tasks(titles: list[str], waits_for: str) -> None:
    given = TransitionContext(open_dependencies=[Task(title=title) for title in titles])

    assert why_not(task(is_hard_gate=True), CONFIRM, CLIENT, given) == (
        f"This task waits for {waits_for}. Going ahead before that can lose mail."
    )
    assert why_not(task(), CONFIRM, CLIENT, given) == ""


@pytest.mark.parametrize("transition", [CONFIRM, WITHDRAW_CONFIRMATION])
@pytest.mark.parametrize(
    ("domain", "refusal"),
    [
        (None, ""),
        (ONE, ""),
        (TWO, "A check has verified two.test. No confirmation is needed."),
        (PARKED, "parked.test is not in the scope of this task."),
    ],
)
def test_refusal_for_domain(transition: Transition, domain: Domain | None, refusal: str) -> None:
    given = context(ONE, TWO, domain=domain, verified_domain_ids=frozenset({TWO.pk}))

    assert why_not(per_domain(), transition, CLIENT, given) == refusal


@pytest.mark.parametrize(
    ("of", "refusal"),
    [
        (task(responsibility_stated=False), ""),
        (
            task(responsibility_stated=False, role=TaskRole.CLOSURE),
            "Both sides sign off the implementation.",
        ),
        (
            task(responsibility_stated=True),
            "The article states who is responsible for this task.",
        ),
    ],
)
def test_refusal_to_set_responsibility(of: Task, refusal: str) -> None:
    assert why_not(of, SET_RESPONSIBILITY, CONSULTANT) == refusal


EXEMPT = {"exempted_at": NOW, "exempt_reason": "Parked."}


@pytest.mark.parametrize(
    ("of", "given", "refusal"),
    [
        (per_domain(), context(ONE, TWO, domain=ONE), ""),
        (per_domain(), context(ONE, TWO, domain=ONE, rows={ONE: {}, TWO: EXEMPT}), ""),
        (
            per_domain(),
            context(ONE, TWO, domain=PARKED),
            "This task is not done for parked.test. There is nothing to exempt.",
        ),
        (
            task(domain_roles=["primary", "secondary"]),
            context(domain=ONE),
            "This task is not done for one.test. There is nothing to exempt.",
        ),
        (
            per_domain(),
            context(TWO, domain=ONE, rows={ONE: EXEMPT}),
            "Another user has already exempted one.test: “Parked.”. Nothing was changed.",
        ),
        (
            per_domain(),
            context(TWO, domain=ONE, rows={ONE: EXEMPT | {"exempted_by": User(name="Con")}}),
            "Con has already exempted one.test: “Parked.”. Nothing was changed.",
        ),
        (
            per_domain(),
            context(ONE, domain=ONE),
            "one.test is the last domain in scope. Mark the task as not applicable instead.",
        ),
    ],
)
def test_refusal_to_exempt_domain(of: Task, given: TransitionContext, refusal: str) -> None:
    assert why_not(of, EXEMPT_DOMAIN, CONSULTANT, given) == refusal


def test_whole_task_is_not_exempted() -> None:
    assert why_not(per_domain(), EXEMPT_DOMAIN, CONSULTANT, context(ONE, TWO)) != ""


NOTHING = dict.fromkeys(
    (
        "mimecast_confirmed_at",
        "mimecast_confirmed_by_id",
        "client_confirmed_at",
        "client_confirmed_by_id",
    )
)
CONFIRMED = NOTHING | {"client_confirmed_at": NOW.isoformat(), "client_confirmed_by_id": 7}
NOTHING_TO_UNDO = "There is nothing of yours to undo here."
GATE = "This task waits for “One”. Going ahead before that can lose mail."


@pytest.mark.parametrize(
    ("actor", "before", "parts", "age", "refusal"),
    [
        (CLIENT, NOTHING, {}, timedelta(), ""),
        (CONSULTANT, NOTHING, {}, timedelta(), ""),
        (Actor("client", False, 9), NOTHING, {}, timedelta(), NOTHING_TO_UNDO),
        (CLIENT, NOTHING, {}, timedelta(days=1), NOTHING_TO_UNDO),
        (CLIENT, CONFIRMED, {}, timedelta(), GATE),
        (CLIENT, NOTHING, {ONE.pk: CONFIRMED}, timedelta(), GATE),
        (CLIENT, NOTHING, {TWO.pk: CONFIRMED}, timedelta(), ""),
    ],
    ids=["own", "consultant", "stranger", "old", "gate", "gate-of-domain", "confirmed-domain"],
)
def test_refusal_to_undo(
    actor: Actor,
    before: dict[str, Any],
    parts: dict[int, dict[str, Any]],
    age: timedelta,
    refusal: str,
) -> None:
    """The gate is closed. The second domain is confirmed now."""
    stored = {
        "by": 7,
        "at": (timezone.now() - age).isoformat(),
        "task": before,
        "parts": {str(pk): row for pk, row in parts.items()},
    }
    confirmed = {"client_confirmed_at": NOW, "client_confirmed_by_id": 7}
    given = context(ONE, TWO, rows={TWO: confirmed}, open_dependencies=[Task(title="One")])

    assert why_not(per_domain(is_hard_gate=True, undo=stored), UNDO, actor, given) == refusal


CONFIRMED_ROWS = {ONE: {"client_confirmed_at": NOW}, TWO: {}}


@pytest.mark.parametrize(
    ("of", "transition", "given", "expected"),
    [
        (task(), CONFIRM, context(), False),
        (task(client_confirmed_at=NOW), CONFIRM, context(), True),
        (task(mimecast_confirmed_at=NOW), CONFIRM, context(), False),
        # A confirmation also clears a manual status.
        (task(client_confirmed_at=NOW, manual_status="blocked"), CONFIRM, context(), False),
        (per_domain(), CONFIRM, context(ONE, TWO, rows=CONFIRMED_ROWS), False),
        (per_domain(), CONFIRM, context(ONE, TWO, rows=CONFIRMED_ROWS, domain=ONE), True),
        (per_domain(), CONFIRM, context(ONE, TWO, rows=CONFIRMED_ROWS, domain=TWO), False),
        (task(), WITHDRAW_CONFIRMATION, context(), True),
        (task(client_confirmed_at=NOW), WITHDRAW_CONFIRMATION, context(), False),
        (task(mimecast_confirmed_at=NOW), WITHDRAW_CONFIRMATION, context(), True),
        (
            per_domain(),
            WITHDRAW_CONFIRMATION,
            context(ONE, TWO, rows=CONFIRMED_ROWS),
            False,
        ),
        (
            per_domain(),
            WITHDRAW_CONFIRMATION,
            context(ONE, TWO, rows=CONFIRMED_ROWS, domain=ONE),
            False,
        ),
        (
            per_domain(),
            WITHDRAW_CONFIRMATION,
            context(ONE, TWO, rows=CONFIRMED_ROWS, domain=TWO),
            True,
        ),
        (per_domain(), INCLUDE_DOMAIN, context(ONE), True),
        (per_domain(), INCLUDE_DOMAIN, context(ONE, domain=TWO), True),
        (per_domain(), INCLUDE_DOMAIN, context(ONE, rows={TWO: {}}, domain=TWO), True),
        (per_domain(), INCLUDE_DOMAIN, context(ONE, rows={TWO: EXEMPT}, domain=TWO), False),
        (task(client_confirmed_at=NOW), TRANSITIONS["start"], context(), False),
    ],
)
def test_second_click_changes_nothing(
    of: Task, transition: Transition, given: TransitionContext, expected: bool
) -> None:
    assert is_in_place(of, transition, CLIENT, given) is expected


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (task(), True),
        (task(client_confirmed_at=NOW), False),
        (task(TaskStatus.DECLINED), False),
        (task(TaskStatus.DECLINED, client_confirmed_at=NOW), False),
    ],
)
def test_button_needs_permission_and_effect(of: Task, expected: bool) -> None:
    assert is_offered(of, CONFIRM, CLIENT, context()) is expected


def test_input_at_limits_is_valid() -> None:
    accept, latest = TRANSITIONS["accept-risk"], NOW + MAX_ACCEPTED_RISK

    assert input_error("x" * 500, None, TRANSITIONS["block"], now=NOW) == ""
    assert input_error("A reason.", latest, accept, now=NOW) == ""
    assert input_error("A reason.", NOW + timedelta(seconds=1), accept, now=NOW) == ""


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("", "Con changed the status to “blocked”. Nothing was changed."),
        ("DNS freeze", "Con changed the status to “blocked”: “DNS freeze”. Nothing was changed."),
    ],
)
def test_unread_status_is_quoted(reason: str, text: str) -> None:
    assert unread_status_text("blocked", reason, by="Con") == (
        f"{text} Confirm the task again if it is done."
    )
