"""One check under watch in a simulated world, by the product's own rules, held against the truth.

The engine's inspect functions, settling, cadence, clocks and the rules for claiming are the real
ones; simulated are the network, the clock, and workers that die, come late or come twice.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from checks.believing import Belief, Manner, after_look, digest_of, is_free, is_overtaken
from checks.cadence import HURRIED_FOR, LONGEST, Wishes
from checks.clocks import LOCKDOWN_MARGIN, Sight, cutover_clock, lockdown_clock, sight_of
from checks.engine.outcomes import Kind, Outcome, Verdict
from checks.settling import Patience
from checks.simulation import truth
from checks.simulation.contents import HOSTS, THRESHOLD, questions
from checks.simulation.counts import Counts
from checks.simulation.world import (
    BUSY_SECONDS,
    CALM_SECONDS,
    Resolver,
    SimulatedLookup,
    World,
    make_world,
)

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
END = BUSY_SECONDS + CALM_SECONDS
# As in production, but for long waits, which are shortened so that a run is soon over.
SECONDS = {
    "close": 30,
    "hurried": 30,
    "confirming": 15,
    "attended": 120,
    "watched": 400,
    "doubting": 150,
    "quiet": 1500,
}
MANNER = Manner(SECONDS, Patience())
CLAIM_SECONDS = 180.0
# A worker is ended after this; until then it may still record.
TIME_LIMIT_SECONDS = 330.0
_LONGEST_WAIT = 1.1 * max(SECONDS.values()) + CLAIM_SECONDS + TIME_LIMIT_SECONDS + 10
_ASKED = {"simulated": True}


def moment(at: float) -> datetime:
    return START + timedelta(seconds=at)


@dataclass
class Row:
    """The check as the database would hold it."""

    belief: Belief
    claimed_until: float = 0.0
    wishes: Wishes = field(default_factory=Wishes)
    sights: list[Sight] = field(default_factory=list)


@dataclass
class Run:
    """One run. `steps` are things to come: a press of "check now", or a look's delivery."""

    world: World
    chance: random.Random
    counts: Counts = field(default_factory=lambda: Counts(runs=1))
    row: Row = field(default_factory=lambda: Row(Belief(next_due_at=START)))
    steps: list[tuple[float, int, truth.Look | None]] = field(default_factory=list)
    told: list[truth.Look] = field(default_factory=list)
    taken_at: float = 0.0

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.world)
        self._order = count()
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self._plan(self.chance.uniform(0, BUSY_SECONDS), None)

    async def play(self) -> Counts:
        while True:
            beat = self._due() + self.chance.random() * 2
            if self.steps and self.steps[0][0] <= beat:
                at, _, look = heapq.heappop(self.steps)
                if look is None:
                    self._press(at)
                else:
                    self._record(look, now=at)
            elif beat > END:
                break
            else:
                await self._take(beat)
        self.counts.unsettled += not truth.is_at_rest(self.world, self.told, self.row.belief)
        return self.counts

    def _due(self) -> float:
        due = (self.row.belief.next_due_at - START).total_seconds()
        return max(due, self.row.claimed_until)

    def _plan(self, at: float, look: truth.Look | None) -> None:
        heapq.heappush(self.steps, (at, next(self._order), look))

    def _press(self, at: float) -> None:
        """A person says that they have just changed it; whatever a worker holds stays its own."""
        until = moment(at) + HURRIED_FOR
        self.row.wishes = replace(self.row.wishes, hurried_until=until)
        self.row.belief = replace(self.row.belief, next_due_at=moment(at))

    async def _take(self, beat: float) -> None:
        """A beat finds the check due, claims it and queues it; a second beat finds it taken."""
        row, chance = self.row, self.chance
        held = moment(row.claimed_until)
        self.counts.abandoned += not is_free(row.belief.next_due_at, held, now=moment(beat))
        self.counts.abandoned += beat - self.taken_at > _LONGEST_WAIT
        self.taken_at, row.claimed_until = beat, beat + CLAIM_SECONDS
        waited = chance.uniform(0, 170) if chance.random() < 0.03 else chance.random()
        look = await self._look(beat + waited)
        fate = chance.random() if beat < BUSY_SECONDS else 1.0
        if fate < 0.06:
            self.counts.workers_died += 1
        elif fate < 0.11:
            # The claim has run out, and another worker may have looked meanwhile.
            self.counts.delivered_late += 1
            self._plan(look.at + chance.uniform(CLAIM_SECONDS, TIME_LIMIT_SECONDS), look)
        elif fate < 0.17:
            self.counts.delivered_twice += 1
            again = look if fate < 0.14 else await self._look(look.at + chance.uniform(0, 5))
            for each in (look, again):
                self._plan(each.at + chance.uniform(2, 9), each)
        else:
            self._plan(look.at + chance.uniform(2, 4), look)

    async def _look(self, at: float) -> truth.Look:
        self.counts.looks += 1
        lookup = SimulatedLookup(self.world, self.resolver, at)
        outcome = await self.world.question.inspect(lookup)
        return truth.Look(at, outcome, lookup.served, lookup.viewed)

    def _record(self, look: truth.Look, *, now: float) -> None:
        """As services.record_run does it, without a database."""
        row, at = self.row, moment(look.at)
        if is_overtaken(row.belief, at):
            row.claimed_until = 0.0
            self.counts.dropped += 1
            return
        before, digest = row.belief, digest_of(look.outcome, _ASKED)
        row.belief = after_look(
            before,
            look.outcome,
            digest,
            at=at,
            now=moment(now),
            wishes=row.wishes,
            manner=MANNER,
            jitter=self.chance.uniform(-1, 1),
        )
        row.claimed_until = 0.0
        self._extend_or_open(look.outcome, is_same=digest == before.digest, at=at)
        self.told.append(look)
        self.counts.recorded += 1
        wait = row.belief.next_due_at - moment(now)
        self.counts.abandoned += not timedelta(0) < wait <= LONGEST
        self._hold_against_the_truth(before, look)

    def _extend_or_open(self, outcome: Outcome, *, is_same: bool, at: datetime) -> None:
        sights = self.row.sights
        if is_same and sights:
            sights[-1] = replace(sights[-1], last_seen_at=at)
            return
        findings = [{"code": f.code, "params": f.params} for f in outcome.findings]
        sights.append(sight_of(outcome.evidence, findings, first_seen_at=at, last_seen_at=at))

    def _hold_against_the_truth(self, before: Belief, look: truth.Look) -> None:
        was, stands = before.standing.verdict, self.row.belief.standing.verdict
        if stands is not was and stands in (Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE):
            self.counts.completions += 1
            self.counts.wrong_completions += not truth.completes(self.world, look, stands)
        if was is not None and was.is_yes and stands is not None and not stands.is_yes:
            self.counts.reopenings += 1
            self.counts.false_reopenings += not truth.reopens(self.world, look, MANNER.patience)
        self._hold_the_clock()

    def _hold_the_clock(self) -> None:
        kind, sights = self.world.question.kind, self.row.sights
        if kind is Kind.MX_TTL:
            safe_at = cutover_clock(sights, threshold=THRESHOLD).safe_at
        elif kind is Kind.MX:
            safe_at = lockdown_clock(sights, expected=HOSTS).safe_at
            safe_at = safe_at - LOCKDOWN_MARGIN if safe_at is not None else None
        else:
            return
        if safe_at is not None:
            self.counts.clocks += 1
            self.counts.early_clocks += not truth.is_safe(
                self.world, self.told, (safe_at - START).total_seconds()
            )


def simulate(*, runs: int, seed: int) -> Counts:
    """Play `runs` runs from a seed; the same seed plays the same."""
    return asyncio.run(_simulate(runs, seed))


async def _simulate(runs: int, seed: int) -> Counts:
    counts = Counts()
    asked = list(questions().values())
    for number in range(runs):
        chance = random.Random(f"{seed}:{number}")
        world = make_world(asked[number % len(asked)], chance)
        counts.add(await Run(world, chance).play())
    return counts
