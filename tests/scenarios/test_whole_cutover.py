"""Complete cutovers from planning to lockdown: the worked example to the second, and test and
secondary domains one week before the primary."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.outcomes import Verdict
from onboarding.models import Cutover, CutoverSnapshot
from tests.clock import at
from tests.scenarios.scenario import NORTHWIND, OLD, RoomPage, Scenario

GATE = "mx-record-cutover"
SHOP, TRY = "shop.test", "try.test"
PREPARED = (
    *("azure-ad-sync", "inbound-delivery-routes", "forwarding-addresses", "tls-requirements"),
    *("additional-outbound-policies", "anti-spoofing-exceptions", "global-permitted-senders"),
    *("inbound-delivery-test", "outbound-cutover"),
)


def _blockers(shown: RoomPage) -> list[str]:
    return [row.key for row in shown.room.rows if row.is_blocking]


@pytest.fixture
def lowered(scenario: Scenario) -> Cutover:
    """Monday 09:05: 86400 s until 09:00, and 300 s now. The window begins one minute too early."""
    scenario.publish_initial_records()
    scenario.at("Mon 09:00")
    early = scenario.plan("Tue 09:04")
    scenario.lower()
    assert scenario.room(early).safe_at is None
    scenario.at("Mon 09:05")
    return early


@pytest.fixture
def switched(scenario: Scenario, lowered: Cutover) -> Cutover:
    """Tuesday 10:02: the window is rescheduled and confirmed, and the new answer is everywhere."""
    cutover = scenario.move(lowered, "Tue 09:05")
    assert scenario.confirm(cutover) == []
    scenario.at("Tue 09:06")
    scenario.switch()
    scenario.at("Tue 10:02")
    return cutover


def test_worked_example_safe_time(scenario: Scenario, lowered: Cutover) -> None:
    """A switch is safe 86400 s after Monday 09:05."""
    shown = scenario.room(lowered)

    assert shown.safe_at == at("Tue 09:05")
    assert shown.row("ttl").verdict is Verdict.FAIL
    assert shown.row("ttl").detail == (
        "Earliest safe cutover: Tue 1 Dec 09:05 UTC, because ns1.dns.test (127.66.0.1) published"
        " 86400 s for northwind.test until Mon 30 Nov 09:05 UTC."
    )
    assert [each.key for each in shown.room.window_blockers] == ["safe-time"]


def test_worked_example_window(scenario: Scenario, lowered: Cutover) -> None:
    cutover = scenario.move(lowered, "Tue 09:05")

    assert scenario.confirm(cutover) == []
    assert (cutover.confirmed_at, cutover.accepted_blockers) == (at("Mon 09:05"), [])
    assert scenario.room(cutover).row("ttl").verdict is Verdict.PASS


def test_worked_example_switch(scenario: Scenario, switched: Cutover) -> None:
    shown = scenario.room(switched)

    assert (shown.safe_at, shown.row("ttl").detail) == (None, "Every domain has switched already.")
    assert shown.board().expires_at == at("Tue 10:07")
    assert shown.follow_up("lockdown").detail.startswith(
        "Earliest safe lockdown: Tue 1 Dec 14:07 UTC."
    )


def test_worked_example_lockdown(scenario: Scenario, switched: Cutover) -> None:
    for time, old_hosts, lockdown in (
        ("Tue 10:06:59", "waiting", "waiting"),
        ("Tue 10:07:00", "pass", "waiting"),
        ("Tue 14:06:59", "pass", "waiting"),
        ("Tue 14:07:00", "pass", "todo"),
    ):
        scenario.at(time)
        shown = scenario.room(switched)
        assert [shown.follow_up(key).shape.value for key in ("old-hosts", "lockdown")] == [
            old_hosts,
            lockdown,
        ]


def test_primary_follows_a_week_later(make_scenario: Any) -> None:
    scenario: Scenario = make_scenario((NORTHWIND, "primary"), (SHOP, "secondary"), (TRY, "test"))
    scenario.publish_initial_records(NORTHWIND, SHOP, TRY)
    last = _the_first_week(scenario)
    _the_second_week(scenario, last)
    _follow_up(scenario, last)


def _the_first_week(scenario: Scenario) -> Cutover:
    """Test and secondary domains switch; the primary's cutover is planned."""

    # Monday: every task is prepared, and the client lowers the TTL of the first two domains.
    scenario.at("Mon 09:00")
    first, last = scenario.plan("Tue 19:00", SHOP, TRY), scenario.plan("2 Tue 20:00", NORTHWIND)
    scenario.lower(SHOP, TRY)
    scenario.confirm_tasks(*PREPARED)
    scenario.at("Mon 09:05")
    assert scenario.confirm(first, outbound_days=1) == []
    scenario.name_approvers(first)
    prepared = scenario.room(first)
    assert (_blockers(prepared), prepared.safe_at) == ([], at("Tue 09:05"))
    assert scenario.room(last).safe_at is None
    assert scenario.vote(first, scenario.consultant) == []
    assert scenario.vote(first, scenario.owner) == []

    # Tuesday: the window opens half an hour before its start, and mail switches.
    scenario.at("Tue 18:30")
    (snapshot,) = CutoverSnapshot.objects.filter(cutover=first)
    assert [entry["domain"] for entry in snapshot.content] == [SHOP, TRY]
    opened = scenario.room(first)
    assert (_blockers(opened), opened.room.new_window_blockers) == ([], [])
    assert opened.decision is not None
    assert (opened.decision.is_go, opened.shapes) == (True, {SHOP: "waiting", TRY: "waiting"})
    assert [sheet.zone_text.count("mimecast.com.") for sheet in scenario.sheets(first)] == [2, 2]
    scenario.switch(SHOP, TRY)
    scenario.at("Tue 19:02")
    moved = scenario.room(first)
    assert moved.shapes == {SHOP: "pass", TRY: "pass"}
    assert [board.expires_at for board in moved.room.boards] == [at("Tue 19:07")] * 2
    assert scenario.status(GATE) == "todo"

    # For these two the lockdown is safe at 23:07, but the primary still needs the old hosts.
    scenario.at("Tue 23:07")
    lockdown = scenario.room(first).follow_up("lockdown")
    assert lockdown.shape.value == "locked"
    assert "the new answer for northwind.test." in lockdown.detail

    return last


def _the_second_week(scenario: Scenario, last: Cutover) -> None:
    scenario.at("2 Mon 09:00")
    scenario.lower(NORTHWIND)
    scenario.at("2 Mon 10:10")
    assert scenario.confirm(last, outbound_days=1) == []
    lowered = scenario.room(last)
    assert (_blockers(lowered), lowered.safe_at) == ([], at("2 Tue 10:10"))
    scenario.at("2 Tue 19:30")
    scenario.switch(NORTHWIND)
    scenario.at("2 Tue 20:03:20")
    assert scenario.lines("task-verified")[-1] == ("task-verified", at("2 Tue 20:03:20"))
    done = scenario.room(last)
    assert (scenario.status(GATE), done.shapes) == ("verified", {NORTHWIND: "pass"})
    assert done.board().expires_at == at("2 Tue 20:08:20")


def _follow_up(scenario: Scenario, last: Cutover) -> None:
    # In the night the last cache of the old answer expires.
    scenario.at("2 Wed 00:08:19")
    assert scenario.room(last).follow_up("lockdown").shape.value == "waiting"
    scenario.at("2 Wed 00:08:20")
    shut = scenario.room(last)
    assert [shut.follow_up(key).shape.value for key in ("lockdown", "ttl")] == ["todo", "waiting"]
    scenario.confirm_tasks("connection-lockdown")
    locked = scenario.room(last)
    assert locked.follow_up("lockdown").shape.value == "pass"
    assert locked.follow_up("ttl").remedy.startswith("Raise it: northwind.test to 86400 s.")

    # The client raises the TTL to its original value.
    scenario.switch(NORTHWIND, SHOP, TRY, ttl=86_400)
    scenario.at("2 Wed 09:00")
    raised = scenario.room(last)
    assert raised.follow_up("ttl").shape.value == "pass"
    assert (scenario.status(GATE), scenario.status("mx-ttl-update")) == ("verified", "verified")
    assert _blockers(raised) == []
    assert raised.room.new_window_blockers == []
    assert scenario.lines("task-regressed") == []
    assert scenario.rollback(last)[0][0].lines[0].value == OLD[0]
