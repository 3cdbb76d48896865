"""People and workers who do the same thing at the same time, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from checks import claims
from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.tasks import run_checks
from onboarding.cutovers import planning
from onboarding.cutovers.tasks import open_cutover_windows
from onboarding.errors import ConflictingChange
from onboarding.models import Cutover, CutoverDecision, CutoverSnapshot
from tests.clock import at
from tests.interop.concurrency import run_concurrently
from tests.scenarios.scenario import OLD, Scenario

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
RISK = "The rest of the plan is done on paper."
TOO_LATE = "This window has been decided already."


@pytest.fixture
def cutover(scenario: Scenario) -> Cutover:
    scenario.lowered_on_monday()
    made = scenario.plan("Tue 20:00")
    scenario.name_approvers(made)
    made.refresh_from_db()
    return made


def _again(cutover: Cutover) -> Cutover:
    return Cutover.objects.get(pk=cutover.pk)


def test_concurrent_goes_make_one_decision(scenario: Scenario, cutover: Cutover) -> None:
    presses = [
        scenario.vote_form(_again(cutover), person, risk=RISK)
        for person in (scenario.consultant, scenario.owner)
    ]

    assert run_concurrently(presses) == [[], []]

    made = CutoverDecision.objects.get()
    assert (made.is_go, made.decided_at) == (True, at("Mon 09:05"))
    assert [vote["side"] for vote in made.content["votes"]] == ["client", "mimecast"]
    assert [action for action, _ in scenario.lines("cutover-voted", "cutover-decided")] == [
        "cutover-voted",
        "cutover-voted",
        "cutover-decided",
    ]


def test_concurrent_go_and_no_go_is_no_go(scenario: Scenario, cutover: Cutover) -> None:
    go = scenario.vote_form(_again(cutover), scenario.consultant, risk=RISK)
    no_go = scenario.vote_form(_again(cutover), scenario.owner, "no-go")

    go_messages, no_go_messages = run_concurrently([go, no_go])

    assert CutoverDecision.objects.get().is_go is False
    assert go_messages in ([], [TOO_LATE])
    assert no_go_messages == []


def test_concurrent_confirm_and_reschedule(scenario: Scenario, cutover: Cutover) -> None:
    domains = list(cutover.domains.all())

    def move() -> list[str]:
        try:
            planning.change_cutover(
                _again(cutover), at("Wed 20:00"), domains, expected_round=1, by=scenario.consultant
            )
        except ConflictingChange as error:
            return [str(error)]
        return []

    # The page was loaded before both actions.
    press = scenario.window(_again(cutover))
    run_concurrently([press, move])

    cutover.refresh_from_db()
    assert (cutover.planned_at, cutover.round) == (at("Wed 20:00"), 2)
    assert (cutover.confirmed_at, cutover.confirmed_by) == (None, None)


def test_concurrent_beats_and_workers(scenario: Scenario, cutover: Cutover) -> None:
    scenario.clock.move_to(at("Tue 19:30"))
    run_concurrently([open_cutover_windows, open_cutover_windows, open_cutover_windows])
    snapshot = CutoverSnapshot.objects.get(cutover=cutover)
    assert [row["values"] for row in snapshot.content[0]["servers"]] == [[*OLD]] * 4

    scenario.switch()
    scenario.clock.move_to(at("Tue 20:00"))
    claimed = run_concurrently([lambda: claims.claim_due_checks(now=timezone.now())] * 2)
    ids = [pk for found in claimed for batch in found for pk in batch.check_ids]
    assert sorted(ids) == sorted(set(ids))
    # The broker delivers the batch to two workers.
    run_concurrently([lambda: run_checks(ids)] * 2)

    verified = [line for line in scenario.lines("task-verified") if line[1] == at("Tue 20:00")]
    assert len(verified) == 1
    assert scenario.status("mx-record-cutover") == "verified"
    newest = Observation.objects.filter(check_asked=scenario.check(CheckKind.MX)).first()
    assert newest is not None
    assert (newest.runs, newest.first_seen_at) == (1, at("Tue 20:00"))
    assert not Check.objects.exclude(claim_id="").exists()
