"""What would lose mail and looks harmless: something left beside the new hosts, a zone that is gone
for some minutes, one server of another mind."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from tests.clock import at
from tests.scenarios.name_servers import FOUR
from tests.scenarios.scenario import NEW, NORTHWIND, OLD, Scenario

GATE = "mx-record-cutover"


def test_an_old_host_left_beside_the_new_ones_proves_nothing(scenario: Scenario) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    left = "50 mail.northwind.test"
    scenario.dns.publish(NORTHWIND, "MX", *NEW, left, ttl=300)
    scenario.at("Tue 20:01")
    scenario.at("Tue 20:02")

    shown = scenario.room(cutover)

    assert shown.shapes == {NORTHWIND: "fail"}
    assert (shown.board().leftovers, shown.board().switched_count) == ((left,), 0)
    assert shown.board().expires_at is None
    assert scenario.status(GATE) == "todo"
    assert scenario.check(CheckKind.MX).is_misconfigured is True
    assert f"Senders can still bypass Mimecast through <code>{left}</code>." in shown.html
    (sheet,) = scenario.sheets(cutover)
    assert [line.value for line in sheet.removed] == [left]
    assert sheet.added == ()

    scenario.switch()
    scenario.at("Tue 20:20")
    assert scenario.status(GATE) == "verified"
    # The set with the old host in it is an old answer too, and its TTL counts from its last look.
    assert scenario.room(cutover).board().expires_at == at("Tue 20:25")


def test_an_old_host_left_on_one_server_alone_is_found(scenario: Scenario) -> None:
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


def test_a_zone_that_is_gone_for_some_minutes_takes_nothing_back(scenario: Scenario) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.at("Tue 20:01")
    assert scenario.status(GATE) == "verified"

    scenario.dns.lose(NORTHWIND, *scenario.dns.delegated[NORTHWIND])
    for minute in ("Tue 20:10", "Tue 20:14", "Tue 20:19:50"):
        scenario.at(minute)
    gone = scenario.room(cutover)

    assert gone.shapes == {NORTHWIND: "waiting"}
    assert (gone.board().switched_count, gone.board().expires_at) == (0, None)
    assert gone.follow_up("lockdown").shape.value == "locked"
    assert scenario.status(GATE) == "verified"

    scenario.dns.find_again(NORTHWIND)
    scenario.at("Tue 20:20:10")
    back = scenario.room(cutover)
    # Mail for a domain without MX goes to its own address, so that was an old answer as well.
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
def test_a_zone_that_is_gone_is_no_low_ttl(
    scenario: Scenario, lost: tuple[str, ...], named: str
) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    assert scenario.confirm(cutover) == []
    scenario.dns.lose(NORTHWIND, *lost)
    scenario.at("Tue 19:30")

    gone = scenario.room(cutover)

    assert gone.safe_at is None
    assert gone.row("ttl").verdict is Verdict.UNKNOWN
    assert gone.row("ttl").detail == (
        f"northwind.test: it cannot be told while {named} no MX records."
    )
    assert [each.key for each in gone.room.new_window_blockers] == ["safe-time"]
    scenario.dns.find_again(NORTHWIND)
    scenario.at("Tue 19:32")
    back = scenario.room(cutover)
    assert back.safe_at == at("Tue 09:05")
    assert back.room.new_window_blockers == []


def test_a_zone_that_is_gone_when_the_window_opens_is_nothing_to_go_back_to(
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


def test_mail_that_moved_before_its_window_is_seen_at_once(scenario: Scenario) -> None:
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
