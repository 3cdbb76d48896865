"""Evenings on which workers die, come late, or come twice: nothing is lost, and nothing doubled."""

from __future__ import annotations

import asyncio
import re

from django.utils import timezone

from checks import looks, services
from checks.cadence import Pace
from checks.engine.batch import look_all
from checks.engine.outcomes import Kind, Outcome
from checks.models import Check, Observation
from checks.tasks import run_checks
from onboarding.models import CutoverSnapshot
from tests.clock import at
from tests.evenings.evening import NORTHWIND, OLD, Evening

GATE = "mx-record-cutover"


def _live(html: str) -> tuple[str, str]:
    """The address that an open page asks, and what it was told when it was made."""
    address = re.search(r'data-live-url="([^"]+)"', html)
    revision = re.search(r'data-live-revision="([^"]+)"', html)
    assert address is not None
    assert revision is not None
    return address.group(1), revision.group(1)


def test_an_open_room_learns_that_nobody_looks_any_more(evening: Evening) -> None:
    """No look raises the plan's revision then: the page has to come back by itself."""
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.switch()
    evening.at("Tue 20:00:10")
    page = evening.room(cutover)
    address, shown = _live(page.html)

    assert (page.shapes, evening.asked(address)) == ({NORTHWIND: "pass"}, shown)
    evening.clock.move_to(at("Tue 20:00:14"))
    assert evening.asked(address) == shown
    evening.clock.move_to(at("Tue 20:00:15"))
    assert evening.asked(address) != shown

    evening.clock.move_to(at("Tue 20:11"))
    assert evening.room(cutover).shapes == {NORTHWIND: "unknown"}
    evening.clock.move_to(at("Wed 20:00"))
    assert _live(evening.room(cutover).html)[0].endswith("?pulse=300")


class Worker:
    """One that takes its time: it claims, it asks, and it may never get to recording."""

    def __init__(self, evening: Evening) -> None:
        self.evening = evening
        claimed = services.claim_due_checks(now=timezone.now())
        self.ids = [pk for batches in claimed.values() for batch in batches for pk in batch]
        self.asked_at = timezone.now()
        self.told: list[tuple[Check, Outcome]] = []

    def ask(self) -> None:
        self.asked_at = timezone.now()
        checks = list(Check.objects.filter(pk__in=self.ids).select_related("tenant", "domain"))
        outcomes = asyncio.run(
            look_all(
                [looks.look_for(check) for check in checks],
                network=self.evening.dns.network(),
                budget_seconds=5,
                concurrency=20,
            )
        )
        self.told = list(zip(checks, outcomes, strict=True))

    def record(self) -> int:
        with self.evening.acts():
            return sum(
                services.record_run(check.pk, outcome, asked=check.expectation, at=self.asked_at)
                for check, outcome in self.told
            )


def _window(evening: Evening) -> None:
    evening.lowered_on_monday()
    evening.plan("Tue 20:00")
    evening.at("Tue 19:30")


def test_a_claim_of_a_worker_that_died_runs_out_and_the_window_goes_on(evening: Evening) -> None:
    _window(evening)
    evening.switch()
    evening.clock.move_to(at("Tue 20:00"))
    dead = Worker(evening)
    mx = evening.check(Kind.MX)
    assert mx.pk in dead.ids

    evening.at("Tue 20:01")
    evening.at("Tue 20:02:59")
    assert evening.state(GATE) == "todo"
    held = evening.check(Kind.MX)
    assert (held.looked_at, held.claimed_until) == (at("Tue 19:30"), at("Tue 20:03"))

    evening.at("Tue 20:03")
    freed = evening.check(Kind.MX)
    assert evening.state(GATE) == "proven"
    assert (freed.looked_at, freed.claimed_until, freed.pace) == (
        at("Tue 20:03"),
        None,
        Pace.CLOSE.value,
    )
    assert 9 <= (freed.next_due_at - at("Tue 20:03")).total_seconds() <= 11


def test_a_late_answer_is_overtaken_by_a_newer_one(evening: Evening) -> None:
    _window(evening)
    evening.switch()
    evening.clock.move_to(at("Tue 20:00"))
    late = Worker(evening)
    late.ask()

    # Somebody goes back, and the worker that took over sees it.
    evening.lower()
    evening.at("Tue 20:03:30")
    assert evening.check(Kind.MX).looked_at == at("Tue 20:03:30")
    evening.clock.move_to(at("Tue 20:04"))

    assert late.record() == 0
    assert evening.state(GATE) == "todo"
    assert evening.lines("task-proven")[-1][1] < at("Tue 19:30")
    newest = evening.check(Kind.MX).latest
    assert newest is not None
    assert {tuple(row["values"]) for row in newest.evidence["servers"]} == {OLD}


def test_a_batch_that_is_delivered_twice_proves_once(evening: Evening) -> None:
    _window(evening)
    evening.switch()
    evening.clock.move_to(at("Tue 20:00"))
    worker = Worker(evening)
    worker.ask()
    evening.clock.move_to(at("Tue 20:00:02"))

    first, second = worker.record(), worker.record()
    with evening.acts():
        run_checks(worker.ids)
        run_checks(worker.ids)

    assert (first, second) == (len(worker.ids), 0)
    proven = [line for line in evening.lines("task-proven") if line[1] >= at("Tue 20:00")]
    assert proven == [("task-proven", at("Tue 20:00:02"))]
    newest = Observation.objects.filter(check_asked=evening.check(Kind.MX)).first()
    assert newest is not None
    # Its own look, and one more at 20:00:02: the repeated delivery of that moment is none.
    assert (newest.looks, newest.first_seen_at) == (2, at("Tue 20:00"))


def test_a_late_no_does_not_count_among_those_that_take_a_proof_back(evening: Evening) -> None:
    _window(evening)
    evening.clock.move_to(at("Tue 19:31"))
    late = Worker(evening)
    late.ask()
    evening.switch()
    evening.at("Tue 19:34:30")
    assert evening.state(GATE) == "proven"

    assert late.record() == 0
    mx = evening.check(Kind.MX)

    assert (mx.failing_looks, mx.doubted_since) == (0, None)
    assert evening.state(GATE) == "proven"


def test_beats_that_come_twice_open_a_window_once(evening: Evening) -> None:
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    evening.at("Tue 19:30")
    evening.beat()
    evening.at("Tue 19:31")

    assert CutoverSnapshot.objects.filter(cutover=cutover).count() == 1
    assert evening.lines("snapshot-taken") == [("snapshot-taken", at("Tue 19:30"))]
    shown = evening.room(cutover)
    assert shown.shapes == {NORTHWIND: "waiting"}


def test_nobody_looking_is_nothing_known(evening: Evening) -> None:
    """All workers are gone since Monday noon: what they saw last is no answer for Tuesday."""
    evening.lowered_on_monday()
    cutover = evening.plan("Tue 20:00")
    assert evening.confirm(cutover) == []
    evening.clock.move_to(at("Tue 20:00"))

    shown = evening.room(cutover)

    assert shown.safe_at is None
    assert {row.verdict.value for row in shown.room.rows if row.key in ("ownership", "ttl")} == {
        "unknown"
    }
    assert [each.key for each in shown.room.objections_since] == ["clock"]
