"""Name servers that lag, lie, drop and leave, behind a resolver that counts TTLs down.

Time is in seconds since the start of a run. One seeded generator supplies all random values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Server,
)
from checks.simulation.published_records import (
    ABSENT,
    DOMAIN,
    ELSEWHERE,
    SimulatedQuestion,
    ZoneContent,
)

# The length of the busy period, and of the calm period in which every settled verdict must become
# correct.
BUSY_SECONDS = 5400.0
CALM_SECONDS = 5400.0
# Before the first run.
PAST_SECONDS = 2 * 86_400.0
# A zone may be empty everywhere for this long without an alarm.
LONGEST_RELOAD = 480.0
_TRANSPORT = ("timeout", "servfail", "refused", "lame", "malformed", "unreachable")
NEGATIVE_TTL = 300


@dataclass(frozen=True)
class Episode:
    """A period in which a server fails (`reason`) or gives another answer (`instead`).

    It does so always or, when it flaps, at times. `is_reload`: all servers of the operator do so.
    """

    start: float
    end: float
    reason: str = ""
    instead: ZoneContent = ABSENT
    flaps: bool = False
    is_reload: bool = False


@dataclass
class SimulatedServer:
    server: Server
    # The versions of its zone with their start times, oldest first.
    copies: list[tuple[float, ZoneContent]]
    episodes: list[Episode] = field(default_factory=list)
    drops: float = 0.0

    def content_at(self, at: float) -> ZoneContent:
        return next(content for since, content in reversed(self.copies) if since <= at)

    def may_give(self, at: float) -> list[ZoneContent]:
        """Its possible answers from its own contents, without reloads and failures."""
        lies = [e for e in self._lies if e.start <= at < e.end]
        flaps = [e.instead for e in takewhile(lambda e: e.flaps, lies)]
        solid = [e.instead for e in lies[len(flaps) : len(flaps) + 1]]
        return flaps + (solid or [self.content_at(at)])

    def gives_until(self, content: ZoneContent, at: float) -> float:
        """The time until which the server continued with its answer at `at`."""
        if self.content_at(at) == content:
            return min((since for since, _ in self.copies if since > at), default=float("inf"))
        lies = [e.end for e in self._lies if e.instead == content and e.start <= at < e.end]
        return max(lies, default=at)

    @property
    def changes(self) -> list[float]:
        """The times at which its answer may change."""
        lies = [time for e in self._lies for time in (e.start, e.end)]
        return [since for since, _ in self.copies] + lies

    @property
    def _lies(self) -> list[Episode]:
        return [e for e in self.episodes if not e.reason and not e.is_reload]

    def answers(self, at: float, chance: random.Random) -> ZoneContent | LookupFailure:
        if at < BUSY_SECONDS and chance.random() < self.drops:
            return LookupFailure("timeout")
        for episode in self.episodes:
            if episode.start <= at < episode.end and not (episode.flaps and chance.random() < 0.5):
                return LookupFailure(episode.reason) if episode.reason else episode.instead
        return self.content_at(at)


@dataclass
class SimulatedWorld:
    """One zone, all its servers, and the parent with the delegation."""

    question: SimulatedQuestion
    servers: list[SimulatedServer]
    # The servers of the zone, by number, with the start time of each delegation.
    delegations: list[tuple[float, tuple[int, ...]]]
    ns_ttl: int
    chance: random.Random
    resolver_is_down: list[tuple[float, float]] = field(default_factory=list)
    unresolved: list[tuple[float, float, int]] = field(default_factory=list)
    parent_is_down: list[tuple[float, float]] = field(default_factory=list)

    def delegated(self, at: float) -> tuple[int, ...]:
        return next(numbers for since, numbers in reversed(self.delegations) if since <= at)

    def left_at(self, number: int, before: float) -> float | None:
        """The time at which the server left the delegation; None while it is part of it."""
        if number in self.delegated(before):
            return None
        left = [since for since, numbers in self.delegations if number not in numbers]
        return max((since for since in left if since <= before), default=None)


def make_world(question: SimulatedQuestion, chance: random.Random) -> SimulatedWorld:
    count = chance.choice((1, 2, 2, 3, 4))
    edits = _edits(question, chance)
    servers = [_server(number, edits, chance) for number in range(count)]
    numbers = tuple(range(count))
    delegations = [(-PAST_SECONDS, numbers)]
    if chance.random() < 0.25:
        servers += [_server(n, edits, chance) for n in range(count, count + 2)]
        kept = numbers[: chance.randint(0, count)]
        delegations.append((chance.uniform(0, BUSY_SECONDS), (*kept, count, count + 1)))
    world = SimulatedWorld(
        question, servers, delegations, chance.choice((300, 3600, 86_400)), chance
    )
    _add_faults(world)
    return world


def _edits(question: SimulatedQuestion, chance: random.Random) -> list[tuple[float, ZoneContent]]:
    """The client's changes and their times: before the first run, and a few after it."""
    times = [-PAST_SECONDS]
    if chance.random() < 0.3:
        times.append(-chance.uniform(60, 86_400))
    times += sorted(chance.uniform(0, BUSY_SECONDS) for _ in range(chance.randint(0, 4)))
    return [(time, _content(question, chance)) for time in times]


def _content(question: SimulatedQuestion, chance: random.Random) -> ZoneContent:
    values = chance.choice(question.right if chance.random() < 0.6 else question.wrong)
    return question.content(values, chance.choice((60, 300, 901, 3600, 14_400, 86_400)))


def _server(
    number: int, edits: Sequence[tuple[float, ZoneContent]], chance: random.Random
) -> SimulatedServer:
    """A server applies each change after a delay: most at once, some after half an hour."""
    copies: list[tuple[float, ZoneContent]] = []
    for time, content in edits:
        lag = chance.choice((0.0, 0.0, 2.0, 30.0, 600.0, 1800.0)) * chance.random()
        copies.append((max([time + lag, *(since for since, _ in copies)]), content))
    copies[0] = (-PAST_SECONDS, copies[0][1])
    name = f"ns{number // 2}.dns.test" if chance.random() < 0.3 else f"ns-{number}.dns.test"
    drops = chance.choice((0.0, 0.0, 0.0, 0.02, 0.3))
    return SimulatedServer(Server(name, f"192.0.2.{number + 1}"), copies, drops=drops)


def _add_faults(world: SimulatedWorld) -> None:
    chance = world.chance
    # One server of each delegation always serves its own contents, so that no wrong answer is
    # unanimous for long.
    honest = {numbers[0] for _, numbers in world.delegations}
    for number, each in enumerate(world.servers):
        for _ in range(chance.choice((0, 0, 1, 2))):
            start = chance.uniform(0, BUSY_SECONDS)
            end = min(start + chance.expovariate(1 / 900), BUSY_SECONDS)
            if number in honest or chance.random() < 0.5:
                each.episodes.append(Episode(start, end, reason=chance.choice(_TRANSPORT)))
            else:
                lie = ABSENT if chance.random() < 0.3 else _content(world.question, chance)
                flaps = chance.random() < 0.5
                each.episodes.append(Episode(start, end, instead=lie, flaps=flaps))
    if chance.random() < 0.3:
        _add_reloads(world)
    if chance.random() < 0.15:
        start = chance.uniform(0, BUSY_SECONDS)
        world.resolver_is_down.append((start, min(start + 900, BUSY_SECONDS)))
    if chance.random() < 0.1:
        start = chance.uniform(0, BUSY_SECONDS)
        world.parent_is_down.append((start, min(start + 900, BUSY_SECONDS)))
    if chance.random() < 0.1:
        start = chance.uniform(0, BUSY_SECONDS)
        number = chance.randrange(len(world.servers))
        world.unresolved.append((start, min(start + 1200, BUSY_SECONDS), number))


def _add_reloads(world: SimulatedWorld) -> None:
    """The whole operator serves an empty zone for some minutes, or flaps between nodes."""
    chance = world.chance
    start = chance.uniform(0, BUSY_SECONDS / 2)
    while start < BUSY_SECONDS - LONGEST_RELOAD:
        end = start + chance.uniform(3, LONGEST_RELOAD)
        reload = Episode(start, end, flaps=chance.random() < 0.3, is_reload=True)
        for each in world.servers:
            each.episodes.insert(0, reload)
        start = end + chance.uniform(1800, BUSY_SECONDS)


class SimulatedLookup:
    """The `Lookup` of the engine in this world, at one time."""

    def __init__(self, world: SimulatedWorld, resolver: Resolver, at: float) -> None:
        self._world, self._resolver, self._at = world, resolver, at
        # The answer of each queried server in this run, and the view of the delegation.
        self.served: dict[str, ZoneContent | None] = {}
        self.viewed: tuple[int, ...] = ()

    async def resolve(self, name: str, rtype: str) -> Answer:
        return self._resolver.resolve(name, rtype, self._random_delay())

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.query(server, name, rtype) for server in servers]

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        world = self._world
        asked = next(each for each in world.servers if each.server == server)
        given = asked.answers(self._random_delay(), world.chance)
        if (name, rtype) != (world.question.name, world.question.rtype):
            return given if isinstance(given, LookupFailure) else NoName()
        self.served[str(server)] = None if isinstance(given, LookupFailure) else given
        return given if isinstance(given, LookupFailure) else as_answer(world.question, given)

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        world, at = self._world, self._at
        viewed = self._resolver.view(at)
        if viewed is None:
            return LookupFailure("timeout")
        # As in the engine: every server named by the resolver or the parent is queried.
        parent_is_down = any(start <= at < end for start, end in world.parent_is_down)
        if not parent_is_down:
            viewed = tuple(sorted({*viewed, *world.delegated(at)}))
        self.viewed = viewed
        lost = {n for start, end, n in world.unresolved if start <= at < end} & set(viewed)
        return Delegation(
            zone=DOMAIN,
            servers=tuple(world.servers[n].server for n in viewed if n not in lost),
            unresolved=tuple(sorted({world.servers[n].server.name for n in lost})),
            is_confirmed=not parent_is_down,
        )

    def _random_delay(self) -> float:
        """A run needs some time, and events may happen within it."""
        return self._at + self._world.chance.random() * 2


def as_answer(question: SimulatedQuestion, content: ZoneContent) -> Answer:
    return NoRecord() if content.is_absent else Records(question.records(content))


class Resolver:
    """One caching resolver: it stores an answer for its TTL and shows the remaining TTL."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self._kept: dict[tuple[str, str], tuple[float, ZoneContent | None]] = {}
        self._view: tuple[float, tuple[int, ...]] = (-PAST_SECONDS, ())

    def view(self, at: float) -> tuple[int, ...] | None:
        """The delegation as this resolver knows it; None while it is down."""
        if any(start <= at < end for start, end in self._world.resolver_is_down):
            return None
        expires, numbers = self._view
        if at >= expires:
            numbers = self._world.delegated(at)
            self._view = (at + self._world.ns_ttl, numbers)
        return numbers

    def resolve(self, name: str, rtype: str, at: float) -> Answer:
        view = self.view(at)
        if view is None:
            return LookupFailure("timeout")
        elsewhere = ELSEWHERE.get((name, rtype))
        if elsewhere is not None:
            return Records((Record(name, rtype, 3600, elsewhere),))
        question = self._world.question
        if (name, rtype) != (question.name, question.rtype):
            return NoRecord() if name == DOMAIN else NoName()
        expires, kept = self._kept.get((name, rtype), (at, None))
        if at >= expires or kept is None:
            given = [self._world.servers[n].answers(at, self._world.chance) for n in view]
            known = [each for each in given if isinstance(each, ZoneContent)]
            if not known:
                return LookupFailure("servfail")
            kept = known[0]
            expires = at + (kept.ttl or NEGATIVE_TTL)
            self._kept[name, rtype] = (expires, kept)
        left = ZoneContent(kept.values, int(expires - at), kept.is_right)
        return as_answer(question, left)
