"""Good evenings, from planning to lockdown: the worked example to the second, and a client's test
and secondary domains a week before the primary."""

from __future__ import annotations

from typing import Any

from checks.engine.outcomes import Verdict
from onboarding.models import Cutover, CutoverSnapshot
from tests.clock import at
from tests.evenings.evening import NORTHWIND, OLD, Evening, Shown

GATE = "mx-record-cutover"
SHOP, TRY = "shop.test", "try.test"
PREPARED = (
    *("azure-ad-sync", "inbound-delivery-routes", "forwarding-addresses", "tls-requirements"),
    *("additional-outbound-policies", "anti-spoofing-exceptions", "global-permitted-senders"),
    *("inbound-delivery-test", "outbound-cutover"),
)


def _held_back(shown: Shown) -> list[str]:
    return [row.key for row in shown.room.rows if row.holds_back]


def test_the_worked_example_holds_to_the_second(evening: Evening) -> None:
    """86400 s seen until Monday 09:00 and 300 s at 09:05: a switch is safe from Tuesday 09:05 on.
    The new answer everywhere on Tuesday 10:02: the old way may be shut at 14:07."""
    evening.publish_what_stands()
    evening.at("Mon 09:00")
    early, exact = evening.plan("Tue 09:04"), at("Tue 09:05")
    evening.lower()
    assert evening.room(early).safe_at is None
    evening.at("Mon 09:05")

    lowered = evening.room(early)
    assert lowered.safe_at == exact
    assert lowered.row("ttl").verdict is Verdict.FAIL
    assert lowered.row("ttl").words == (
        "Earliest safe cutover: Tue 1 Dec 09:05 UTC, because ns1.dns.test (127.66.0.1) gave out"
        " 86400 s for northwind.test until Mon 30 Nov 09:05 UTC."
    )
    assert [each.key for each in lowered.room.objections] == ["clock"]
    cutover = evening.move(early, "Tue 09:05")
    assert evening.confirm(cutover) == []
    assert (cutover.confirmed_at, cutover.accepted_objections) == (at("Mon 09:05"), [])
    assert evening.room(cutover).row("ttl").verdict is Verdict.PASS

    evening.at("Tue 09:06")
    evening.switch()
    evening.at("Tue 10:02")

    moved = evening.room(cutover)
    assert (moved.safe_at, moved.row("ttl").words) == (
        None,
        "Every domain has moved: there is no switch left to wait for.",
    )
    assert moved.board().gone_at == at("Tue 10:07")
    assert moved.duty("lockdown").words.startswith("Earliest safe lockdown: Tue 1 Dec 14:07 UTC.")
    for moment, old_way, lockdown in (
        ("Tue 10:06:59", "waiting", "waiting"),
        ("Tue 10:07:00", "pass", "waiting"),
        ("Tue 14:06:59", "pass", "waiting"),
        ("Tue 14:07:00", "pass", "todo"),
    ):
        evening.at(moment)
        told = evening.room(cutover)
        assert [told.duty(key).shape.value for key in ("old-way", "lockdown")] == [
            old_way,
            lockdown,
        ]


def test_the_primary_follows_a_week_after_the_domains_it_was_tried_with(make_evening: Any) -> None:
    evening: Evening = make_evening((NORTHWIND, "primary"), (SHOP, "secondary"), (TRY, "test"))
    evening.publish_what_stands(NORTHWIND, SHOP, TRY)
    last = _the_first_week(evening)
    _the_second_week(evening, last)
    _afterwards(evening, last)


def _the_first_week(evening: Evening) -> Cutover:
    """Test and secondary domains switch; the primary's cutover is planned."""

    # Monday: everything is prepared, and the client lowers the TTL of the two that go first.
    evening.at("Mon 09:00")
    first, last = evening.plan("Tue 19:00", SHOP, TRY), evening.plan("2 Tue 20:00", NORTHWIND)
    evening.lower(SHOP, TRY)
    evening.say_done(*PREPARED)
    evening.at("Mon 09:05")
    assert evening.confirm(first, outbound_days=1) == []
    evening.name_approvers(first)
    prepared = evening.room(first)
    assert (_held_back(prepared), prepared.safe_at) == ([], at("Tue 09:05"))
    assert evening.room(last).safe_at is None
    assert evening.vote(first, evening.consultant) == []
    assert evening.vote(first, evening.owner) == []

    # Tuesday: the window opens half an hour before its moment, and mail moves.
    evening.at("Tue 18:30")
    (kept,) = CutoverSnapshot.objects.filter(cutover=first)
    assert [entry["domain"] for entry in kept.content] == [SHOP, TRY]
    opened = evening.room(first)
    assert (_held_back(opened), opened.room.objections_since) == ([], [])
    assert opened.verdict is not None
    assert (opened.verdict.is_go, opened.shapes) == (True, {SHOP: "waiting", TRY: "waiting"})
    assert [sheet.zone_text.count("mimecast.com.") for sheet in evening.sheets(first)] == [2, 2]
    evening.switch(SHOP, TRY)
    evening.at("Tue 19:02")
    moved = evening.room(first)
    assert moved.shapes == {SHOP: "pass", TRY: "pass"}
    assert [board.gone_at for board in moved.room.boards] == [at("Tue 19:07")] * 2
    assert evening.state(GATE) == "todo"

    # For these two 23:07 would be the moment, but the primary needs the old hosts yet.
    evening.at("Tue 23:07")
    lockdown = evening.room(first).duty("lockdown")
    assert lockdown.shape.value == "locked"
    assert "the new answer for northwind.test." in lockdown.words

    return last


def _the_second_week(evening: Evening, last: Cutover) -> None:
    evening.at("2 Mon 09:00")
    evening.lower(NORTHWIND)
    evening.at("2 Mon 10:10")
    assert evening.confirm(last, outbound_days=1) == []
    lowered = evening.room(last)
    assert (_held_back(lowered), lowered.safe_at) == ([], at("2 Tue 10:10"))
    evening.at("2 Tue 19:30")
    evening.switch(NORTHWIND)
    evening.at("2 Tue 20:03:20")
    assert evening.lines("task-proven")[-1] == ("task-proven", at("2 Tue 20:03:20"))
    done = evening.room(last)
    assert (evening.state(GATE), done.shapes) == ("proven", {NORTHWIND: "pass"})
    assert done.board().gone_at == at("2 Tue 20:08:20")


def _afterwards(evening: Evening, last: Cutover) -> None:
    # In the night nobody can deliver the old way any more.
    evening.at("2 Wed 00:08:19")
    assert evening.room(last).duty("lockdown").shape.value == "waiting"
    evening.at("2 Wed 00:08:20")
    shut = evening.room(last)
    assert [shut.duty(key).shape.value for key in ("lockdown", "ttl")] == ["todo", "waiting"]
    evening.say_done("connection-lockdown")
    locked = evening.room(last)
    assert locked.duty("lockdown").shape.value == "pass"
    assert locked.duty("ttl").mend.startswith("Raise it: northwind.test to 86400 s.")

    # The forgotten last step, not forgotten: the TTL is what it was before.
    evening.switch(NORTHWIND, SHOP, TRY, ttl=86_400)
    evening.at("2 Wed 09:00")
    raised = evening.room(last)
    assert raised.duty("ttl").shape.value == "pass"
    assert (evening.state(GATE), evening.state("mx-ttl-update")) == ("proven", "proven")
    assert _held_back(raised) == []
    assert raised.room.objections_since == []
    assert evening.lines("task-reopened") == []
    assert evening.rollback(last)[0][0].lines[0].value == OLD[0]
