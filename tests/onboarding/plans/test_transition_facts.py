"""Refusals by the facts outside a task: fields, dates, safe times and planned cutovers. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from onboarding.models import ResidualRiskKind, Responsibility, Task, TaskRole, TaskStatus
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.domain_progress import TaskProgress
from onboarding.plans.task_fields import FieldDefinition, FieldRow, FieldType
from onboarding.plans.transitions import (
    CONFIRM,
    SET_DUE_DATE,
    SET_FIELDS,
    UNDO,
    Actor,
    Transition,
    TransitionContext,
    is_permitted,
    why_not,
)
from tenants.models import Domain

CLIENT = Actor("client", may_manage_plan=False)
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
TODAY = date(2026, 12, 1)
ONE, TWO = Domain(pk=1, name="one.test"), Domain(pk=2, name="two.test")


def task(status: TaskStatus = TaskStatus.TODO, **other: Any) -> Task:
    return Task(status=status, **({"responsibility": Responsibility.BOTH} | other))


def row(
    label: str,
    kind: FieldType = FieldType.TEXT,
    *,
    value: Any = None,
    domain: Domain | None = None,
    required: bool = True,
) -> FieldRow:
    definition = FieldDefinition(label.lower(), label, kind, required=required)
    return FieldRow(definition, domain, value, today=TODAY)


def refusal(status: TaskStatus = TaskStatus.TODO, **facts: Any) -> str:
    return why_not(task(status), CONFIRM, CLIENT, TransitionContext(**facts))


A, B, C, D = (row(label) for label in "ABCD")
FILE = row("Photo", FieldType.FILE)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        ([row("A", value="x")], ""),
        ([row("A", required=False)], ""),
        ([A], "Enter “A” first."),
        ([A, B], "Enter “A” and “B” first."),
        ([A, row("X", value="x"), B, C], "Enter “A” and “B” and 1 more first."),
        ([A, B, C, D], "Enter “A” and “B” and 2 more first."),
        ([FILE], "Attach “Photo” first."),
        ([FILE, A], "Enter “Photo” and “A” first."),
        ([row("A", domain=ONE)], "Enter “A: one.test” first."),
    ],
)
def test_confirmation_needs_fields(rows: list[FieldRow], text: str) -> None:
    assert refusal(field_rows=rows) == text


@pytest.mark.parametrize(
    ("domain", "missing"),
    [(None, ["A", "A: one.test", "A: two.test"]), (ONE, ["A", "A: one.test"])],
)
def test_fields_of_one_domain(domain: Domain | None, missing: list[str]) -> None:
    rows = [A, row("A", domain=ONE), row("A", domain=TWO), row("B", value="x")]

    given = TransitionContext(field_rows=rows, domain=domain)

    assert [each.label for each in given.missing_fields] == missing


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2026-12-01", ""),
        ("2026-12-02", "“Day” is in the future. Confirm the task when it is over."),
    ],
)
def test_event_is_over(day: str, text: str) -> None:
    rows = [row("A", value="x"), row("Day", FieldType.DATE, value=day)]

    assert refusal(field_rows=rows) == text


@pytest.mark.parametrize(
    ("of", "domain", "is_refused"),
    [
        (None, None, True),
        (None, ONE, True),
        (ONE, ONE, True),
        (TWO, ONE, False),
        (ONE, None, True),
    ],
)
def test_event_of_another_domain(
    of: Domain | None, domain: Domain | None, is_refused: bool
) -> None:
    rows = [row("Day", FieldType.DATE, value="2026-12-02", domain=of)]
    given = TransitionContext(progress=TaskProgress((ONE, TWO)), field_rows=rows, domain=domain)

    text = why_not(task(is_per_domain=True), CONFIRM, CLIENT, given)

    assert bool(text) is is_refused


@pytest.mark.parametrize(
    ("directions", "text"),
    [
        ([], ""),
        (["inbound"], "Plan the inbound cutover first: this task records the agreed dates."),
        (
            ["outbound", "inbound"],
            "Plan the outbound and the inbound cutover first: this task records the agreed dates.",
        ),
    ],
)
def test_confirmation_needs_cutovers(directions: list[str], text: str) -> None:
    assert refusal(unplanned_cutovers=directions) == text


DATE_AHEAD = row("Day", FieldType.DATE, value="2026-12-02")


@pytest.mark.parametrize(
    "facts",
    [{"field_rows": [A]}, {"field_rows": [DATE_AHEAD]}, {"unplanned_cutovers": ["inbound"]}],
)
def test_done_task_needs_nothing_more(facts: dict[str, Any]) -> None:
    assert refusal(TaskStatus.DONE, **facts) == ""
    assert refusal(TaskStatus.REGRESSED, **facts) != ""


@pytest.mark.parametrize(
    ("safe_on", "text"),
    [
        (None, ""),
        (date(2026, 11, 20), ""),
        (
            date(2026, 11, 21),
            "“Day” is before the safe time of this task, Sat 21 Nov 2026. Correct the day."
            " For an early switch, a consultant accepts the risk of this task.",
        ),
    ],
)
def test_event_before_the_safe_time(safe_on: date | None, text: str) -> None:
    definition = FieldDefinition("day", "Day", FieldType.DATE, not_before_safe_time=True)
    rows = [FieldRow(definition, None, "2026-11-20", today=TODAY)]

    assert refusal(field_rows=rows, safe_on=safe_on) == text


@pytest.mark.parametrize(
    ("role", "switch", "still_used"),
    [
        ("", "The lockdown", "the old route"),
        (TaskRole.LOCKDOWN, "The lockdown", "the old route"),
        (TaskRole.DECOMMISSION, "Switching off the old gateway", "the old route"),
        (
            TaskRole.SWITCHES_INBOUND,
            "The MX cutover",
            "cached MX records or MTA-STS policies",
        ),
    ],
)
def test_unsafe_time_is_named(role: str, switch: str, still_used: str) -> None:
    given = TransitionContext(unsafe_until=NOW)

    assert why_not(task(role=role), CONFIRM, CLIENT, given) == (
        f"{switch} is safe from Tue 1 Dec, 09:00 UTC. Before that time, senders may still use"
        f" {still_used}. Going ahead before that can lose mail."
    )


@pytest.mark.parametrize(
    ("is_open", "unsafe_until", "must_wait", "must_wait_for_time"),
    [
        (False, None, False, False),
        (True, None, True, False),
        (False, NOW, True, True),
        (True, NOW, True, False),
    ],
)
def test_wait_for_tasks_or_time(
    is_open: bool, unsafe_until: datetime | None, must_wait: bool, must_wait_for_time: bool
) -> None:
    given = TransitionContext([Task()] if is_open else [], unsafe_until=unsafe_until)

    assert (given.must_wait, given.must_wait_for_time) == (must_wait, must_wait_for_time)


RISK = ResidualRisk(ResidualRiskKind.MX_TTL, "one.test", "low", "The TTL is low.")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"open_dependencies": [Task(title="Open")]}, "Still open: “Open”."),
        ({"residual_risks": [RISK]}, f"Residual risks: {RISK.name}."),
        ({}, ""),
    ],
)
def test_only_closing_task_reads_obligations(facts: dict[str, Any], text: str) -> None:
    given = TransitionContext(**facts)

    refused = why_not(task(role=TaskRole.CLOSURE), CONFIRM, CLIENT, given)

    assert (refused.startswith(text), bool(refused)) == (True, bool(text))
    assert why_not(task(role=TaskRole.LOCKDOWN), CONFIRM, CLIENT, given) == ""


CONSULTANT = Actor("mimecast", may_manage_plan=True)


@pytest.mark.parametrize(
    ("transition", "responsibility", "client", "consultant"),
    [
        (CONFIRM, "both", True, True),
        (CONFIRM, "client", True, False),
        (CONFIRM, "mimecast", False, True),
        (SET_FIELDS, "client", True, True),
        (SET_FIELDS, "mimecast", False, True),
        (SET_DUE_DATE, "client", False, True),
        (UNDO, "mimecast", True, True),
        (UNDO, "client", True, True),
    ],
)
def test_side_and_role_permit(
    transition: Transition, responsibility: str, client: bool, consultant: bool
) -> None:
    of = task(responsibility=responsibility)

    assert is_permitted(of, transition, CLIENT) is client
    assert is_permitted(of, transition, CONSULTANT) is consultant
