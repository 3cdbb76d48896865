"""One check in a simulated world under the product's own rules, compared with the ground truth.

Real: the engine's inspect functions, settling, scheduling, safe times and the rules of claiming.
Simulated: the network, the time, and workers that die, are late or deliver twice.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from checks.check_state import (
    CheckPolicy,
    CheckState,
    apply_run,
    digest_of,
    is_claimable,
    is_stale,
)
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.safe_times import (
    LOCKDOWN_MARGIN,
    ObservedInterval,
    cutover_safe_time,
    lockdown_safe_time,
    observed_interval,
)
from checks.scheduling import MAX_INTERVAL, REQUESTED_FOR, Priorities
from checks.settling import ReopenPolicy
from checks.simulation import ground_truth
from checks.simulation.counts import Counts
from checks.simulation.published_records import HOSTS, THRESHOLD, questions
from checks.simulation.world import (
    BUSY_SECONDS,
    CALM_SECONDS,
    Resolver,
    SimulatedLookup,
    SimulatedWorld,
    make_world,
)

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
END = BUSY_SECONDS + CALM_SECONDS
# As in production, with shorter long intervals, so that a run is over soon.
SECONDS = {
    "cutover": 30,
    "requested": 30,
    "settling": 15,
    "unsettled": 400,
    "reopening": 150,
    "idle": 1500,
}
POLICY = CheckPolicy(SECONDS, ReopenPolicy())
CLAIM_SECONDS = 180.0
# A worker is killed after this time; until then it may still record.
TIME_LIMIT_SECONDS = 330.0
_LONGEST_WAIT = 1.1 * max(SECONDS.values()) + CLAIM_SECONDS + TIME_LIMIT_SECONDS + 10
_ASKED = {"simulated": True}


def to_datetime(at: float) -> datetime:
    return START + timedelta(seconds=at)


@dataclass
class SimulatedCheck:
    """The check as stored in the database."""

    state: CheckState
    claimed_until: float = 0.0
    priorities: Priorities = field(default_factory=Priorities)
    intervals: list[ObservedInterval] = field(default_factory=list)


@dataclass
class Simulation:
    """One run. `events` are future events: a click on "Check now", or the delivery of a run."""

    world: SimulatedWorld
    chance: random.Random
    counts: Counts = field(default_factory=lambda: Counts(runs=1))
    row: SimulatedCheck = field(
        default_factory=lambda: SimulatedCheck(CheckState(next_due_at=START))
    )
    events: list[tuple[float, int, ground_truth.SimulatedRun | None]] = field(default_factory=list)
    recorded_runs: list[ground_truth.SimulatedRun] = field(default_factory=list)
    claimed_at: float = 0.0

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.world)
        self._order = count()
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self._plan(self.chance.uniform(0, BUSY_SECONDS), None)

    async def play(self) -> Counts:
        while True:
            beat = self._due() + self.chance.random() * 2
            if self.events and self.events[0][0] <= beat:
                at, _, run = heapq.heappop(self.events)
                if run is None:
                    self._request_run(at)
                else:
                    self._record(run, now=at)
            elif beat > END:
                break
            else:
                await self._claim(beat)
        self.counts.unsettled += not ground_truth.is_consistent(
            self.world, self.recorded_runs, self.row.state
        )
        return self.counts

    def _due(self) -> float:
        due = (self.row.state.next_due_at - START).total_seconds()
        return max(due, self.row.claimed_until)

    def _plan(self, at: float, run: ground_truth.SimulatedRun | None) -> None:
        heapq.heappush(self.events, (at, next(self._order), run))

    def _request_run(self, at: float) -> None:
        """A person has just changed a record. The claim of a worker remains."""
        until = to_datetime(at) + REQUESTED_FOR
        self.row.priorities = replace(self.row.priorities, requested_until=until)
        self.row.state = replace(self.row.state, next_due_at=to_datetime(at))

    async def _claim(self, beat: float) -> None:
        """A beat claims and queues the due check; a second beat finds it claimed."""
        row, chance = self.row, self.chance
        claimed_until = to_datetime(row.claimed_until)
        self.counts.abandoned += not is_claimable(
            row.state.next_due_at, claimed_until, now=to_datetime(beat)
        )
        self.counts.abandoned += beat - self.claimed_at > _LONGEST_WAIT
        self.claimed_at, row.claimed_until = beat, beat + CLAIM_SECONDS
        waited = chance.uniform(0, 170) if chance.random() < 0.03 else chance.random()
        run = await self._run_check(beat + waited)
        fate = chance.random() if beat < BUSY_SECONDS else 1.0
        if fate < 0.06:
            self.counts.workers_died += 1
        elif fate < 0.11:
            # The claim has expired, and another worker may have run the check since.
            self.counts.delivered_late += 1
            self._plan(run.at + chance.uniform(CLAIM_SECONDS, TIME_LIMIT_SECONDS), run)
        elif fate < 0.17:
            self.counts.delivered_twice += 1
            again = run if fate < 0.14 else await self._run_check(run.at + chance.uniform(0, 5))
            for each in (run, again):
                self._plan(each.at + chance.uniform(2, 9), each)
        else:
            self._plan(run.at + chance.uniform(2, 4), run)

    async def _run_check(self, at: float) -> ground_truth.SimulatedRun:
        self.counts.check_runs += 1
        lookup = SimulatedLookup(self.world, self.resolver, at)
        outcome = await self.world.question.inspect(lookup)
        return ground_truth.SimulatedRun(at, outcome, lookup.served, lookup.viewed)

    def _record(self, run: ground_truth.SimulatedRun, *, now: float) -> None:
        """As `checks.services.record_runs`, without a database."""
        row, at = self.row, to_datetime(run.at)
        if is_stale(row.state, at):
            row.claimed_until = 0.0
            self.counts.dropped += 1
            return
        before, digest = row.state, digest_of(run.outcome, _ASKED)
        row.state = apply_run(
            before,
            run.outcome,
            digest,
            at=at,
            now=to_datetime(now),
            priorities=row.priorities,
            policy=POLICY,
            jitter=self.chance.uniform(-1, 1),
        )
        row.claimed_until = 0.0
        self._extend_or_open(run.outcome, is_same=digest == before.digest, at=at)
        self.recorded_runs.append(run)
        self.counts.recorded += 1
        wait = row.state.next_due_at - to_datetime(now)
        self.counts.abandoned += not timedelta(0) < wait <= MAX_INTERVAL
        self._compare_with_truth(before, run)

    def _extend_or_open(self, outcome: Outcome, *, is_same: bool, at: datetime) -> None:
        intervals = self.row.intervals
        if is_same and intervals:
            intervals[-1] = replace(intervals[-1], last_seen_at=at)
            return
        findings = [{"code": f.code, "params": f.params} for f in outcome.findings]
        intervals.append(
            observed_interval(outcome.evidence, findings, first_seen_at=at, last_seen_at=at)
        )

    def _compare_with_truth(self, before: CheckState, run: ground_truth.SimulatedRun) -> None:
        was, is_now = before.settled.verdict, self.row.state.settled.verdict
        if is_now is not was and is_now in (Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE):
            self.counts.completions += 1
            self.counts.wrong_completions += not ground_truth.completes(self.world, run, is_now)
        if was is not None and was.is_passing and is_now is not None and not is_now.is_passing:
            self.counts.reopenings += 1
            self.counts.false_reopenings += not ground_truth.reopens(
                self.world, run, POLICY.reopen_policy
            )
        self._compare_safe_time()

    def _compare_safe_time(self) -> None:
        kind, intervals = self.world.question.kind, self.row.intervals
        if kind is CheckKind.MX_TTL:
            safe_at = cutover_safe_time(intervals, threshold=THRESHOLD).safe_at
        elif kind is CheckKind.MX:
            safe_at = lockdown_safe_time(intervals, expected=HOSTS).safe_at
            safe_at = safe_at - LOCKDOWN_MARGIN if safe_at is not None else None
        else:
            return
        if safe_at is not None:
            self.counts.safe_times += 1
            self.counts.early_safe_times += not ground_truth.is_safe(
                self.world, self.recorded_runs, (safe_at - START).total_seconds()
            )


def simulate(*, runs: int, seed: int) -> Counts:
    """Play `runs` runs from a seed; the same seed gives the same runs."""
    return asyncio.run(_simulate(runs, seed))


async def _simulate(runs: int, seed: int) -> Counts:
    counts = Counts()
    asked = list(questions().values())
    for number in range(runs):
        chance = random.Random(f"{seed}:{number}")
        world = make_world(asked[number % len(asked)], chance)
        counts.add(await Simulation(world, chance).play())
    return counts
