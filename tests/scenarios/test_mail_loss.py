"""Harmless-looking faults that lose mail: a leftover host, a lost zone, a server that differs."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Cutover
from tests.clock import at
from tests.scenarios.name_servers import FOUR
from tests.scenarios.scenario import NEW, NORTHWIND, OLD, Scenario

GATE = "mx-record-cutover"


LEFTOVER = "50 mail.northwind.test"


@pytest.fixture
def leftover(scenario: Scenario) -> Cutover:
    """Tuesday 20:02: every server has the new hosts and one old host."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.dns.publish(NORTHWIND, "MX", *NEW, LEFTOVER, ttl=300)
    scenario.at("Tue 20:01")
    scenario.at("Tue 20:02")
    return cutover


def test_leftover_host_verifies_nothing(scenario: Scenario, leftover: Cutover) -> None:
    shown = scenario.room(leftover)

    assert shown.shapes == {NORTHWIND: "fail"}
    assert (shown.board().leftovers, shown.board().switched_count) == ((LEFTOVER,), 0)
    assert shown.board().expires_at is None
    assert scenario.status(GATE) == "todo"
    assert scenario.check(CheckKind.MX).is_misconfigured is True
    assert f"Senders can still bypass Mimecast through <code>{LEFTOVER}</code>." in shown.html


def test_change_sheet_removes_leftover_host(scenario: Scenario, leftover: Cutover) -> None:
    (sheet,) = scenario.sheets(leftover)

    assert [line.value for line in sheet.removed] == [LEFTOVER]
    assert sheet.added == ()


def test_removed_leftover_host_counts_as_old(scenario: Scenario, leftover: Cutover) -> None:
    scenario.switch()
    scenario.at("Tue 20:20")

    assert scenario.status(GATE) == "verified"
    # The set with the old host is an old answer too. Its TTL counts from its last run.
    assert scenario.room(leftover).board().expires_at == at("Tue 20:25")


def test_leftover_host_on_one_server(scenario: Scenario) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.dns.publish(NORTHWIND, "MX", *NEW, *OLD, ttl=300, on=["ns3.dns.test"])
    scenario.at("Tue 20:01")

    shown = scenario.room(cutover)

    assert shown.servers == ["pass", "pass", "fail", "pass"]
    assert shown.shapes == {NORTHWIND: "fail"}
    assert scenario.status(GATE) == "todo"


@pytest.fixture
def lost(scenario: Scenario) -> Cutover:
    """Tuesday 20:19:50: the switch is verified, and then all servers lose the zone."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.at("Tue 20:01")
    assert scenario.status(GATE) == "verified"
    scenario.dns.lose(NORTHWIND, *scenario.dns.delegated[NORTHWIND])
    for minute in ("Tue 20:10", "Tue 20:14", "Tue 20:19:50"):
        scenario.at(minute)
    return cutover


def test_lost_zone_regresses_nothing(scenario: Scenario, lost: Cutover) -> None:
    gone = scenario.room(lost)

    assert gone.shapes == {NORTHWIND: "waiting"}
    assert (gone.board().switched_count, gone.board().expires_at) == (0, None)
    assert gone.follow_up("lockdown").shape.value == "locked"
    assert scenario.status(GATE) == "verified"


def test_restored_zone_regresses_nothing(scenario: Scenario, lost: Cutover) -> None:
    scenario.dns.restore(NORTHWIND)
    scenario.at("Tue 20:20:10")

    back = scenario.room(lost)

    # Mail for a domain without MX goes to its own address, so that is an old answer too.
    assert (back.shapes, back.board().expires_at) == ({NORTHWIND: "pass"}, at("Tue 20:20:10"))
    assert scenario.status(GATE) == "verified"
    assert scenario.lines("task-regressed") == []


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (FOUR[:1], "ns1.dns.test (127.66.0.1) has"),
        (FOUR, ", ".join(f"ns{n}.dns.test (127.66.0.{n})" for n in range(1, 5)) + " have"),
    ],
)
def test_lost_zone_is_no_low_ttl(scenario: Scenario, lost: tuple[str, ...], named: str) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    assert scenario.confirm(cutover) == []
    scenario.dns.lose(NORTHWIND, *lost)
    scenario.at("Tue 19:30")

    gone = scenario.room(cutover)

    assert gone.safe_at is None
    assert gone.row("ttl").verdict is Verdict.UNKNOWN
    assert gone.row("ttl").detail == (
        f"northwind.test: no safe time is known while {named} no MX records."
    )
    assert [each.key for each in gone.room.new_window_blockers] == ["safe-time"]
    scenario.dns.restore(NORTHWIND)
    scenario.at("Tue 19:32")
    back = scenario.room(cutover)
    assert back.safe_at == at("Tue 09:05")
    assert back.room.new_window_blockers == []


def test_lost_zone_is_not_in_snapshot(
    scenario: Scenario,
) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 17:00")
    scenario.dns.lose(NORTHWIND, *FOUR)
    scenario.at("Tue 19:29")
    scenario.at("Tue 19:30")

    (sheet,), is_restored = scenario.rollback(cutover)

    assert [line.value for line in sheet.lines] == [*OLD]
    assert (sheet.checked_at, is_restored) == (at("Tue 17:00"), False)
    assert sheet.verdict is Verdict.FAIL


def test_switch_before_window_is_verified(scenario: Scenario) -> None:
    scenario.publish_initial_records()
    scenario.at("Mon 09:00")
    cutover = scenario.plan("Thu 20:00")
    scenario.dns.publish(NORTHWIND, "MX", *NEW, ttl=86_400)
    scenario.at("Mon 09:10")

    early = scenario.room(cutover)

    assert scenario.status(GATE) == "verified"
    assert early.board().expires_at == at("Tue 09:10")
    assert "Earliest safe lockdown: Tue 1 Dec 13:10 UTC." in early.follow_up("lockdown").detail
    assert scenario.check(CheckKind.MX).settled_verdict == Verdict.PASS
