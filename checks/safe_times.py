"""The two safe times: of a cutover, and of closing the former delivery route.

Pure functions over the answers of authoritative servers. A cache may serve an answer for its TTL
after the last time at which a server can have returned it: the time of the next run in which that
server gave another answer (RFC 1035 section 3.2.1, RFC 2181 section 8). A server that left the
delegation is queried for as long as caches store the delegation. A server without an answer makes
the safe time unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from checks.engine.dns.consensus import UNANSWERED_CODES
from checks.engine.mx import is_ownership_proof

# The assumed TTL of the answer before the first run.
ASSUMED_TTL_SECONDS = 86_400
# How long caches may store the name servers of a zone. Resolvers count the TTL down and never show
# the parent's own value. The large registries publish this value, and few publish more.
DELEGATION_TTL_SECONDS = 172_800
# For resolvers that serve answers beyond their TTL.
LOCKDOWN_MARGIN = timedelta(hours=4)


@dataclass(frozen=True)
class PublishedRecords:
    """The published values of one server, and their TTL in seconds (0 without records)."""

    values: frozenset[str]
    ttl: int


@dataclass(frozen=True)
class ObservedInterval:
    """Consecutive runs with one answer. None: the server returned no usable answer."""

    first_seen_at: datetime
    last_seen_at: datetime
    servers: Mapping[str, PublishedRecords | None]


@dataclass(frozen=True)
class SafeTime:
    """The earliest safe time, with its reason.

    `safe_at` is None while it is unknown or a server still returns an old answer.
    `pending_servers` then names these servers, `silent_servers` those among them without an answer
    in the newest run, and `empty_servers` those without records. `server` and `ttl` identify the
    old answer that lives longest, last returned before `seen_until`. `is_assumed`: the answer
    before the first run is unknown. `has_left`: the server left the delegation, and caches may use
    it for another DELEGATION_TTL_SECONDS. `is_moved`: every server returns exactly the planned
    hosts, so no cutover is left to wait for.
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
    """Convert an observation's evidence to one interval.

    A server without an address has no row in the evidence, only a finding. It counts as a server
    without an answer.
    """
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
    """Return the time after which a changed MX is visible everywhere within `threshold` seconds.

    Every answer with a higher TTL has then expired in caches. Servers with exactly the
    `expected` hosts are done, with any TTL. An empty answer of a zone that had records is no low
    TTL: the zone is reloading, or lost.
    """
    hosts = frozenset(expected)
    ever = any(
        published_sets.values
        for interval in intervals
        for published_sets in interval.servers.values()
        if published_sets
    )

    def is_old(seen: PublishedRecords) -> bool:
        return seen.ttl > threshold and _hosts(seen) != hosts

    def is_new(seen: PublishedRecords) -> bool:
        return not is_old(seen) and (bool(seen.values) or not ever)

    safe_time = _safe_time(intervals, is_new, is_old, assumed_ttl=assumed_ttl)
    return replace(safe_time, is_moved=_is_published_everywhere(hosts, intervals))


def _is_published_everywhere(hosts: frozenset[str], intervals: Sequence[ObservedInterval]) -> bool:
    """Whether every server of the newest run returned exactly these values."""
    newest = max(intervals, key=lambda interval: interval.first_seen_at, default=None)
    published_sets = list(newest.servers.values()) if newest is not None else []
    is_published = bool(hosts and published_sets)
    return is_published and all(
        seen is not None and _hosts(seen) == hosts for seen in published_sets
    )


def lockdown_safe_time(
    intervals: Sequence[ObservedInterval],
    *,
    expected: Iterable[str],
    assumed_ttl: int = ASSUMED_TTL_SECONDS,
    margin: timedelta = LOCKDOWN_MARGIN,
) -> SafeTime:
    """Return the time after which no sender can correctly use the former hosts.

    Every answer except the expected set of `<preference> <exchange>` hosts has expired, plus a
    margin for slow resolvers.
    """
    hosts = frozenset(expected)

    def is_new(seen: PublishedRecords) -> bool:
        return _hosts(seen) == hosts

    return _safe_time(
        intervals, is_new, lambda seen: not is_new(seen), assumed_ttl=assumed_ttl, margin=margin
    )


def _hosts(seen: PublishedRecords) -> frozenset[str]:
    """The hosts that receive mail."""
    hosts = (value.partition(" ")[2] for value in seen.values)
    return frozenset(host for host in hosts if not is_ownership_proof(host))


def _safe_time(
    intervals: Sequence[ObservedInterval],
    is_new: Callable[[PublishedRecords], bool],
    is_old: Callable[[PublishedRecords], bool],
    *,
    assumed_ttl: int,
    margin: timedelta = timedelta(),
) -> SafeTime:
    """Combine all servers and all old answers.

    1. Every server of the newest run returned the new answer, and no other answer since.
    2. Each earlier old answer lives for its TTL after the first run without it.
    """
    ordered = sorted(intervals, key=lambda interval: interval.first_seen_at)
    if not ordered or not ordered[-1].servers:
        return SafeTime(None)
    newest = ordered[-1].servers
    histories = {name: _history(name, ordered) for name in newest}
    silent_servers = tuple(
        sorted(name for name, published_sets in newest.items() if published_sets is None)
    )
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
    """An old answer, and the last time at which a server can have returned it."""

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
    """The intervals in which the server answered."""
    published_sets = [(interval.first_seen_at, interval.servers.get(name)) for interval in ordered]
    return [
        _ServerAnswer(at, published) for at, published in published_sets if published is not None
    ]


def _cached_answers(
    name: str,
    seen: Sequence[_ServerAnswer],
    is_new: Callable[[PublishedRecords], bool],
    is_old: Callable[[PublishedRecords], bool],
    ordered: Sequence[ObservedInterval],
    assumed_ttl: int,
) -> Iterable[_CachedAnswer]:
    """Yield every old answer of the server, and the one before its first answer."""
    known = next((s for s in seen if s.published.values or is_new(s.published)), None)
    if known is not None and is_new(known.published):
        # A record with an unknown TTL may have existed before the first run. If the first answer
        # was an old one, its own TTL is the better estimate.
        yield _CachedAnswer(name, assumed_ttl, known.at, is_assumed=True)
    missed = _missed_since(name, ordered)
    if not seen and missed is not None and not _is_listed_by_address(name, ordered[-1]):
        # It left the delegation without ever answering.
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
    """Return the time of the run after which the old answer is gone.

    An empty answer between two others does not count: a server that reloads its zone is empty
    for a short time and then
    serves the old records again.
    """
    later = seen[number + 1 :]
    if not seen[number].published.values:
        return later[0].at if later else None
    newest_run = takewhile(lambda s: is_new(s.published), reversed(later))
    at = [s.at for s in later if s.published.values] + [s.at for s in newest_run]
    return min(at, default=None)


def _missed_since(name: str, ordered: Sequence[ObservedInterval]) -> datetime | None:
    """The first run since which the server is not in the delegation; None while it is."""
    without = list(takewhile(lambda interval: name not in interval.servers, reversed(ordered)))
    return without[-1].first_seen_at if without else None


def _is_listed_by_address(name: str, interval: ObservedInterval) -> bool:
    """Whether a server that was once listed without an address appears with one now."""
    return any(other.startswith(f"{name} (") for other in interval.servers)
