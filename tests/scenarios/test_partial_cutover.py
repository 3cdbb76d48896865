"""Partial cutovers: one of two domains switches, or the cutover is rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.cutovers.snapshots import digest_of
from onboarding.models import Cutover, CutoverSnapshot
from tests.clock import at
from tests.scenarios.scenario import NEW, NORTHWIND, OLD, Scenario

GATE = "mx-record-cutover"
SHOP = "shop.test"


@pytest.fixture
def two(make_scenario: Any) -> Scenario:
    """A primary and a secondary domain, their TTL lowered on Monday."""
    scenario: Scenario = make_scenario((NORTHWIND, "primary"), (SHOP, "secondary"))
    scenario.lowered_on_monday(NORTHWIND, SHOP)
    return scenario


@pytest.fixture
def half(two: Scenario) -> Cutover:
    """Tuesday 20:02, in the window: one of the two domains has switched."""
    cutover = two.plan("Tue 20:00")
    two.at("Tue 19:30")
    two.switch(NORTHWIND)
    two.at("Tue 20:02")
    return cutover


def test_half_switched_board(two: Scenario, half: Cutover) -> None:
    shown = two.room(half)

    assert shown.shapes == {NORTHWIND: "pass", SHOP: "waiting"}
    assert shown.board(NORTHWIND).expires_at == at("Tue 20:07")
    assert shown.board(SHOP).expires_at is None
    assert two.status(GATE) == "todo"


def test_half_switched_follow_up(two: Scenario, half: Cutover) -> None:
    shown = two.room(half)

    assert shown.follow_up("old-hosts").detail == (
        "The new answer for shop.test is not known at every server yet."
    )
    assert shown.follow_up("lockdown").shape.value == "locked"
    two.at("Tue 23:30")
    assert two.room(half).follow_up("lockdown").shape.value == "locked"


def test_half_switched_change_sheets(two: Scenario, half: Cutover) -> None:
    done, to_do = two.sheets(half)

    assert (done.is_done, to_do.is_done) == (True, False)
    assert [line.value for line in to_do.removed] == [*OLD]


def test_second_domain_completes_cutover(two: Scenario, half: Cutover) -> None:
    two.at("Tue 23:30")
    two.switch(SHOP)
    two.at("Tue 23:45")

    whole = two.room(half)

    assert two.status(GATE) == "verified"
    assert whole.shapes == {NORTHWIND: "pass", SHOP: "pass"}
    assert whole.follow_up("old-hosts").detail.endswith(
        "a cache may direct mail for shop.test to them."
    )
    assert "Earliest safe lockdown: Wed 2 Dec 03:50 UTC." in whole.follow_up("lockdown").detail
    two.at("Wed 03:49:59")
    assert two.room(half).follow_up("lockdown").shape.value == "waiting"
    two.at("Wed 03:50")
    assert two.room(half).follow_up("lockdown").shape.value == "todo"


# --- Rollback


@pytest.fixture
def opened(two: Scenario) -> Cutover:
    """Tuesday 19:31: the window of both domains has opened."""
    cutover = two.plan("Tue 20:00")
    two.at("Tue 19:31")
    return cutover


@pytest.fixture
def switched(two: Scenario, opened: Cutover) -> Cutover:
    """Tuesday 20:05: both domains have switched."""
    two.switch(NORTHWIND, SHOP)
    two.at("Tue 20:05")
    return opened


@pytest.fixture
def partly_restored(two: Scenario, switched: Cutover) -> Cutover:
    """Tuesday 20:20: both domains roll back, except one server that still has the new answer."""
    two.dns.publish(SHOP, "MX", *OLD, ttl=300)
    two.dns.publish(
        NORTHWIND, "MX", *OLD, ttl=300, on=("ns1.dns.test", "ns2.dns.test", "ns3.dns.test")
    )
    two.at("Tue 20:20")
    return switched


@pytest.fixture
def restored(two: Scenario, partly_restored: Cutover) -> Cutover:
    """Tuesday 20:25: every server has the old answer again."""
    two.lower(NORTHWIND)
    two.at("Tue 20:25")
    return partly_restored


def test_opening_snapshot_has_old_records(two: Scenario, opened: Cutover) -> None:
    snapshot = CutoverSnapshot.objects.get(cutover=opened)

    assert (snapshot.saved_at, snapshot.reason) == (at("Tue 19:31"), "opened")
    assert snapshot.digest == digest_of(snapshot.content)
    answers = [
        (each["domain"], row["values"], row["ttl"])
        for each in snapshot.content
        for row in each["servers"]
    ]
    assert answers == [(name, [*OLD], 300) for name in (NORTHWIND, SHOP) for _ in range(4)]


def test_rollback_sheets_after_switch(two: Scenario, switched: Cutover) -> None:
    sheets, is_restored = two.rollback(switched)

    assert two.status(GATE) == "verified"
    assert (is_restored, [s.verdict for s in sheets]) == (False, [Verdict.FAIL] * 2)
    assert [s.zone_text for s in sheets] == [
        f"{name}. 300 IN MX 10 mail.northwind.test." for name in (NORTHWIND, SHOP)
    ]
    assert [s.duration_seconds for s in sheets] == [300, 300]


def test_partial_rollback_names_lagging_server(two: Scenario, partly_restored: Cutover) -> None:
    sheets, is_restored = two.rollback(partly_restored)

    assert is_restored is False
    assert [(s.verdict, s.lagging) for s in sheets] == [
        (Verdict.FAIL, ("ns4.dns.test (127.66.0.4)",)),
        (Verdict.PASS, ()),
    ]
    assert two.status(GATE) == "verified"


def test_complete_rollback(two: Scenario, restored: Cutover) -> None:
    sheets, is_restored = two.rollback(restored)
    shown = two.room(restored)

    assert (is_restored, [s.verdict for s in sheets]) == (True, [Verdict.PASS] * 2)
    assert shown.shapes == {NORTHWIND: "waiting", SHOP: "waiting"}
    assert shown.board().expires_at is None
    assert shown.follow_up("lockdown").shape.value == "locked"


def test_rollback_reopens_task(two: Scenario, restored: Cutover) -> None:
    """Three contradicting runs over ten minutes reopen the task, as for every verified task."""
    assert two.status(GATE) == "verified"
    two.at("Tue 20:29:45")
    assert two.status(GATE) == "verified"
    two.at("Tue 20:30")
    assert two.status(GATE) == "regressed"
    assert two.lines("task-verified", "task-regressed")[-2:] == [
        ("task-verified", at("Tue 20:05")),
        ("task-regressed", at("Tue 20:30")),
    ]
    actions = [entry.line.action for entry in two.timeline(restored) if entry.line is not None]
    assert actions == ["cutover-planned", "snapshot-saved", "task-verified", "task-regressed"]


# --- A second window


@pytest.fixture
def rescheduled(scenario: Scenario) -> Cutover:
    """A decided cutover that switched and rolled back on Tuesday, rescheduled to Thursday."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    assert scenario.confirm(cutover) == []
    scenario.name_approvers(cutover)
    risk = "The rest of the plan is done elsewhere."
    assert scenario.vote(cutover, scenario.consultant, risk=risk) == []
    assert scenario.vote(cutover, scenario.owner, risk=risk) == []
    scenario.at("Tue 19:30")
    assert scenario.room(cutover).decision is not None
    scenario.switch()
    scenario.at("Tue 20:05")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=600)
    for minute in ("Tue 20:20", "Tue 20:25", "Tue 20:30"):
        scenario.at(minute)
    assert scenario.status(GATE) == "regressed"
    return scenario.move(cutover, "Thu 20:00")


def test_second_window_needs_new_decision(scenario: Scenario, rescheduled: Cutover) -> None:
    again = scenario.room(rescheduled)

    assert (rescheduled.round, rescheduled.confirmed_at, again.decision) == (2, None, None)


def test_second_window_after_rollback(scenario: Scenario, rescheduled: Cutover) -> None:
    scenario.lower()
    scenario.at("Wed 12:00")
    assert scenario.room(rescheduled).safe_at == at("Wed 12:10")
    scenario.at("Thu 19:30")
    first, second = CutoverSnapshot.objects.filter(cutover=rescheduled).order_by("window_start")
    assert (first.window_start, second.window_start) == (at("Tue 20:00"), at("Thu 20:00"))
    assert [row["ttl"] for row in second.content[0]["servers"]] == [300] * 4

    scenario.switch()
    scenario.at("Thu 20:01")
    assert scenario.status(GATE) == "verified"
    assert scenario.room(rescheduled).board().expires_at == at("Thu 20:06")
    assert scenario.check(CheckKind.MX).settled_verdict == Verdict.PASS


def test_late_beat_takes_old_snapshot(
    scenario: Scenario,
) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:00")
    scenario.switch()
    # The window opens late, after mail has switched and a run has observed it.
    scenario.run_due_checks("Tue 20:09")
    assert scenario.status(GATE) == "verified"
    scenario.at("Tue 20:10")
    scenario.at("Tue 20:11")

    (snapshot,) = CutoverSnapshot.objects.filter(cutover=cutover)

    assert snapshot.saved_at == at("Tue 20:10")
    assert [row["values"] for row in snapshot.content[0]["servers"]] == [[*OLD]] * 4
    (sheet,), _ = scenario.rollback(cutover)
    assert (sheet.verdict, sheet.checked_at) == (Verdict.FAIL, at("Tue 19:00"))
    assert [line.value for line in sheet.lines] == [*OLD]
    assert scenario.room(cutover).board().servers[0].values == NEW
