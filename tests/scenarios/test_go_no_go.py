"""Go or no-go on a scenario whose readiness changes while people make up their minds."""

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


def test_a_risk_taken_of_one_thing_is_not_taken_of_another(
    scenario: Scenario, cutover: Cutover
) -> None:
    """The owner reads what holds the cutover back, and accepts that. Meanwhile a TTL is raised."""
    held = [row.key for row in scenario.room(cutover).room.rows if row.is_blocking]
    assert "ttl" not in held
    press = scenario.ballot(cutover, scenario.owner, risk=RISK)
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")

    (told,) = press()

    assert told == (
        "The readiness changed since you opened the page: “TTL lowered and the old TTL run out”"
        " holds the cutover back too. Nothing was recorded."
    )
    assert CutoverVote.objects.count() == 0
    assert scenario.vote(cutover, scenario.owner, risk=RISK) == []
    assert CutoverVote.objects.get().accepted_risk == RISK


def test_what_became_green_meanwhile_stops_nobody(scenario: Scenario, cutover: Cutover) -> None:
    press = scenario.ballot(cutover, scenario.owner, risk=RISK)
    scenario.confirm_tasks("inbound-delivery-routes")

    assert press() == []
    assert CutoverVote.objects.count() == 1


def test_a_go_of_before_does_not_stand_for_what_came_after(
    scenario: Scenario, cutover: Cutover
) -> None:
    """The consultant's go was said of a lowered TTL; the verdict is not made with it once one was
    raised."""
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


def test_a_ballot_of_before_the_window_moved_is_not_cast(
    scenario: Scenario, cutover: Cutover
) -> None:
    press = scenario.ballot(cutover, scenario.owner, risk=RISK)
    scenario.move(Cutover.objects.get(pk=cutover.pk), "Wed 20:00")

    assert press() == ["The room was changed meanwhile. Nothing was recorded."]
    assert CutoverVote.objects.count() == 0


def test_no_go_is_the_verdict_whatever_changed_since(scenario: Scenario, cutover: Cutover) -> None:
    press = scenario.ballot(cutover, scenario.owner, "no-go")
    scenario.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    scenario.at("Mon 15:00")

    assert press() == []
    assert CutoverDecision.objects.get().is_go is False
