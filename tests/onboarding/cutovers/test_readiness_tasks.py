"""Whole readiness rows of tasks: the title, the sentences and the task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from checks.engine.outcomes import Verdict
from onboarding.cutovers.outbound_days import OutboundDays
from onboarding.cutovers.readiness import ReadinessRow, outbound_days
from onboarding.models import Task, TaskRole
from tests.onboarding.cutovers.readiness_facts import (
    NOW,
    facts_for,
    row_of,
    task_at,
)

NO_TASK = "No task that applies to this plan requires it."
HOUR = timedelta(hours=1)


ROUTES_REMEDY = "Test every delivery route from the console, and repair each that does not answer."
SHEETS_REMEDY = "Each side must sign off its requirements sheets, also the empty ones."
TASK_ROWS = [
    (
        "outbound",
        "directory",
        "Directory synchronised",
        (TaskRole.DIRECTORY,),
        "Finish the first synchronisation, and compare the number of users with your directory.",
    ),
    (
        "outbound",
        "routes",
        "Bounce return path works",
        (TaskRole.GATHERS_DELIVERY_ROUTES,),
        ROUTES_REMEDY,
    ),
    (
        "inbound",
        "routes",
        "Delivery routes answer",
        (TaskRole.GATHERS_DELIVERY_ROUTES,),
        ROUTES_REMEDY,
    ),
    (
        "outbound",
        "signed",
        "Requirements signed off",
        (
            TaskRole.GATHERS_FORWARDING,
            TaskRole.GATHERS_TLS_PARTNERS,
            TaskRole.GATHERS_BRANDING,
        ),
        SHEETS_REMEDY,
    ),
    (
        "inbound",
        "signed",
        "Requirements signed off",
        (
            TaskRole.GATHERS_SPOOFING_EXCEPTIONS,
            TaskRole.GATHERS_GLOBAL_SENDERS,
            TaskRole.GATHERS_MANAGED_SENDERS,
        ),
        SHEETS_REMEDY,
    ),
    (
        "inbound",
        "delivery-test",
        "Inbound delivery tested",
        (TaskRole.DELIVERY_TEST,),
        "Send test mail through Mimecast to each route, and read the headers on arrival.",
    ),
]


@pytest.mark.parametrize(("direction", "key", "title", "roles", "remedy"), TASK_ROWS)
def test_task_row(
    direction: str, key: str, title: str, roles: tuple[TaskRole, ...], remedy: str
) -> None:
    every = [task_at(role.value, "todo", role=role.value) for role in TaskRole]

    def row_with(status: str, tasks: Sequence[Task]) -> ReadinessRow:
        facts = {task.key: task for task in tasks}
        for task in tasks:
            task.status = status if task.role in roles else "todo"
        return row_of(facts_for(direction, tasks=facts), key)

    others = [task for task in every if task.role not in roles]
    assert row_with("todo", others) == ReadinessRow(key, title, Verdict.NOT_APPLICABLE, NO_TASK)
    for role in roles:
        task = next(task for task in every if task.role == role)
        assert row_with("todo", [*others, task]) == ReadinessRow(
            key, title, Verdict.FAIL, f"{role}: to do.", remedy, task=task
        )
        assert row_with("done", [*others, task]) == ReadinessRow(
            key, title, Verdict.PASS, f"{role}: done.", task=task
        )


@pytest.mark.parametrize(
    ("status", "given", "verdict"),
    [
        ("todo", {"is_optional": True}, Verdict.NOT_APPLICABLE),
        ("in_progress", {"is_optional": True}, Verdict.FAIL),
        ("done", {"is_optional": True}, Verdict.PASS),
        ("accepted_risk", {"is_optional": True}, Verdict.WARN),
        ("done", {"applies": False}, Verdict.NOT_APPLICABLE),
        ("todo", {"applies": False}, Verdict.NOT_APPLICABLE),
        ("todo", {"is_group": True}, Verdict.NOT_APPLICABLE),
    ],
)
def test_optional_or_excluded_task(status: str, given: dict[str, Any], verdict: Verdict) -> None:
    task = task_at("directory", status, role=TaskRole.DIRECTORY.value, **given)

    assert row_of(facts_for("outbound", tasks={task.key: task}), "directory").verdict is verdict


# --- Outbound first


def outbound_row(
    status: str = "verified",
    wait: dict[str, Any] | None = None,
    outbound_since: Any = None,
    begins: timedelta = timedelta(days=9),
    **given: Any,
) -> tuple[ReadinessRow, Task, Task | None]:
    task = task_at("outbound-cutover", status, **given)
    tasks = [task_at("other", "todo"), task]
    timed = None
    if wait is not None:
        timed = task_at("days", wait.get("status", "todo"), wait_after=task.key)
        for name, value in wait.items():
            setattr(timed, name, value)
        tasks.append(timed)
    facts = facts_for(
        "inbound",
        tasks={each.key: each for each in tasks},
        planned_at=NOW + begins,
        outbound_since=outbound_since,
    )
    return row_of(facts, "outbound"), task, timed


RISK_ACCEPTED = (
    "Nothing shows that outbound mail has switched. A person accepted the risk of"
    " “outbound-cutover”."
)
SOON = {"status": "accepted_risk", "status_reason": "Soon."}


@pytest.mark.parametrize(
    ("status", "wait", "expected"),
    [
        ("not_applicable", {}, {"is_required": False}),
        ("todo", {}, {}),
        ("todo", SOON, {"waived": "Fewer days were accepted: “Soon.”"}),
        ("verified", {}, {"since": NOW}),
        ("accepted_risk", {}, {"since": NOW, "decision": RISK_ACCEPTED}),
        ("verified", {"wait_started_at": NOW + HOUR}, {"since": NOW + HOUR}),
    ],
)
def test_agreed_outbound_days(status: str, wait: dict[str, Any], expected: dict[str, Any]) -> None:
    task = task_at("outbound-cutover", status, verified_at=NOW)
    timed = task_at("days", "todo", wait_after=task.key)
    for name, value in wait.items():
        setattr(timed, name, value)

    found = outbound_days(facts_for("inbound", tasks={each.key: each for each in (task, timed)}))

    assert found == OutboundDays(3, task, **expected)


def test_waived_days_name_their_task() -> None:
    task = task_at("outbound-cutover", "verified", verified_at=NOW)
    timed = task_at("days", "accepted_risk", wait_after=task.key, status_reason="Soon.")

    found = outbound_days(facts_for("inbound", tasks={each.key: each for each in (task, timed)}))

    assert found == OutboundDays(3, timed, waived="Fewer days were accepted: “Soon.”", since=NOW)


def test_plan_without_outbound_task_needs_no_days() -> None:
    assert outbound_days(facts_for("inbound")) == OutboundDays(3, None, is_required=False)


OUTBOUND_TITLE = "Outbound has run long enough"


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ({"verified_at": NOW}, "Tue 1 Dec 10:00 EST"),
        ({"status": "done", "status_changed_at": NOW + HOUR}, "Tue 1 Dec 11:00 EST"),
        ({"verified_at": NOW, "wait": {}}, "Tue 1 Dec 10:00 EST"),
        (
            {"verified_at": NOW, "wait": {"wait_started_at": NOW + 2 * HOUR}},
            "Tue 1 Dec 12:00 EST",
        ),
        (
            {
                "status": "todo",
                "wait": {"wait_started_at": NOW + 2 * HOUR},
                "outbound_since": NOW + 3 * HOUR,
            },
            "Tue 1 Dec 13:00 EST",
        ),
    ],
    ids=["proof", "confirmation", "timed-task", "started-period", "observed"],
)
def test_outbound_days_since(given: dict[str, Any], detail: str) -> None:
    row, task, _ = outbound_row(**given)

    assert row == ReadinessRow(
        "outbound",
        OUTBOUND_TITLE,
        Verdict.PASS,
        f"Outbound mail leaves through Mimecast since {detail}. Agreed: 3 days.",
        task=task,
    )


def test_early_inbound_row() -> None:
    row, task, _ = outbound_row(verified_at=NOW, begins=timedelta(days=2))

    assert row == ReadinessRow(
        "outbound",
        OUTBOUND_TITLE,
        Verdict.FAIL,
        "Outbound mail leaves through Mimecast since Tue 1 Dec 10:00 EST. Agreed: 3 days.",
        "Schedule the window for Fri 4 Dec 10:00 EST or later, or agree on fewer days.",
        task=task,
    )


@pytest.mark.parametrize(
    ("wait", "detail"),
    [
        ({"status": "accepted_risk"}, "Fewer days were accepted: “Soon.”"),
        ({"manual_status": "not_needed"}, "The outbound days do not apply: “Soon.”"),
    ],
)
def test_shorter_period_row(wait: dict[str, Any], detail: str) -> None:
    row, _, timed = outbound_row(
        verified_at=NOW, begins=HOUR, wait=wait | {"status_reason": "Soon."}
    )

    assert row == ReadinessRow("outbound", OUTBOUND_TITLE, Verdict.WARN, detail, task=timed)


def test_open_outbound_row() -> None:
    row, task, _ = outbound_row("todo")

    assert row == ReadinessRow(
        "outbound",
        OUTBOUND_TITLE,
        Verdict.FAIL,
        "outbound-cutover: to do.",
        "Do the outbound cutover first, and let it run for 3 days.",
        task=task,
    )


def test_no_outbound_task_row() -> None:
    expected = ReadinessRow("outbound", OUTBOUND_TITLE, Verdict.NOT_APPLICABLE, NO_TASK)

    assert row_of(facts_for("inbound"), "outbound") == expected
    assert outbound_row("not_applicable")[0] == expected
