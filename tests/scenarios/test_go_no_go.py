"""Go/no-go votes while the readiness changes."""

from __future__ import annotations

import pytest

from onboarding.cutovers.snapshots import digest_of
from onboarding.models import Cutover, CutoverDecision, CutoverVote
from tests.clock import at
from tests.scenarios.scenario import NORTHWIND, OLD, Scenario

RISK = "The rest of the plan is done on paper."


@pytest.fixture
def cutover(scenario: Scenario) -> Cutover:
    scenario.lowered_on_monday()
    made = scenario.plan("Tue 20:00")
    scenario.name_approvers(made)
    made.refresh_from_db()
    return made


def test_new_blocker_needs_new_acceptance(scenario: Scenario, cutover: Cutover) -> None:
    """The owner accepts the blockers on the page. Before the vote a TTL is raised."""
    blocking = [row.key for row in scenario.room(cutover).room.rows if row.is_blocking]
    assert "ttl" not in blocking
    press = scenario.vote_form(cutover, scenario.owner, risk=RISK)
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")

    (message,) = press()

    assert message == (
        "The readiness has changed since you opened the page: “TTL lowered and the old TTL run out”"
        " now blocks the cutover too. Nothing was recorded."
    )
    assert CutoverVote.objects.count() == 0
    assert scenario.vote(cutover, scenario.owner, risk=RISK) == []
    assert CutoverVote.objects.get().accepted_risk == RISK


def test_resolved_blocker_stops_no_vote(scenario: Scenario, cutover: Cutover) -> None:
    press = scenario.vote_form(cutover, scenario.owner, risk=RISK)
    scenario.confirm_tasks("inbound-delivery-routes")

    assert press() == []
    assert CutoverVote.objects.count() == 1


def test_new_blocker_outdates_earlier_go(scenario: Scenario, cutover: Cutover) -> None:
    """The consultant's go covers a lowered TTL, so it does not count after a TTL is raised."""
    assert scenario.vote(cutover, scenario.consultant, risk=RISK) == []
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")

    assert scenario.vote(cutover, scenario.owner, risk="We wait no longer.") == []
    assert CutoverDecision.objects.count() == 0
    assert "a blocker appeared after this vote" in scenario.room(cutover).html

    assert scenario.vote(cutover, scenario.consultant, risk="Known, and taken.") == []
    made = CutoverDecision.objects.get()
    assert (made.is_go, made.decided_at) == (True, at("Mon 15:00"))
    assert made.digest == digest_of(made.content)
    ttl = next(row for row in made.content["rows"] if row["key"] == "ttl")
    assert ttl["verdict"] == "fail"
    assert [vote["accepted_risk"] for vote in made.content["votes"]] == [
        "We wait no longer.",
        "Known, and taken.",
    ]


def test_vote_on_rescheduled_window_is_refused(scenario: Scenario, cutover: Cutover) -> None:
    press = scenario.vote_form(cutover, scenario.owner, risk=RISK)
    scenario.move(Cutover.objects.get(pk=cutover.pk), "Wed 20:00")

    assert press() == ["The cutover has changed since you opened the page. Nothing was recorded."]
    assert CutoverVote.objects.count() == 0


def test_no_go_decides_despite_changes(scenario: Scenario, cutover: Cutover) -> None:
    press = scenario.vote_form(cutover, scenario.owner, "no-go")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")

    assert press() == []
    assert CutoverDecision.objects.get().is_go is False
