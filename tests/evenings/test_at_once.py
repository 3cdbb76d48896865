"""An evening on which people and workers do the same thing at the same moment, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from checks import services
from checks.engine.outcomes import Kind
from checks.models import Check, Observation
from checks.tasks import run_checks
from onboarding.cutovers import planning
from onboarding.errors import MovedMeanwhile
from onboarding.models import Cutover, CutoverSnapshot, CutoverVerdict
from onboarding.tasks import watch_cutovers
from tests.clock import at
from tests.evenings.evening import OLD, Evening
from tests.interop.at_once import at_once

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
RISK = "The rest of the plan is done on paper."
TOO_LATE = "The verdict on this window is there already."


@pytest.fixture
def cutover(evening: Evening) -> Cutover:
    evening.lowered_on_monday()
    made = evening.plan("Tue 20:00")
    evening.name_approvers(made)
    made.refresh_from_db()
    return made


def _again(cutover: Cutover) -> Cutover:
    return Cutover.objects.get(pk=cutover.pk)


def test_two_people_pressing_go_at_once_make_one_verdict_of_both(
    evening: Evening, cutover: Cutover
) -> None:
    presses = [
        evening.ballot(_again(cutover), person, risk=RISK)
        for person in (evening.consultant, evening.owner)
    ]

    assert at_once(presses) == [[], []]

    made = CutoverVerdict.objects.get()
    assert (made.is_go, made.decided_at) == (True, at("Mon 09:05"))
    assert [vote["side"] for vote in made.content["votes"]] == ["client", "mimecast"]
    assert [act for act, _ in evening.lines("cutover-voted", "cutover-decided")] == [
        "cutover-voted",
        "cutover-voted",
        "cutover-decided",
    ]


def test_go_and_no_go_at_once_are_no_go(evening: Evening, cutover: Cutover) -> None:
    go = evening.ballot(_again(cutover), evening.consultant, risk=RISK)
    no_go = evening.ballot(_again(cutover), evening.owner, "no-go")

    told_go, told_no_go = at_once([go, no_go])

    assert CutoverVerdict.objects.get().is_go is False
    assert told_go in ([], [TOO_LATE])
    assert told_no_go == []


def test_a_window_confirmed_and_moved_at_once_does_not_stand_as_it_was_not_confirmed(
    evening: Evening, cutover: Cutover
) -> None:
    domains = list(cutover.domains.all())

    def move() -> list[str]:
        try:
            planning.change_cutover(
                _again(cutover), at("Wed 20:00"), domains, shown=1, by=evening.consultant
            )
        except MovedMeanwhile as error:
            return [str(error)]
        return []

    # The page was read before either of them pressed.
    press = evening.window(_again(cutover))
    at_once([press, move])

    cutover.refresh_from_db()
    assert (cutover.planned_at, cutover.round) == (at("Wed 20:00"), 2)
    assert (cutover.confirmed_at, cutover.confirmed_by) == (None, None)


def test_two_beats_and_two_workers_at_once_open_a_window_and_prove_a_switch_once(
    evening: Evening, cutover: Cutover
) -> None:
    evening.clock.move_to(at("Tue 19:30"))
    at_once([watch_cutovers, watch_cutovers, watch_cutovers])
    kept = CutoverSnapshot.objects.get(cutover=cutover)
    assert [row["values"] for row in kept.content[0]["servers"]] == [[*OLD]] * 4

    evening.switch()
    evening.clock.move_to(at("Tue 20:00"))
    claimed = at_once([lambda: services.claim_due_checks(now=timezone.now())] * 2)
    ids = [
        pk for found in claimed for batches in found.values() for batch in batches for pk in batch
    ]
    assert sorted(ids) == sorted(set(ids))
    # The broker delivers the batch to two workers.
    at_once([lambda: run_checks(ids)] * 2)

    proven = [line for line in evening.lines("task-proven") if line[1] == at("Tue 20:00")]
    assert len(proven) == 1
    assert evening.state("mx-record-cutover") == "proven"
    newest = Observation.objects.filter(check_asked=evening.check(Kind.MX)).first()
    assert newest is not None
    assert (newest.looks, newest.first_seen_at) == (1, at("Tue 20:00"))
    assert not Check.objects.exclude(claim_id="").exists()
