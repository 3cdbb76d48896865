"""What is true in a simulated world: by what its servers hold, not by what we saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.believing import Belief
from checks.engine.outcomes import Outcome, Verdict
from checks.settling import Patience
from checks.simulation.contents import Content
from checks.simulation.world import NameServer, World

# Seconds: moments are kept to the microsecond.
_ROUNDED = 0.001


@dataclass(frozen=True)
class Look:
    """One look: when it was asked, what it came to, and what each server really gave out."""

    at: float
    outcome: Outcome
    served: Mapping[str, Content | None]
    viewed: tuple[int, ...]


def completes(world: World, look: Look, settled: Verdict) -> bool:
    """A task may complete on a look only when every server that the parent or a resolver names gave
    out what is right in it."""
    numbers = {*look.viewed, *world.delegated(look.at)}
    given = [look.served.get(str(world.servers[number].server)) for number in numbers]
    if settled is Verdict.NOT_APPLICABLE:
        return bool(given) and all(each is not None and each.is_absent for each in given)
    return bool(given) and all(each is not None and each.is_right for each in given)


def reopens(world: World, look: Look, patience: Patience) -> bool:
    """A task may reopen only when, within the time that it takes to be sure, there was a moment at
    which every server gave out what is wrong, and not only because their operator reloaded."""
    since = look.at - patience.span.total_seconds()
    servers = [world.servers[number] for number in look.viewed]
    moments = {at for each in servers for at in each.changes if since < at <= look.at}
    return any(
        all(any(not given.is_right for given in each.may_give(at)) for each in servers)
        for at in (since, *moments, look.at)
    )


def is_at_rest(world: World, told: Sequence[Look], belief: Belief) -> bool:
    """In the calm at the end, what is believed is what all servers hold."""
    last = told[-1]
    held = [world.servers[number].held(last.at) for number in last.viewed]
    verdict = belief.standing.verdict
    if all(each.is_right for each in held):
        return verdict is not None and verdict.is_yes
    if any(each.is_right for each in held):
        return True
    return verdict in (Verdict.FAIL, Verdict.NOT_APPLICABLE)


def is_safe(world: World, told: Sequence[Look], safe_at: float) -> bool:
    """No cache can hold an old answer at `safe_at`, of those that any look could have known of."""
    return all(safe_at >= lost_at - _ROUNDED for lost_at in _lost(world, told))


def _lost(world: World, told: Sequence[Look]) -> Iterator[float]:
    """For each server, when caches lose the old answers that it gave out."""
    is_new = world.question.is_new
    assert is_new is not None
    for number, each in enumerate(world.servers):
        key = str(each.server)
        seen = [(look.at, look.served[key]) for look in told if look.served.get(key) is not None]
        contents = [(at, content) for at, content in seen if content is not None]
        first_new = len(contents)
        while first_new and is_new(contents[first_new - 1][1]):
            first_new -= 1
        if first_new == len(contents):
            yield from _of_a_departed(world, number, contents, told)
            continue
        until = contents[first_new][0]
        old = [(at, content) for at, content in contents[:first_new] if not is_new(content)]
        for at, content in old:
            others = [later for later, c in contents if later > at and c.values and c != content]
            last = min([each.gives_until(content, at), until, *others[:1]])
            yield last + content.ttl
        if not first_new:
            # Before the first look anything may have been given out that nobody saw.
            yield from _unseen(each, is_new, until)


def _unseen(server: NameServer, is_new: Callable[[Content], bool], until: float) -> Iterator[float]:
    ends = [since for since, _ in server.copies[1:]] + [until]
    for (since, content), end in zip(server.copies, ends, strict=True):
        if since < until and not is_new(content):
            yield min(end, until) + content.ttl


def _of_a_departed(
    world: World, number: int, contents: Sequence[tuple[float, Content]], told: Sequence[Look]
) -> Iterator[float]:
    """Its last answer was an old one: caches that know the old delegation go on asking it."""
    left = world.left_at(number, told[-1].at)
    if left is None or not contents:
        return
    held = world.servers[number].held(left)
    if held == contents[-1][1]:
        yield left + world.ns_ttl + held.ttl
