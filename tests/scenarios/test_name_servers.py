"""Name servers with faults: they lag, are silent, return to the old answer, or leave."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Cutover
from tests.clock import at
from tests.scenarios.scenario import NEW, NORTHWIND, OLD, Scenario

pytestmark = pytest.mark.django_db

GATE = "mx-record-cutover"


@pytest.fixture
def lagging(scenario: Scenario) -> Cutover:
    """Tuesday 20:00:20: three of four servers have the new answer."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch(on=("ns1.dns.test", "ns2.dns.test", "ns3.dns.test"))
    scenario.at("Tue 20:00:20")
    return cutover


def test_lagging_server_is_shown(scenario: Scenario, lagging: Cutover) -> None:
    split = scenario.room(lagging)

    assert split.servers == ["pass", "pass", "pass", "waiting"]
    assert (split.shapes, split.board().switched_count) == ({NORTHWIND: "waiting"}, 3)
    assert "ns4.dns.test (127.66.0.4)" in split.html
    assert split.board().expires_at is None
    assert split.follow_up("old-hosts").detail.endswith("is not known at every server yet.")
    assert split.follow_up("lockdown").shape.value == "locked"
    assert scenario.status(GATE) == "todo"


def test_lagging_server_delays_switch(scenario: Scenario, lagging: Cutover) -> None:
    scenario.at("Tue 20:30")
    scenario.at("Tue 20:59:50")
    assert scenario.status(GATE) == "todo"
    assert scenario.room(lagging).board().expires_at is None

    scenario.switch()
    scenario.at("Tue 21:00:10")
    followed = scenario.room(lagging)

    assert followed.shapes == {NORTHWIND: "pass"}
    assert followed.board().expires_at == at("Tue 21:05:10")
    assert "Earliest safe lockdown: Wed 2 Dec 01:05 UTC." in followed.follow_up("lockdown").detail
    assert scenario.status(GATE) == "verified"
    assert scenario.lines("task-verified")[-1] == ("task-verified", at("Tue 21:00:10"))


@pytest.fixture
def silent_before(scenario: Scenario) -> Cutover:
    """Monday 09:05: the TTL is lowered, but one server does not answer."""
    scenario.publish_initial_records()
    scenario.at("Mon 09:00")
    cutover = scenario.plan("Wed 20:00")
    scenario.lower()
    scenario.dns.silence("ns3.dns.test")
    scenario.at("Mon 09:05")
    return cutover


def test_silent_server_before_window(scenario: Scenario, silent_before: Cutover) -> None:
    silent = scenario.room(silent_before)

    assert silent.safe_at is None
    assert silent.row("ttl").verdict is Verdict.UNKNOWN
    assert silent.row("ttl").detail == (
        "northwind.test: no safe time is known while ns3.dns.test (127.66.0.3) does not answer."
    )


def test_silent_server_blocks_confirmation(scenario: Scenario, silent_before: Cutover) -> None:
    assert scenario.confirm(silent_before) == [
        "When this window begins, caches may still have the old answer."
        " Reschedule it, or enter the reason for the risk."
    ]
    assert silent_before.confirmed_at is None


def test_answer_of_silent_server_permits_confirmation(
    scenario: Scenario, silent_before: Cutover
) -> None:
    scenario.dns.answer("ns3.dns.test")
    scenario.at("Mon 12:00:30")

    assert scenario.room(silent_before).safe_at == at("Tue 12:00:30")
    assert scenario.confirm(silent_before) == []
    assert silent_before.confirmed_at == at("Mon 12:00:30")


@pytest.fixture
def silent_in_window(scenario: Scenario) -> Cutover:
    """Tuesday 20:00: three servers have the new answer, and the fourth does not answer."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch(on=("ns1.dns.test", "ns3.dns.test", "ns4.dns.test"))
    scenario.dns.silence("ns2.dns.test")
    scenario.at("Tue 20:00")
    return cutover


def test_silent_server_in_window(scenario: Scenario, silent_in_window: Cutover) -> None:
    dark = scenario.room(silent_in_window)

    assert dark.servers == ["pass", "unknown", "pass", "pass"]
    assert (dark.shapes, dark.board().expires_at) == ({NORTHWIND: "unknown"}, None)
    assert scenario.status(GATE) == "todo"
    assert scenario.check(CheckKind.MX).is_misconfigured is False


def test_silent_server_after_switch(scenario: Scenario, silent_in_window: Cutover) -> None:
    scenario.switch()
    scenario.dns.answer("ns2.dns.test")
    scenario.at("Tue 20:10")
    assert scenario.status(GATE) == "verified"
    assert scenario.room(silent_in_window).board().expires_at == at("Tue 20:15")

    scenario.dns.silence("ns2.dns.test")
    for minute in ("Tue 20:25", "Tue 20:40"):
        scenario.at(minute)
    dark_again = scenario.room(silent_in_window)
    assert scenario.status(GATE) == "verified"
    assert dark_again.shapes == {NORTHWIND: "unknown"}
    assert dark_again.follow_up("lockdown").shape.value == "locked"

    scenario.dns.answer("ns2.dns.test")
    scenario.at("Tue 20:50")
    assert scenario.room(silent_in_window).board().expires_at == at("Tue 20:15")
    assert scenario.lines("task-regressed") == []


def test_one_old_answer_regresses_nothing(
    scenario: Scenario,
) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.at("Tue 20:00:10")
    scenario.lower(on=["ns4.dns.test"])
    for minute in ("Tue 20:10", "Tue 20:16", "Tue 20:22"):
        scenario.at(minute)

    fallen = scenario.room(cutover)

    assert fallen.servers == ["pass", "pass", "pass", "waiting"]
    assert (fallen.shapes, fallen.board().expires_at) == ({NORTHWIND: "waiting"}, None)
    assert fallen.follow_up("lockdown").shape.value == "locked"
    assert scenario.status(GATE) == "verified"

    scenario.switch()
    scenario.at("Tue 20:30")
    assert scenario.room(cutover).board().expires_at == at("Tue 20:35")
    assert scenario.lines("task-regressed") == []


@pytest.fixture
def raised(scenario: Scenario) -> Cutover:
    """Monday 15:00: the window is confirmed, and one server has the old TTL again."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    assert scenario.confirm(cutover) == []
    assert scenario.room(cutover).safe_at == at("Tue 09:05")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")
    return cutover


def test_raised_ttl_blocks_window(scenario: Scenario, raised: Cutover) -> None:
    shown = scenario.room(raised)

    assert shown.safe_at is None
    assert shown.row("ttl").verdict is Verdict.FAIL
    assert shown.row("ttl").detail == (
        "northwind.test: ns2.dns.test (127.66.0.2) still publishes a TTL above the threshold."
    )
    (blocker,) = shown.room.new_window_blockers
    assert blocker.key == "safe-time"
    assert blocker.sentence in shown.html


def test_ttl_lowered_again_in_time(scenario: Scenario, raised: Cutover) -> None:
    scenario.lower()
    scenario.at("Mon 19:59:59")

    in_time = scenario.room(raised)

    assert in_time.safe_at == at("Tue 19:59:59")
    assert in_time.room.new_window_blockers == []
    assert in_time.row("ttl").verdict is Verdict.PASS


def test_ttl_lowered_again_too_late(scenario: Scenario, raised: Cutover) -> None:
    scenario.lower()
    scenario.at("Mon 19:59:59")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns4.dns.test"])
    scenario.at("Mon 21:30")
    scenario.lower()
    scenario.at("Mon 23:00")

    too_late = scenario.room(raised)

    assert too_late.safe_at == at("Tue 23:00")
    assert [each.key for each in too_late.room.new_window_blockers] == ["safe-time"]
    assert "ns4.dns.test (127.66.0.4) published 86400 s" in too_late.row("ttl").detail
    assert too_late.row("ttl").remedy == "Schedule the window for that time or later."


def test_leaving_server_costs_two_days(
    scenario: Scenario,
) -> None:
    remaining = ("ns1.dns.test", "ns2.dns.test", "ns3.dns.test")
    scenario.publish_initial_records()
    scenario.at("Mon 09:00")
    cutover = scenario.plan("Wed 20:00")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=300, on=remaining)
    scenario.dns.publish(NORTHWIND, "NS", *remaining, ttl=3600)
    scenario.at("Mon 09:05")
    named_by_the_parent = scenario.room(cutover)
    assert named_by_the_parent.row("ttl").detail.startswith(
        "northwind.test: ns4.dns.test (127.66.0.4) still publishes a TTL"
    )

    scenario.dns.delegate(NORTHWIND, *remaining)
    scenario.at("Mon 10:00")
    left = scenario.room(cutover)

    assert left.safe_at == at("Thu 10:00")
    assert left.row("ttl").detail == (
        "Earliest safe cutover: Thu 3 Dec 10:00 UTC, because ns4.dns.test (127.66.0.4) published"
        " 86400 s for northwind.test until Mon 30 Nov 10:00 UTC; the server left the delegation,"
        " which caches store for two days."
    )
    assert [each.key for each in left.room.window_blockers] == ["safe-time"]


def test_lagging_server_leaves_delegation(
    scenario: Scenario,
) -> None:
    remaining = ("ns1.dns.test", "ns2.dns.test", "ns3.dns.test")
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch(on=remaining)
    scenario.at("Tue 20:01")
    scenario.dns.delegate(NORTHWIND, *remaining)
    scenario.at("Tue 20:10")

    shown = scenario.room(cutover)

    assert shown.shapes == {NORTHWIND: "pass"}
    assert shown.board().expires_at == at("Thu 20:15")
    assert shown.follow_up("old-hosts").detail == (
        "Until Thu 3 Dec 20:15 UTC a cache may direct mail for northwind.test to them."
    )
    assert "Earliest safe lockdown: Fri 4 Dec 00:15 UTC." in shown.follow_up("lockdown").detail


@pytest.mark.parametrize("left", [41, 290])
def test_old_cache_shows_expiry(scenario: Scenario, left: int) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.dns.cache(NORTHWIND, "MX", *OLD, left=left)
    scenario.at("Tue 20:01")

    behind = scenario.room(cutover)

    (resolver,) = behind.board().resolvers
    assert (resolver.shape, behind.board().resolvers_switched_count) == ("waiting", 0)
    assert resolver.expires_at is not None
    assert (resolver.expires_at - at("Tue 20:01")).total_seconds() == left
    assert behind.shapes == {NORTHWIND: "pass"}
    assert scenario.status(GATE) == "verified"

    scenario.dns.cache(NORTHWIND, "MX", *NEW, left=300)
    scenario.at("Tue 20:06")
    assert [row.shape for row in scenario.room(cutover).board().resolvers] == ["pass"]
