"""The ground truth of a simulated world: the contents of its servers, not the observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.check_state import CheckState
from checks.engine.outcomes import Outcome, Verdict
from checks.settling import ReopenPolicy
from checks.simulation.published_records import ZoneContent
from checks.simulation.world import SimulatedServer, SimulatedWorld

# Seconds: times have a resolution of one microsecond.
_ROUNDED = 0.001


@dataclass(frozen=True)
class SimulatedRun:
    """One run: its start, its verdict, and the actual answer of each server."""

    at: float
    outcome: Outcome
    served: Mapping[str, ZoneContent | None]
    viewed: tuple[int, ...]


def completes(world: SimulatedWorld, run: SimulatedRun, settled: Verdict) -> bool:
    """A run may complete a task only if every server of the delegation gave a correct answer.

    The delegation is that of the parent and of the resolver together.
    """
    numbers = {*run.viewed, *world.delegated(run.at)}
    given = [run.served.get(str(world.servers[number].server)) for number in numbers]
    if settled is Verdict.NOT_APPLICABLE:
        return bool(given) and all(each is not None and each.is_absent for each in given)
    return bool(given) and all(each is not None and each.is_right for each in given)


def reopens(world: SimulatedWorld, run: SimulatedRun, reopen_policy: ReopenPolicy) -> bool:
    """Whether a run may reopen a task.

    Within the time span of the reopen policy there must be a time at which every server gave a
    wrong answer, and not only because the operator reloaded its zones.
    """
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
    """In the calm period at the end, the settled verdict matches the contents of all servers."""
    last = recorded_runs[-1]
    contents = [world.servers[number].content_at(last.at) for number in last.viewed]
    verdict = state.settled.verdict
    if all(each.is_right for each in contents):
        return verdict is not None and verdict.is_passing
    if any(each.is_right for each in contents):
        return True
    return verdict in (Verdict.FAIL, Verdict.NOT_APPLICABLE)


def is_safe(world: SimulatedWorld, recorded_runs: Sequence[SimulatedRun], safe_at: float) -> bool:
    """Whether no cache can store an old answer at `safe_at`, of those that a run can have seen."""
    return all(safe_at >= lost_at - _ROUNDED for lost_at in _cache_expiries(world, recorded_runs))


def _cache_expiries(
    world: SimulatedWorld, recorded_runs: Sequence[SimulatedRun]
) -> Iterator[float]:
    """For each server, the time at which caches drop its old answers."""
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
            # Before the first run, the server may have given out an answer that no run has seen.
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
    """Its last answer was an old one: caches with the old delegation still query it."""
    left = world.left_at(number, recorded_runs[-1].at)
    if left is None or not contents:
        return
    content = world.servers[number].content_at(left)
    if content == contents[-1][1]:
        yield left + world.ns_ttl + content.ttl
