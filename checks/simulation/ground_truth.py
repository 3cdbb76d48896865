"""What is true in a simulated world: by what its servers hold, not by what we saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.check_state import CheckState
from checks.engine.outcomes import Outcome, Verdict
from checks.settling import ReopenPolicy
from checks.simulation.published_records import ZoneContent
from checks.simulation.world import SimulatedServer, SimulatedWorld

# Seconds: times are kept to the microsecond.
_ROUNDED = 0.001


@dataclass(frozen=True)
class SimulatedRun:
    """One run: when it was asked, what it came to, and what each server really gave out."""

    at: float
    outcome: Outcome
    served: Mapping[str, ZoneContent | None]
    viewed: tuple[int, ...]


def completes(world: SimulatedWorld, run: SimulatedRun, settled: Verdict) -> bool:
    """A task may complete on a run only when every server that the parent or a resolver names gave
    out what is right in it."""
    numbers = {*run.viewed, *world.delegated(run.at)}
    given = [run.served.get(str(world.servers[number].server)) for number in numbers]
    if settled is Verdict.NOT_APPLICABLE:
        return bool(given) and all(each is not None and each.is_absent for each in given)
    return bool(given) and all(each is not None and each.is_right for each in given)


def reopens(world: SimulatedWorld, run: SimulatedRun, reopen_policy: ReopenPolicy) -> bool:
    """A task may reopen only when, within the time that it takes to be sure, there was a moment at
    which every server gave out what is wrong, and not only because their operator reloaded."""
    since = run.at - reopen_policy.span.total_seconds()
    servers = [world.servers[number] for number in run.viewed]
    times = {at for each in servers for at in each.changes if since < at <= run.at}
    return any(
        all(any(not given.is_right for given in each.may_give(at)) for each in servers)
        for at in (since, *times, run.at)
    )


def is_consistent(
    world: SimulatedWorld, recorded_runs: Sequence[SimulatedRun], state: CheckState
) -> bool:
    """In the calm at the end, what is believed is what all servers hold."""
    last = recorded_runs[-1]
    contents_held = [world.servers[number].content_at(last.at) for number in last.viewed]
    verdict = state.settled.verdict
    if all(each.is_right for each in contents_held):
        return verdict is not None and verdict.is_passing
    if any(each.is_right for each in contents_held):
        return True
    return verdict in (Verdict.FAIL, Verdict.NOT_APPLICABLE)


def is_safe(world: SimulatedWorld, recorded_runs: Sequence[SimulatedRun], safe_at: float) -> bool:
    """No cache can hold an old answer at `safe_at`, of those that any run could have known of."""
    return all(safe_at >= lost_at - _ROUNDED for lost_at in _cache_expiries(world, recorded_runs))


def _cache_expiries(
    world: SimulatedWorld, recorded_runs: Sequence[SimulatedRun]
) -> Iterator[float]:
    """For each server, when caches lose the old answers that it gave out."""
    is_new = world.question.is_new
    assert is_new is not None
    for number, each in enumerate(world.servers):
        key = str(each.server)
        seen = [
            (run.at, run.served[key]) for run in recorded_runs if run.served.get(key) is not None
        ]
        contents = [(at, content) for at, content in seen if content is not None]
        first_new = len(contents)
        while first_new and is_new(contents[first_new - 1][1]):
            first_new -= 1
        if first_new == len(contents):
            yield from _departed_server_expiries(world, number, contents, recorded_runs)
            continue
        until = contents[first_new][0]
        old = [(at, content) for at, content in contents[:first_new] if not is_new(content)]
        for at, content in old:
            others = [later for later, c in contents if later > at and c.values and c != content]
            last = min([each.gives_until(content, at), until, *others[:1]])
            yield last + content.ttl
        if not first_new:
            # Before the first run anything may have been given out that nobody saw.
            yield from _unseen_expiries(each, is_new, until)


def _unseen_expiries(
    server: SimulatedServer, is_new: Callable[[ZoneContent], bool], until: float
) -> Iterator[float]:
    ends = [since for since, _ in server.copies[1:]] + [until]
    for (since, content), end in zip(server.copies, ends, strict=True):
        if since < until and not is_new(content):
            yield min(end, until) + content.ttl


def _departed_server_expiries(
    world: SimulatedWorld,
    number: int,
    contents: Sequence[tuple[float, ZoneContent]],
    recorded_runs: Sequence[SimulatedRun],
) -> Iterator[float]:
    """Its last answer was an old one: caches that know the old delegation go on asking it."""
    left = world.left_at(number, recorded_runs[-1].at)
    if left is None or not contents:
        return
    contents_held = world.servers[number].content_at(left)
    if contents_held == contents[-1][1]:
        yield left + world.ns_ttl + contents_held.ttl
