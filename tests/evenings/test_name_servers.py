"""Evenings in which name servers misbehave: they lag, fall silent, go back, or leave."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import Kind, Verdict
from tests.clock import at
from tests.evenings.evening import NEW, NORTHWIND, OLD, Evening

pytestmark = pytest.mark.django_db

GATE = "mx-record-cutover"


def test_a_server_that_lags_for_an_hour_holds_everything_up_by_that_hour(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")

    evening.switch(on=("ns1.dns.test", "ns2.dns.test", "ns3.dns.test"))
    evening.at("Tue 20:00:20")
    split = evening.room(cutover)

    assert split.servers == ["pass", "pass", "pass", "waiting"]
    assert (split.shapes, split.board().moved) == ({NORTHWIND: "waiting"}, 3)
    assert "ns4.dns.test (127.66.0.4)" in split.html
    assert split.board().gone_at is None
    assert split.duty("old-way").words.startswith("Not every server gives the new answer")
    assert split.duty("lockdown").shape.value == "locked"
    assert evening.state(GATE) == "todo"

    evening.at("Tue 20:30")
    evening.at("Tue 20:59:50")
    assert evening.state(GATE) == "todo"
    assert evening.room(cutover).board().gone_at is None

    evening.switch()
    evening.at("Tue 21:00:10")
    followed = evening.room(cutover)

    assert followed.shapes == {NORTHWIND: "pass"}
    assert followed.board().gone_at == at("Tue 21:05:10")
    assert "Earliest safe lockdown: Wed 2 Dec 01:05 UTC." in followed.duty("lockdown").words
    assert evening.state(GATE) == "proven"
    assert evening.lines("task-proven")[-1] == ("task-proven", at("Tue 21:00:10"))


def test_an_old_server_silent_before_the_window_is_never_safe_and_never_failed(
    evening: Evening,
) -> None:
    evening.publish_what_stands()
    evening.at("Mon 09:00")
    cutover = evening.plan("Wed 20:00")
    evening.lower()
    evening.dns.silence("ns3.dns.test")
    evening.at("Mon 09:05")

    silent = evening.room(cutover)

    assert silent.safe_at is None
    assert silent.row("ttl").verdict is Verdict.UNKNOWN
    assert silent.row("ttl").words == (
        "northwind.test: it cannot be told while ns3.dns.test (127.66.0.3) is silent."
    )
    assert evening.confirm(cutover) == [
        "It is not known that the old answer has left every cache when this window begins."
        " Move it, or say in words why the risk is taken."
    ]
    assert cutover.confirmed_at is None

    evening.dns.speak("ns3.dns.test")
    evening.at("Mon 12:00:30")

    assert evening.room(cutover).safe_at == at("Tue 12:00:30")
    assert evening.confirm(cutover) == []
    assert cutover.confirmed_at == at("Mon 12:00:30")


def test_a_server_that_falls_silent_after_the_switch_takes_nothing_back(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch(on=("ns1.dns.test", "ns3.dns.test", "ns4.dns.test"))
    evening.dns.silence("ns2.dns.test")
    evening.at("Tue 20:00")

    dark = evening.room(cutover)

    assert dark.servers == ["pass", "unknown", "pass", "pass"]
    assert (dark.shapes, dark.board().gone_at) == ({NORTHWIND: "unknown"}, None)
    assert evening.state(GATE) == "todo"
    assert evening.check(Kind.MX).is_at_fault is False

    evening.switch()
    evening.dns.speak("ns2.dns.test")
    evening.at("Tue 20:10")
    assert evening.state(GATE) == "proven"
    assert evening.room(cutover).board().gone_at == at("Tue 20:15")

    evening.dns.silence("ns2.dns.test")
    for minute in ("Tue 20:25", "Tue 20:40"):
        evening.at(minute)
    dark_again = evening.room(cutover)
    assert evening.state(GATE) == "proven"
    assert dark_again.shapes == {NORTHWIND: "unknown"}
    assert dark_again.duty("lockdown").shape.value == "locked"

    evening.dns.speak("ns2.dns.test")
    evening.at("Tue 20:50")
    assert evening.room(cutover).board().gone_at == at("Tue 20:15")
    assert evening.lines("task-reopened") == []


def test_a_server_that_falls_back_to_the_old_answer_takes_nothing_back_alone(
    evening: Evening,
) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch()
    evening.at("Tue 20:00:10")
    evening.lower(on=["ns4.dns.test"])
    for minute in ("Tue 20:10", "Tue 20:16", "Tue 20:22"):
        evening.at(minute)

    fallen = evening.room(cutover)

    assert fallen.servers == ["pass", "pass", "pass", "waiting"]
    assert (fallen.shapes, fallen.board().gone_at) == ({NORTHWIND: "waiting"}, None)
    assert fallen.duty("lockdown").shape.value == "locked"
    assert evening.state(GATE) == "proven"

    evening.switch()
    evening.at("Tue 20:30")
    assert evening.room(cutover).board().gone_at == at("Tue 20:35")
    assert evening.lines("task-reopened") == []


def test_a_ttl_raised_again_on_one_server_stops_the_clock_and_is_told_of_the_window(
    evening: Evening,
) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    assert evening.confirm(cutover) == []
    assert evening.room(cutover).safe_at == at("Tue 09:05")

    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    evening.at("Mon 15:00")
    raised = evening.room(cutover)

    assert raised.safe_at is None
    assert raised.row("ttl").verdict is Verdict.FAIL
    assert raised.row("ttl").words == (
        "northwind.test: ns2.dns.test (127.66.0.2) still gives out a TTL above the threshold."
    )
    (objection,) = raised.room.objections_since
    assert objection.key == "clock"
    assert objection.sentence in raised.html

    evening.lower()
    evening.at("Mon 19:59:59")
    in_time = evening.room(cutover)
    assert in_time.safe_at == at("Tue 19:59:59")
    assert in_time.room.objections_since == []
    assert in_time.row("ttl").verdict is Verdict.PASS

    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns4.dns.test"])
    evening.at("Mon 21:30")
    evening.lower()
    evening.at("Mon 23:00")
    too_late = evening.room(cutover)
    assert too_late.safe_at == at("Tue 23:00")
    assert [each.key for each in too_late.room.objections_since] == ["clock"]
    assert "ns4.dns.test (127.66.0.4) gave out 86400 s" in too_late.row("ttl").words
    assert too_late.row("ttl").mend == "Begin the window at that moment or later."


def test_a_server_that_leaves_with_the_old_ttl_costs_two_days_and_it_is_said_why(
    evening: Evening,
) -> None:
    stay = ("ns1.dns.test", "ns2.dns.test", "ns3.dns.test")
    evening.publish_what_stands()
    evening.at("Mon 09:00")
    cutover = evening.plan("Wed 20:00")
    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=300, on=stay)
    evening.dns.publish(NORTHWIND, "NS", *stay, ttl=3600)
    evening.at("Mon 09:05")
    named_by_the_parent = evening.room(cutover)
    assert named_by_the_parent.row("ttl").words.startswith(
        "northwind.test: ns4.dns.test (127.66.0.4) still gives out a TTL"
    )

    evening.dns.delegate(NORTHWIND, *stay)
    evening.at("Mon 10:00")
    left = evening.room(cutover)

    assert left.safe_at == at("Thu 10:00")
    assert left.row("ttl").words == (
        "Earliest safe cutover: Thu 3 Dec 10:00 UTC, because ns4.dns.test (127.66.0.4) gave out"
        " 86400 s for northwind.test until Mon 30 Nov 10:00 UTC; it has left the delegation, which"
        " caches keep for two days."
    )
    assert [each.key for each in left.room.objections] == ["clock"]


def test_a_lagging_server_taken_out_of_the_delegation_is_asked_for_two_days_yet(
    evening: Evening,
) -> None:
    stay = ("ns1.dns.test", "ns2.dns.test", "ns3.dns.test")
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch(on=stay)
    evening.at("Tue 20:01")
    evening.dns.delegate(NORTHWIND, *stay)
    evening.at("Tue 20:10")

    shown = evening.room(cutover)

    assert shown.shapes == {NORTHWIND: "pass"}
    assert shown.board().gone_at == at("Thu 20:15")
    assert shown.duty("old-way").words == (
        "Until Thu 3 Dec 20:15 UTC a cache may lead senders of northwind.test to them."
    )
    assert "Earliest safe lockdown: Fri 4 Dec 00:15 UTC." in shown.duty("lockdown").words


@pytest.mark.parametrize("left", [41, 290])
def test_a_resolver_that_holds_the_old_answer_is_named_with_its_last_second(
    evening: Evening, left: int
) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch()
    evening.dns.keep_in_cache(NORTHWIND, "MX", *OLD, left=left)
    evening.at("Tue 20:01")

    behind = evening.room(cutover)

    (resolver,) = behind.board().resolvers
    assert (resolver.shape, behind.board().resolvers_moved) == ("waiting", 0)
    assert resolver.gone_at is not None
    assert (resolver.gone_at - at("Tue 20:01")).total_seconds() == left
    assert behind.shapes == {NORTHWIND: "pass"}
    assert evening.state(GATE) == "proven"

    evening.dns.keep_in_cache(NORTHWIND, "MX", *NEW, left=300)
    evening.at("Tue 20:06")
    assert [row.shape for row in evening.room(cutover).board().resolvers] == ["pass"]
