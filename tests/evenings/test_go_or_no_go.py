"""Go or no-go on an evening whose readiness changes while people make up their minds."""

from __future__ import annotations

import pytest

from onboarding.cutovers.snapshots import digest_of
from onboarding.models import Cutover, CutoverVerdict, CutoverVote
from tests.clock import at
from tests.evenings.evening import NORTHWIND, OLD, Evening

RISK = "The rest of the plan is done on paper."


@pytest.fixture
def cutover(evening: Evening) -> Cutover:
    evening.lowered_on_monday()
    made = evening.plan("Tue 20:00")
    evening.name_approvers(made)
    made.refresh_from_db()
    return made


def test_a_risk_taken_of_one_thing_is_not_taken_of_another(
    evening: Evening, cutover: Cutover
) -> None:
    """The owner reads what holds the cutover back, and accepts that. Meanwhile a TTL is raised."""
    held = [row.key for row in evening.room(cutover).room.rows if row.holds_back]
    assert "ttl" not in held
    press = evening.ballot(cutover, evening.owner, risk=RISK)
    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    evening.at("Mon 15:00")

    (told,) = press()

    assert told == (
        "The readiness changed since you opened the page: “TTL lowered and the old TTL run out”"
        " holds the cutover back too. Nothing was recorded."
    )
    assert CutoverVote.objects.count() == 0
    assert evening.vote(cutover, evening.owner, risk=RISK) == []
    assert CutoverVote.objects.get().accepted_risk == RISK


def test_what_became_green_meanwhile_stops_nobody(evening: Evening, cutover: Cutover) -> None:
    press = evening.ballot(cutover, evening.owner, risk=RISK)
    evening.say_done("inbound-delivery-routes")

    assert press() == []
    assert CutoverVote.objects.count() == 1


def test_a_go_of_before_does_not_stand_for_what_came_after(
    evening: Evening, cutover: Cutover
) -> None:
    """The consultant's go was said of a lowered TTL; the verdict is not made with it once one was
    raised."""
    assert evening.vote(cutover, evening.consultant, risk=RISK) == []
    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    evening.at("Mon 15:00")

    assert evening.vote(cutover, evening.owner, risk="We wait no longer.") == []
    assert CutoverVerdict.objects.count() == 0
    assert "said before something came to hold the cutover back" in evening.room(cutover).html

    assert evening.vote(cutover, evening.consultant, risk="Known, and taken.") == []
    made = CutoverVerdict.objects.get()
    assert (made.is_go, made.decided_at) == (True, at("Mon 15:00"))
    assert made.digest == digest_of(made.content)
    ttl = next(row for row in made.content["rows"] if row["key"] == "ttl")
    assert ttl["verdict"] == "fail"
    assert [vote["accepted_risk"] for vote in made.content["votes"]] == [
        "We wait no longer.",
        "Known, and taken.",
    ]


def test_a_ballot_of_before_the_window_moved_is_not_cast(
    evening: Evening, cutover: Cutover
) -> None:
    press = evening.ballot(cutover, evening.owner, risk=RISK)
    evening.move(Cutover.objects.get(pk=cutover.pk), "Wed 20:00")

    assert press() == ["The room was changed meanwhile. Nothing was recorded."]
    assert CutoverVote.objects.count() == 0


def test_no_go_is_the_verdict_whatever_changed_since(evening: Evening, cutover: Cutover) -> None:
    press = evening.ballot(cutover, evening.owner, "no-go")
    evening.dns.publish(NORTHWIND, "MX", *OLD, ttl=86_400, on=["ns2.dns.test"])
    evening.at("Mon 15:00")

    assert press() == []
    assert CutoverVerdict.objects.get().is_go is False
