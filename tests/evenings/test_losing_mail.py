"""What would lose mail and looks harmless: something left beside the new hosts, a zone that is gone
for some minutes, one server of another mind."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import Kind, Verdict
from tests.clock import at
from tests.evenings.evening import NEW, NORTHWIND, OLD, Evening
from tests.evenings.name_servers import FOUR

GATE = "mx-record-cutover"


def test_an_old_host_left_beside_the_new_ones_proves_nothing(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    left = "50 mail.northwind.test"
    evening.dns.publish(NORTHWIND, "MX", *NEW, left, ttl=300)
    evening.at("Tue 20:01")
    evening.at("Tue 20:02")

    shown = evening.room(cutover)

    assert shown.shapes == {NORTHWIND: "fail"}
    assert (shown.board().leftovers, shown.board().moved) == ((left,), 0)
    assert shown.board().gone_at is None
    assert evening.state(GATE) == "todo"
    assert evening.check(Kind.MX).is_at_fault is True
    assert f"Senders may still go around Mimecast by <code>{left}</code>." in shown.html
    (sheet,) = evening.sheets(cutover)
    assert [line.value for line in sheet.removed] == [left]
    assert sheet.added == ()

    evening.switch()
    evening.at("Tue 20:20")
    assert evening.state(GATE) == "proven"
    # The set with the old host in it is an old answer too, and its TTL counts from its last look.
    assert evening.room(cutover).board().gone_at == at("Tue 20:25")


def test_an_old_host_left_on_one_server_alone_is_found(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch()
    evening.dns.publish(NORTHWIND, "MX", *NEW, *OLD, ttl=300, on=["ns3.dns.test"])
    evening.at("Tue 20:01")

    shown = evening.room(cutover)

    assert shown.servers == ["pass", "pass", "fail", "pass"]
    assert shown.shapes == {NORTHWIND: "fail"}
    assert evening.state(GATE) == "todo"


def test_a_zone_that_is_gone_for_some_minutes_takes_nothing_back(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch()
    evening.at("Tue 20:01")
    assert evening.state(GATE) == "proven"

    evening.dns.lose(NORTHWIND, *evening.dns.delegated[NORTHWIND])
    for minute in ("Tue 20:10", "Tue 20:14", "Tue 20:19:50"):
        evening.at(minute)
    gone = evening.room(cutover)

    assert gone.shapes == {NORTHWIND: "waiting"}
    assert (gone.board().moved, gone.board().gone_at) == (0, None)
    assert gone.duty("lockdown").shape.value == "locked"
    assert evening.state(GATE) == "proven"

    evening.dns.find_again(NORTHWIND)
    evening.at("Tue 20:20:10")
    back = evening.room(cutover)
    # Mail for a domain without MX goes to its own address, so that was an old answer as well.
    assert (back.shapes, back.board().gone_at) == ({NORTHWIND: "pass"}, at("Tue 20:20:10"))
    assert evening.state(GATE) == "proven"
    assert evening.lines("task-reopened") == []


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (FOUR[:1], "ns1.dns.test (127.66.0.1) has"),
        (FOUR, ", ".join(f"ns{n}.dns.test (127.66.0.{n})" for n in range(1, 5)) + " have"),
    ],
)
def test_a_zone_that_is_gone_is_no_low_ttl(
    evening: Evening, lost: tuple[str, ...], named: str
) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    assert evening.confirm(cutover) == []
    evening.dns.lose(NORTHWIND, *lost)
    evening.at("Tue 19:30")

    gone = evening.room(cutover)

    assert gone.safe_at is None
    assert gone.row("ttl").verdict is Verdict.UNKNOWN
    assert gone.row("ttl").words == (
        f"northwind.test: it cannot be told while {named} no MX records."
    )
    assert [each.key for each in gone.room.objections_since] == ["clock"]
    evening.dns.find_again(NORTHWIND)
    evening.at("Tue 19:32")
    back = evening.room(cutover)
    assert back.safe_at == at("Tue 09:05")
    assert back.room.objections_since == []


def test_a_zone_that_is_gone_when_the_window_opens_is_nothing_to_go_back_to(
    evening: Evening,
) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 17:00")
    evening.dns.lose(NORTHWIND, *FOUR)
    evening.at("Tue 19:29")
    evening.at("Tue 19:30")

    (sheet,), is_as_before = evening.rollback(cutover)

    assert [line.value for line in sheet.lines] == [*OLD]
    assert (sheet.seen_at, is_as_before) == (at("Tue 17:00"), False)
    assert sheet.verdict is Verdict.FAIL


def test_mail_that_moved_before_its_window_is_seen_at_once(evening: Evening) -> None:
    evening.publish_what_stands()
    evening.at("Mon 09:00")
    cutover = evening.plan("Thu 20:00")
    evening.dns.publish(NORTHWIND, "MX", *NEW, ttl=86_400)
    evening.at("Mon 09:10")

    early = evening.room(cutover)

    assert evening.state(GATE) == "proven"
    assert early.board().gone_at == at("Tue 09:10")
    assert "Earliest safe lockdown: Tue 1 Dec 13:10 UTC." in early.duty("lockdown").words
    assert evening.check(Kind.MX).settled_verdict == Verdict.PASS
