"""Cautions about the time of a window, and the refusal of a window in the past."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind
from onboarding.cutovers.cautions import past_window_error, planning_cautions
from onboarding.cutovers.readiness import ReadinessFacts
from onboarding.models import Cutover, Task
from tenants.models import Domain
from tests.onboarding.cutovers.readiness_facts import NOW, facts_for, subject_of, task_at

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SWITCH = "outbound-cutover"
MX = "mx-record-cutover"


class FakeDomains(list[Any]):
    def all(self) -> FakeDomains:
        return self


A, B = Domain(pk=1, name="a.test"), Domain(pk=2, name="b.test")


def other(direction: str, starts: timedelta, *domains: Domain) -> Cutover:
    """Another cutover of these domains, or of a.test."""
    made = Cutover(pk=7, direction=direction, planned_at=NOW + starts, outbound_days=3)
    made._prefetched_objects_cache = {  # type: ignore[attr-defined]
        "domains": FakeDomains(domains or [A])
    }
    return made


def facts(
    direction: str, starts: timedelta, *, outbound: str = "todo", **given: Any
) -> ReadinessFacts:
    tasks = {SWITCH: task_at(SWITCH, outbound, status_changed_at=NOW - DAY)}
    given["tasks"] = tasks | given.get("tasks", {})
    return facts_for(direction, planned_at=NOW + starts, **given)


def keys(found: ReadinessFacts, *others: Cutover) -> list[str]:
    return [caution.key for caution in planning_cautions(found, others, [A.pk])]


@pytest.mark.parametrize(
    ("starts", "others", "expected"),
    [
        (9 * DAY, [], ["order"]),
        (2 * DAY, [("outbound", 3 * DAY)], ["order"]),
        (3 * DAY, [("outbound", 3 * DAY)], ["order"]),
        (6 * DAY - HOUR, [("outbound", 3 * DAY)], ["early-inbound"]),
        (6 * DAY, [("outbound", 3 * DAY)], []),
        (6 * DAY, [("outbound", DAY), ("outbound", 4 * DAY)], ["early-inbound"]),
        (6 * DAY, [("outbound", -9 * DAY)], ["order"]),
        (6 * DAY, [("inbound", 9 * DAY)], ["order"]),
    ],
)
def test_inbound_before_outbound_has_caution(
    starts: timedelta, others: list[tuple[str, timedelta]], expected: list[str]
) -> None:
    assert keys(facts("inbound", starts), *[other(*each) for each in others]) == expected


@pytest.mark.parametrize(("starts", "expected"), [(DAY, ["early-inbound"]), (2 * DAY, [])])
def test_running_outbound_days_have_caution(starts: timedelta, expected: list[str]) -> None:
    found = facts("inbound", starts, outbound="verified", outbound_since=NOW - DAY)

    assert keys(found) == expected


@pytest.mark.parametrize(
    "facts_of_wait",
    [
        {"status": "accepted_risk", "status_reason": "Agreed."},
        {"status": "not_applicable", "manual_status": "not_needed", "status_reason": "Agreed."},
    ],
)
def test_waived_outbound_days_have_no_caution(facts_of_wait: dict[str, Any]) -> None:
    wait = Task(key="days", title="Days", wait_after=SWITCH, **facts_of_wait)

    assert keys(facts("inbound", DAY, tasks={"days": wait})) == []


def test_outbound_not_applicable_has_no_caution() -> None:
    assert keys(facts("inbound", DAY, outbound="not_applicable")) == []


@pytest.mark.parametrize(
    ("starts", "inbound", "expected"),
    [
        (5 * DAY, 4 * DAY, ["order"]),
        (5 * DAY, 7 * DAY, ["early-inbound"]),
        (5 * DAY, 8 * DAY, []),
        (5 * DAY, -4 * DAY, []),
    ],
)
def test_outbound_after_inbound_has_caution(
    starts: timedelta, inbound: timedelta, expected: list[str]
) -> None:
    assert keys(facts("outbound", starts), other("inbound", inbound)) == expected


def test_outbound_of_other_domains_has_no_caution() -> None:
    assert keys(facts("outbound", 5 * DAY), other("inbound", 4 * DAY, B)) == []
    switched = facts("outbound", 5 * DAY, outbound="verified")
    assert keys(switched, other("inbound", 4 * DAY)) == []


def _messages(**settled: str) -> dict[str, Any]:
    kind = CheckKind.MESSAGE
    return {
        "subjects": {
            kind: [subject_of(kind, each, name=f"{name}.test") for name, each in settled.items()]
        }
    }


@pytest.mark.parametrize(
    ("settled", "others", "sentences"),
    [
        ({"a": "", "b": ""}, [(DAY, A, B)], []),
        (
            {"a": "", "b": ""},
            [(DAY, A)],
            ["b.test is in no outbound cutover. Inbound mail would switch first."],
        ),
        # a.test has switched in a window that is over, and b.test follows tomorrow.
        ({"a": "pass", "b": ""}, [(-9 * DAY, A), (DAY, B)], []),
        (
            {"a": "", "b": ""},
            [(-9 * DAY, A, B)],
            ["Outbound mail has not switched: its window of Sun 22 Nov 10:00 EST is over."],
        ),
    ],
)
def test_each_domain_needs_its_outbound_cutover(
    settled: dict[str, str], others: list[tuple[Any, ...]], sentences: list[str]
) -> None:
    found = facts("inbound", 9 * DAY, **_messages(**settled))
    planned = [other("outbound", *each) for each in others]

    cautions = planning_cautions(found, planned, [A.pk, B.pk])

    assert [caution.sentence for caution in cautions] == sentences


@pytest.mark.parametrize(
    ("starts", "status", "expected"),
    [
        (8 * HOUR - timedelta(minutes=1), "todo", ["soon"]),
        (8 * HOUR, "todo", ["soon"]),
        (8 * HOUR + timedelta(minutes=1), "todo", []),
        (HOUR, "done", []),
        (HOUR, "not_applicable", []),
    ],
)
def test_start_soon_with_open_tasks_has_caution(
    starts: timedelta, status: str, expected: list[str]
) -> None:
    tasks = {
        "spf": task_at("spf", status),
        SWITCH: task_at(SWITCH, "todo", depends_on=["spf"]),
    }

    assert keys(facts_for("outbound", planned_at=NOW + starts, tasks=tasks)) == expected


def test_caution_names_notice_and_tasks() -> None:
    tasks = {
        "spf": task_at("spf", "todo"),
        "dkim": task_at("dkim", "blocked"),
        SWITCH: task_at(SWITCH, "todo", depends_on=["spf", "dkim"]),
    }
    found = facts_for("outbound", planned_at=NOW + timedelta(minutes=210), tasks=tasks)

    sentences = [caution.sentence for caution in planning_cautions(found, [], [])]

    assert sentences == [
        "On Tue 1 Dec 10:00 EST, 3 h 30 min before its start, 2 tasks that it depends on are open:"
        " spf and dkim."
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (MX, "confirm the task “mx-record-cutover” in the plan. It needs no window."),
        ("spf", "confirm its task in the plan."),
    ],
)
def test_past_window_names_the_task(key: str, expected: str) -> None:
    assert past_window_error([task_at(key, "todo")], "inbound") == (
        "This time is in the past. Enter a later time. To record a switch that has already"
        f" happened, {expected}"
    )
