"""The two safe times: from when a switch is safe, and from when the old way may be shut.

Pure functions over what authoritative servers were seen to publish. A cache may hold an answer for
its TTL from the last moment a server could have given it out, which is just before the next look
at that server saw another (RFC 1035 section 3.2.1, RFC 2181 section 8). A server that left the
delegation goes on being asked for as long as caches keep the delegation. One that does not tell
keeps the safe time unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from checks.engine.dns.consensus import UNANSWERED_CODES

# What is assumed of the answer before the first one we saw.
ASSUMED_TTL_SECONDS = 86_400
# How long caches may keep the names of a zone's servers. The parent's own TTL is not shown by
# resolvers, which count down; this is what the large registries publish, and few publish more.
DELEGATION_TTL_SECONDS = 172_800
# For resolvers that hold answers longer than they may.
LOCKDOWN_MARGIN = timedelta(hours=4)


@dataclass(frozen=True)
class PublishedRecords:
    """What one server published: its values, and their TTL in seconds (0 without records)."""

    values: frozenset[str]
    ttl: int


@dataclass(frozen=True)
class ObservedInterval:
    """One interval of looks that all saw the same. None: the server told nothing usable."""

    first_seen_at: datetime
    last_seen_at: datetime
    servers: Mapping[str, PublishedRecords | None]


@dataclass(frozen=True)
class SafeTime:
    """From when it is safe, and why.

    `safe_at` is None while it cannot be told or the new answer is not everywhere yet: then
    `pending_servers` names the servers, `silent_servers` those among them that told nothing when last asked, and
    `empty_servers` those that have no records.
    `server` and `ttl` are the old answer that lives longest, last given out before `seen_until`.
    `is_assumed`: the answer before our first look was never seen. `has_left`: the server is no
    longer one of the zone's, and caches may know it for another DELEGATION_TTL_SECONDS.
    `is_moved`: every server gives exactly the planned hosts, so that no switch is left to wait for.
    """

    safe_at: datetime | None
    pending_servers: tuple[str, ...] = ()
    silent_servers: tuple[str, ...] = ()
    empty_servers: tuple[str, ...] = ()
    server: str = ""
    ttl: int = 0
    seen_until: datetime | None = None
    is_assumed: bool = False
    has_left: bool = False
    is_moved: bool = False


def observed_interval(
    evidence: Mapping[str, Any],
    findings: Iterable[Mapping[str, Any]],
    *,
    first_seen_at: datetime,
    last_seen_at: datetime,
) -> ObservedInterval:
    """An observation's evidence as one interval of looks. A server whose address could not be
    found has no row there, only a finding, and is as silent as one that did not answer."""
    servers: dict[str, PublishedRecords | None] = {
        f"{row['name']} ({row['address']})": _published(row)
        for row in evidence.get("servers") or []
    }
    for found in findings:
        if found["code"] in UNANSWERED_CODES:
            servers = dict.fromkeys(found["params"]["servers"]) | servers
    return ObservedInterval(first_seen_at, last_seen_at, servers)


def _published(row: Mapping[str, Any]) -> PublishedRecords | None:
    match row.get("status"):
        case "records":
            return PublishedRecords(frozenset(row["values"]), int(row["ttl"]))
        case "no-record" | "no-name":
            return PublishedRecords(frozenset(), 0)
        case _:
            return None


def cutover_safe_time(
    intervals: Sequence[ObservedInterval],
    *,
    threshold: int,
    expected: Iterable[str] = (),
    assumed_ttl: int = ASSUMED_TTL_SECONDS,
) -> SafeTime:
    """From when a changed MX shows everywhere within `threshold` seconds: once every answer with a
    higher TTL has left the caches. Where exactly the `expected` hosts are published nothing is left
    to change, whatever their TTL. No records are no low TTL where there ever were some: the zone is
    being loaded, or lost."""
    hosts = frozenset(expected)
    ever = any(told.values for interval in intervals for told in interval.servers.values() if told)

    def is_old(seen: PublishedRecords) -> bool:
        return seen.ttl > threshold and _hosts(seen) != hosts

    def is_new(seen: PublishedRecords) -> bool:
        return not is_old(seen) and (bool(seen.values) or not ever)

    safe_time = _safe_time(intervals, is_new, is_old, assumed_ttl=assumed_ttl)
    return replace(safe_time, is_moved=_is_published_everywhere(hosts, intervals))


def _is_published_everywhere(hosts: frozenset[str], intervals: Sequence[ObservedInterval]) -> bool:
    """Whether every server of the newest look told exactly these."""
    newest = max(intervals, key=lambda interval: interval.first_seen_at, default=None)
    told = list(newest.servers.values()) if newest is not None else []
    is_told = bool(hosts and told)
    return is_told and all(seen is not None and _hosts(seen) == hosts for seen in told)


def lockdown_safe_time(
    intervals: Sequence[ObservedInterval],
    *,
    expected: Iterable[str],
    assumed_ttl: int = ASSUMED_TTL_SECONDS,
    margin: timedelta = LOCKDOWN_MARGIN,
) -> SafeTime:
    """From when nobody can rightly deliver the old way: once every answer but the expected set of
    `<preference> <exchange>` hosts has left the caches, and a margin for those that linger."""
    hosts = frozenset(expected)

    def is_new(seen: PublishedRecords) -> bool:
        return _hosts(seen) == hosts

    return _safe_time(
        intervals, is_new, lambda seen: not is_new(seen), assumed_ttl=assumed_ttl, margin=margin
    )


def _hosts(seen: PublishedRecords) -> frozenset[str]:
    return frozenset(value.partition(" ")[2] for value in seen.values)


def _safe_time(
    intervals: Sequence[ObservedInterval],
    is_new: Callable[[PublishedRecords], bool],
    is_old: Callable[[PublishedRecords], bool],
    *,
    assumed_ttl: int,
    margin: timedelta = timedelta(),
) -> SafeTime:
    """1. Every server of the newest look told it, and was seen with the new answer, and with no
    other since. 2. Each earlier old answer lives for its TTL from the look that first missed it."""
    ordered = sorted(intervals, key=lambda interval: interval.first_seen_at)
    if not ordered or not ordered[-1].servers:
        return SafeTime(None)
    newest = ordered[-1].servers
    histories = {name: _history(name, ordered) for name in newest}
    silent_servers = tuple(sorted(name for name, told in newest.items() if told is None))
    old = {n for n, seen in histories.items() if seen and not is_new(seen[-1].published)}
    if silent_servers or old:
        empty_servers = tuple(
            sorted(name for name in old if not histories[name][-1].published.values)
        )
        return SafeTime(
            None, tuple(sorted(old | set(silent_servers))), silent_servers, empty_servers
        )
    gone = sorted({n for interval in ordered for n in interval.servers} - set(histories))
    histories |= {name: _history(name, ordered) for name in gone}
    ends = [
        end
        for name, seen in histories.items()
        for end in _cached_answers(name, seen, is_new, is_old, ordered, assumed_ttl)
    ]
    latest = max(ends, key=lambda end: end.expires_at)
    return SafeTime(
        safe_at=latest.expires_at + margin,
        server=latest.server,
        ttl=latest.ttl,
        seen_until=latest.seen_until,
        is_assumed=latest.is_assumed,
        has_left=latest.has_left,
    )


@dataclass(frozen=True)
class _ServerAnswer:
    at: datetime
    published: PublishedRecords


@dataclass(frozen=True)
class _CachedAnswer:
    """An old answer, and until when it may have been given out."""

    server: str
    ttl: int
    seen_until: datetime
    is_assumed: bool = False
    has_left: bool = False

    @property
    def expires_at(self) -> datetime:
        asked_for = DELEGATION_TTL_SECONDS if self.has_left else 0
        return self.seen_until + timedelta(seconds=self.ttl + asked_for)


def _history(name: str, ordered: Sequence[ObservedInterval]) -> list[_ServerAnswer]:
    """The looks at which the server told something."""
    told = [(interval.first_seen_at, interval.servers.get(name)) for interval in ordered]
    return [_ServerAnswer(at, published) for at, published in told if published is not None]


def _cached_answers(
    name: str,
    seen: Sequence[_ServerAnswer],
    is_new: Callable[[PublishedRecords], bool],
    is_old: Callable[[PublishedRecords], bool],
    ordered: Sequence[ObservedInterval],
    assumed_ttl: int,
) -> Iterable[_CachedAnswer]:
    """Every old answer the server was seen to give, and the one before it was first seen."""
    known = next((s for s in seen if s.published.values or is_new(s.published)), None)
    if known is not None and is_new(known.published):
        # Something may have stood there before we looked, and nobody remembers its TTL. Where the
        # first answer was an old one, its own TTL is the better guide.
        yield _CachedAnswer(name, assumed_ttl, known.at, is_assumed=True)
    missed = _missed_since(name, ordered)
    if not seen and missed is not None and not _is_listed_by_address(name, ordered[-1]):
        # It left and never told what it gave out.
        yield _CachedAnswer(name, assumed_ttl, missed, is_assumed=True, has_left=True)
    for number, now in enumerate(seen):
        if not is_old(now.published):
            continue
        until = _published_until(seen, number, is_new)
        if until is not None:
            yield _CachedAnswer(name, now.published.ttl, until)
        elif missed is not None:
            yield _CachedAnswer(name, now.published.ttl, missed, has_left=True)


def _published_until(
    seen: Sequence[_ServerAnswer], number: int, is_new: Callable[[PublishedRecords], bool]
) -> datetime | None:
    """The look that shows that an old answer is no longer given out.

    An empty answer between others does not: a server that reloads its zone gives out nothing for a
    moment, and then the old records again.
    """
    later = seen[number + 1 :]
    if not seen[number].published.values:
        return later[0].at if later else None
    newest_run = takewhile(lambda s: is_new(s.published), reversed(later))
    at = [s.at for s in later if s.published.values] + [s.at for s in newest_run]
    return min(at, default=None)


def _missed_since(name: str, ordered: Sequence[ObservedInterval]) -> datetime | None:
    """The first look since which the server is none of the zone's; None while it is one."""
    without = list(takewhile(lambda interval: name not in interval.servers, reversed(ordered)))
    return without[-1].first_seen_at if without else None


def _is_listed_by_address(name: str, interval: ObservedInterval) -> bool:
    """A server whose address was unknown has its bare name; it may have been found since."""
    return any(other.startswith(f"{name} (") for other in interval.servers)
