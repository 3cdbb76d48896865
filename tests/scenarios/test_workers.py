"""Workers that stop, are late, or receive a batch twice: nothing is lost or duplicated."""

from __future__ import annotations

import asyncio
import re

from django.utils import timezone

from checks import claims, runs, services
from checks.engine.batch import run_all
from checks.engine.outcomes import CheckKind, Outcome
from checks.models import Check, Observation
from checks.scheduling import Interval
from checks.tasks import run_checks
from onboarding.models import CutoverSnapshot
from tests.clock import at
from tests.scenarios.scenario import NORTHWIND, OLD, Scenario

GATE = "mx-record-cutover"


def _live(html: str) -> tuple[str, str]:
    """The address that an open page polls, and the revision of the page."""
    address = re.search(r'data-live-url="([^"]+)"', html)
    revision = re.search(r'data-live-revision="([^"]+)"', html)
    assert address is not None
    assert revision is not None
    return address.group(1), revision.group(1)


def test_open_room_shows_stale_state(scenario: Scenario) -> None:
    """Without runs the plan's revision does not change, so the page must refresh on its own."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.switch()
    scenario.at("Tue 20:00:10")
    page = scenario.room(cutover)
    address, shown = _live(page.html)

    assert (page.shapes, scenario.poll(address)) == ({NORTHWIND: "pass"}, shown)
    scenario.clock.move_to(at("Tue 20:00:14"))
    assert scenario.poll(address) == shown
    scenario.clock.move_to(at("Tue 20:00:15"))
    assert scenario.poll(address) != shown

    scenario.clock.move_to(at("Tue 20:11"))
    assert scenario.room(cutover).shapes == {NORTHWIND: "unknown"}
    scenario.clock.move_to(at("Wed 20:00"))
    assert _live(scenario.room(cutover).html)[0].endswith("?refresh_seconds=300")


class Worker:
    """A slow worker: it claims, queries and records in separate calls, or never records."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        claimed = claims.claim_due_checks(now=timezone.now())
        self.ids = [pk for batch in claimed for pk in batch.check_ids]
        self.started_at = timezone.now()
        self.outcomes: list[tuple[Check, Outcome]] = []

    def query(self) -> None:
        self.started_at = timezone.now()
        checks = list(Check.objects.filter(pk__in=self.ids).select_related("tenant", "domain"))
        outcomes = asyncio.run(
            run_all(
                [runs.build_request(check) for check in checks],
                network=self.scenario.dns.network(),
                budget_seconds=5,
                concurrency=20,
            )
        )
        self.outcomes = list(zip(checks, outcomes, strict=True))

    def record(self) -> int:
        with self.scenario.commits():
            return sum(
                services.record_run(
                    check.pk, outcome, expectation=check.expectation, at=self.started_at
                )
                for check, outcome in self.outcomes
            )


def _window(scenario: Scenario) -> None:
    scenario.lowered_on_monday()
    scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")


def test_lost_claim_expires_in_window(scenario: Scenario) -> None:
    _window(scenario)
    scenario.switch()
    scenario.clock.move_to(at("Tue 20:00"))
    dead = Worker(scenario)
    mx = scenario.check(CheckKind.MX)
    assert mx.pk in dead.ids

    scenario.at("Tue 20:00:05")
    scenario.at("Tue 20:00:09")
    assert scenario.status(GATE) == "todo"
    claimed = scenario.check(CheckKind.MX)
    assert (claimed.checked_at, claimed.claimed_until) == (at("Tue 19:30"), at("Tue 20:00:10"))

    scenario.at("Tue 20:00:10")
    freed = scenario.check(CheckKind.MX)
    assert scenario.status(GATE) == "verified"
    assert (freed.checked_at, freed.claimed_until, freed.interval) == (
        at("Tue 20:00:10"),
        None,
        Interval.CUTOVER.value,
    )
    assert 9 <= (freed.next_due_at - at("Tue 20:00:10")).total_seconds() <= 11


def test_late_answer_is_ignored(scenario: Scenario) -> None:
    _window(scenario)
    scenario.switch()
    scenario.clock.move_to(at("Tue 20:00"))
    late = Worker(scenario)
    late.query()

    # The client rolls back, and a second worker observes it.
    scenario.lower()
    scenario.at("Tue 20:03:30")
    assert scenario.check(CheckKind.MX).checked_at == at("Tue 20:03:30")
    scenario.clock.move_to(at("Tue 20:04"))

    assert late.record() == 0
    assert scenario.status(GATE) == "todo"
    assert scenario.lines("task-verified")[-1][1] < at("Tue 19:30")
    newest = scenario.check(CheckKind.MX).latest
    assert newest is not None
    assert {tuple(row["values"]) for row in newest.evidence["servers"]} == {OLD}


def test_repeated_batch_verifies_once(scenario: Scenario) -> None:
    _window(scenario)
    scenario.switch()
    scenario.clock.move_to(at("Tue 20:00"))
    worker = Worker(scenario)
    worker.query()
    scenario.clock.move_to(at("Tue 20:00:02"))

    first, second = worker.record(), worker.record()
    with scenario.commits():
        run_checks(worker.ids)
        run_checks(worker.ids)

    assert (first, second) == (len(worker.ids), 0)
    verified = [line for line in scenario.lines("task-verified") if line[1] >= at("Tue 20:00")]
    assert verified == [("task-verified", at("Tue 20:00:02"))]
    newest = Observation.objects.filter(check_asked=scenario.check(CheckKind.MX)).first()
    assert newest is not None
    # The repeated message runs nothing: its checks are not due.
    assert (newest.runs, newest.first_seen_at) == (1, at("Tue 20:00"))


def test_late_fail_does_not_count(scenario: Scenario) -> None:
    _window(scenario)
    scenario.clock.move_to(at("Tue 19:31"))
    late = Worker(scenario)
    late.query()
    scenario.switch()
    scenario.at("Tue 19:34:30")
    assert scenario.status(GATE) == "verified"

    assert late.record() == 0
    mx = scenario.check(CheckKind.MX)

    assert (mx.contradicting_runs, mx.contradicted_since) == (0, None)
    assert scenario.status(GATE) == "verified"


def test_repeated_beat_opens_window_once(scenario: Scenario) -> None:
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    scenario.at("Tue 19:30")
    scenario.beat()
    scenario.at("Tue 19:31")

    assert CutoverSnapshot.objects.filter(cutover=cutover).count() == 1
    assert scenario.lines("snapshot-saved") == [("snapshot-saved", at("Tue 19:30"))]
    shown = scenario.room(cutover)
    assert shown.shapes == {NORTHWIND: "waiting"}


def test_no_workers_makes_readiness_unknown(scenario: Scenario) -> None:
    """No worker runs after Monday 09:05, so the last observations do not count on Tuesday."""
    scenario.lowered_on_monday()
    cutover = scenario.plan("Tue 20:00")
    assert scenario.confirm(cutover) == []
    scenario.clock.move_to(at("Tue 20:00"))

    shown = scenario.room(cutover)

    assert shown.safe_at is None
    assert {row.verdict.value for row in shown.room.rows if row.key in ("ownership", "ttl")} == {
        "unknown"
    }
    assert [each.key for each in shown.room.new_window_blockers] == ["safe-time"]
