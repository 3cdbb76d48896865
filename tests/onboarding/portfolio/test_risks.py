"""The definition of risk: each reason with its limits and its sentence. Without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from onboarding.models import Cutover, Task
from onboarding.plans.business_time import Calendar
from onboarding.portfolio.risks import RiskFacts, risks_of, sentence_of
from tests.onboarding.cutovers.readiness_facts import task_at

# A Monday.
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CALENDAR = Calendar(ZoneInfo("UTC"))


def cutover(planned_at: datetime, *, approved: bool = True) -> Cutover:
    person = 1 if approved else None
    return Cutover(
        pk=5,
        public_id="room",
        direction="outbound",
        planned_at=planned_at,
        mimecast_approver_id=person,
        client_approver_id=person,
    )


def facts(**given: Any) -> RiskFacts:
    defaults: dict[str, Any] = {
        "tasks": (),
        "failing": {},
        "drifts": 0,
        "ahead": (),
        "expected": {},
        "on_call": {5: {"mimecast", "client"}},
        "calendar": CALENDAR,
        "now": NOW,
        "waiting_days": 5,
    }
    return RiskFacts(**(defaults | given))


def sentences(is_closed: bool = False, **given: Any) -> list[str]:
    found = risks_of(facts(**given), is_closed=is_closed)
    return [sentence_of(risk.code, risk.params) for risk in found]


def open_tasks(*statuses: str) -> Sequence[Task]:
    tasks = [task_at(f"task-{number}", status) for number, status in enumerate(statuses)]
    return [*tasks, task_at("outbound-cutover", "todo", depends_on=[t.key for t in tasks])]


def waiting_task(days: int, side: str = "client") -> Task:
    return task_at(f"task-{days}", "todo", waiting_on=side, waiting_since=NOW - days * DAY)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"tasks": [task_at("a", "regressed")]}, ["Regressed: a."]),
        (
            {"tasks": [task_at("a", "regressed"), task_at("b", "regressed")]},
            ["Regressed: a and b."],
        ),
        ({"failing": {"x": "one.test: no SPF record"}}, ["one.test: no SPF record."]),
        ({"failing": {"x": "A", "y": "B", "z": "C"}}, ["A, and 2 more."]),
        ({"drifts": 1}, ["1 drift since go-live."]),
        ({"drifts": 2}, ["2 drifts since go-live."]),
        # The window and the hours after it, in which mail may still switch.
        ({"ahead": [cutover(NOW - 4 * HOUR + HOUR / 60)]}, []),
        (
            {"ahead": [cutover(NOW - 4 * HOUR)]},
            ["Outbound cutover: its window is over, and mail has not switched."],
        ),
        (
            {"ahead": [cutover(NOW + 2 * DAY)], "tasks": open_tasks("todo", "done", "todo")},
            ["Outbound cutover: open tasks block it: task-0 and task-2."],
        ),
        ({"ahead": [cutover(NOW + 2 * DAY + HOUR)], "tasks": open_tasks("todo")}, []),
        ({"ahead": [cutover(NOW + 2 * DAY)], "tasks": open_tasks("done")}, []),
        # From Wednesday to Friday, and from Friday to Monday.
        (
            {"ahead": [cutover(NOW + 2 * DAY)], "expected": {"room": date(2026, 12, 4)}},
            ["Outbound cutover: the forecast is 2 working days after its window."],
        ),
        (
            {"ahead": [cutover(NOW + 4 * DAY)], "expected": {"room": date(2026, 12, 7)}},
            ["Outbound cutover: the forecast is 1 working day after its window."],
        ),
        ({"ahead": [cutover(NOW + 2 * DAY)], "expected": {"room": date(2026, 12, 2)}}, []),
        (
            {"ahead": [cutover(NOW + 14 * DAY, approved=False)]},
            ["Outbound cutover: neither Mimecast nor the client has an approver."],
        ),
        ({"ahead": [cutover(NOW + 14 * DAY + HOUR, approved=False)]}, []),
        (
            {"ahead": [cutover(NOW + 3 * DAY)], "on_call": {5: {"mimecast"}}},
            ["Outbound cutover: the client has no person on call."],
        ),
        ({"ahead": [cutover(NOW + 3 * DAY + HOUR)], "on_call": {}}, []),
        # From a Monday to the Monday after it are five working days.
        ({"tasks": [waiting_task(7)]}, []),
        (
            {"tasks": [waiting_task(11), waiting_task(14)]},
            ["Waiting on the client for 10 working days: task-14, and 1 more."],
        ),
        (
            {"tasks": [waiting_task(11, "both")]},
            ["Waiting on both sides for 7 working days: task-11."],
        ),
    ],
)
def test_risk(given: dict[str, Any], expected: list[str]) -> None:
    assert sentences(**given) == expected


def test_closed_tenant_has_no_risk() -> None:
    every: dict[str, Any] = {
        "tasks": [task_at("a", "regressed"), waiting_task(20)],
        "failing": {"x": "A"},
        "drifts": 1,
        "ahead": [cutover(NOW - DAY)],
    }

    assert sentences(is_closed=True, **every) == []
    assert len(sentences(**every)) == 5
