"""Complete cutovers from planning to lockdown: the worked example to the second, and test and
secondary domains one week before the primary."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from checks.engine.outcomes import Verdict
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot
from tests.clock import at
from tests.scenarios.scenario import NORTHWIND, OLD, RoomPage, Scenario

GATE = "mx-record-cutover"
SHOP, TRY = "shop.test", "try.test"
PREPARED = (
    *(
        "account-creation",
        "azure-ad-sync",
        "inbound-delivery-routes",
        "forwarding-addresses",
        "tls-requirements",
    ),
    *("additional-outbound-policies", "anti-spoofing-exceptions", "global-permitted-senders"),
    *("onmicrosoft-domain", "authorised-outbound-addresses", "direct-send-inventory"),
    *("inbound-delivery-test", "outbound-cutover", "digest-review"),
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
        ("Tue 10:07:00", "waiting", "waiting"),
        ("Tue 14:06:59", "waiting", "waiting"),
        ("Tue 14:07:00", "pass", "todo"),
    ):
        scenario.at(time)
        shown = scenario.room(switched)
        assert [shown.follow_up(key).shape.value for key in ("old-hosts", "lockdown")] == [
            old_hosts,
            lockdown,
        ]


class Campaign(NamedTuple):
    """Test and secondary domains switch in the first week, the primary domain in the second."""

    scenario: Scenario
    first: Cutover
    last: Cutover

    @property
    def first_room(self) -> RoomPage:
        return self.scenario.room(self.first)

    @property
    def last_room(self) -> RoomPage:
        return self.scenario.room(self.last)


@pytest.fixture
def confirmed(make_scenario: Any) -> Campaign:
    """Monday 09:05: every task is prepared, the TTL of two domains is low, both have a window."""
    scenario: Scenario = make_scenario((NORTHWIND, "primary"), (SHOP, "secondary"), (TRY, "test"))
    scenario.publish_initial_records(NORTHWIND, SHOP, TRY)
    scenario.at("Mon 09:00")
    first, last = scenario.plan("Tue 19:00", SHOP, TRY), scenario.plan("2 Tue 20:00", NORTHWIND)
    scenario.lower(SHOP, TRY)
    scenario.confirm_tasks(*PREPARED)
    scenario.at("Mon 09:05")
    assert scenario.confirm(first, outbound_days=1) == []
    scenario.name_approvers(first)
    return Campaign(scenario, first, last)


@pytest.fixture
def opened(confirmed: Campaign) -> Campaign:
    """Tuesday 18:30: both approvers voted go, and the first window opens half an hour early."""
    scenario, first, _ = confirmed
    assert scenario.vote(first, scenario.consultant) == []
    assert scenario.vote(first, scenario.owner) == []
    scenario.at("Tue 18:30")
    return confirmed


@pytest.fixture
def first_switched(opened: Campaign) -> Campaign:
    """Tuesday 19:02: the first two domains have switched."""
    opened.scenario.switch(SHOP, TRY)
    opened.scenario.at("Tue 19:02")
    return opened


@pytest.fixture
def second_confirmed(first_switched: Campaign) -> Campaign:
    """The second Monday, 10:10: the primary's TTL is low, and its window is confirmed."""
    scenario, _, last = first_switched
    scenario.at("2 Mon 09:00")
    scenario.lower(NORTHWIND)
    scenario.at("2 Mon 10:10")
    assert scenario.confirm(last, outbound_days=1) == []
    return first_switched


@pytest.fixture
def primary_switched(second_confirmed: Campaign) -> Campaign:
    """The second Tuesday, 20:03:20: the primary domain has switched."""
    scenario = second_confirmed.scenario
    scenario.at("2 Tue 19:30")
    scenario.switch(NORTHWIND)
    scenario.at("2 Tue 20:03:20")
    return second_confirmed


def test_first_week_is_ready(confirmed: Campaign) -> None:
    prepared = confirmed.first_room

    assert (_blockers(prepared), prepared.safe_at) == ([], at("Tue 09:05"))
    assert confirmed.last_room.safe_at is None


def test_first_window_opens(opened: Campaign) -> None:
    shown = opened.first_room

    assert (_blockers(shown), shown.room.new_window_blockers) == ([], [])
    assert shown.decision is not None
    assert (shown.decision.is_go, shown.shapes) == (True, {SHOP: "waiting", TRY: "waiting"})
    sheets = opened.scenario.sheets(opened.first)
    assert [sheet.zone_text.count("mimecast.com.") for sheet in sheets] == [2, 2]


def test_snapshot_at_first_opening(opened: Campaign) -> None:
    (snapshot,) = CutoverSnapshot.objects.filter(cutover=opened.first)

    assert [entry["domain"] for entry in snapshot.content] == [SHOP, TRY]


def test_first_domains_switch(first_switched: Campaign) -> None:
    moved = first_switched.first_room

    assert moved.shapes == {SHOP: "pass", TRY: "pass"}
    assert [board.expires_at for board in moved.room.boards] == [at("Tue 19:07")] * 2
    assert first_switched.scenario.status(GATE) == "todo"


def test_primary_delays_lockdown(first_switched: Campaign) -> None:
    # For the first two domains the lockdown is safe now; the primary still needs the old hosts.
    first_switched.scenario.at("Tue 23:07")

    lockdown = first_switched.first_room.follow_up("lockdown")

    assert lockdown.shape.value == "locked"
    assert "the new answer for northwind.test." in lockdown.detail


def test_second_week_is_ready(second_confirmed: Campaign) -> None:
    lowered = second_confirmed.last_room

    assert (_blockers(lowered), lowered.safe_at) == ([], at("2 Tue 10:10"))


def test_primary_switch_verifies_task(primary_switched: Campaign) -> None:
    scenario, done = primary_switched.scenario, primary_switched.last_room

    assert scenario.lines("task-verified")[-1] == ("task-verified", at("2 Tue 20:03:20"))
    assert (scenario.status(GATE), done.shapes) == ("verified", {NORTHWIND: "pass"})
    assert done.board().expires_at == at("2 Tue 20:08:20")


def test_lockdown_waits_for_last_cache(primary_switched: Campaign) -> None:
    primary_switched.scenario.at("2 Wed 00:08:19")
    early = primary_switched.last_room
    primary_switched.scenario.at("2 Wed 00:08:20")
    expired = primary_switched.last_room

    assert early.follow_up("lockdown").shape.value == "waiting"
    shapes = [expired.follow_up(key).shape.value for key in ("lockdown", "ttl")]
    assert shapes == ["todo", "waiting"]


def test_ttl_is_raised_after_lockdown(primary_switched: Campaign) -> None:
    scenario = primary_switched.scenario
    scenario.at("2 Wed 00:08:20")
    scenario.confirm_tasks("connection-lockdown")
    locked = primary_switched.last_room
    scenario.switch(NORTHWIND, SHOP, TRY, ttl=86_400)
    scenario.at("2 Wed 09:00")
    raised = primary_switched.last_room

    assert locked.follow_up("lockdown").shape.value == "pass"
    assert locked.follow_up("ttl").remedy.startswith("Raise it: northwind.test to 86400 s.")
    assert raised.follow_up("ttl").shape.value == "pass"
    assert (scenario.status(GATE), scenario.status("mx-ttl-update")) == ("verified", "verified")


def test_raised_ttl_regresses_nothing(primary_switched: Campaign) -> None:
    scenario = primary_switched.scenario
    with pytest.raises(OnboardingError, match=r"The lockdown is safe from Wed 9 Dec, 00:08"):
        scenario.confirm_tasks("connection-lockdown")
    scenario.at("2 Wed 00:08:20")
    scenario.confirm_tasks("connection-lockdown")
    scenario.switch(NORTHWIND, SHOP, TRY, ttl=86_400)
    scenario.at("2 Wed 09:00")
    raised = primary_switched.last_room

    assert (_blockers(raised), raised.room.new_window_blockers) == ([], [])
    assert scenario.lines("task-regressed") == []
    assert scenario.rollback(primary_switched.last)[0][0].lines[0].value == OLD[0]
