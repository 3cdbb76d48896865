"""The live board of an inbound cutover: what every server says now. Pure over what was fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from checks.clocks import LOCKDOWN_MARGIN, Clock
from checks.models import Check, Observation
from onboarding.proof import Subject

_TOLD = ("records", "no-record", "no-name")


@dataclass(frozen=True)
class ServerRow:
    """One server's newest answer, held against the region's MX hosts. `others` are the values that
    have no place beside those."""

    name: str
    values: tuple[str, ...]
    others: tuple[str, ...]
    ttl: int | None
    shape: str


@dataclass(frozen=True)
class ResolverRow:
    """What one of the resolvers that are asked beside the servers holds. What it holds of before is
    gone about `gone_at`: a cache counts down (RFC 1035 section 3.2.1). One address may be many."""

    address: str
    shape: str
    gone_at: datetime | None = None


@dataclass(frozen=True)
class DomainBoard:
    """One domain in the window: who says the new answer, who lags, and until when a cache may hold
    the old one. Resolvers are asked once all servers agree."""

    domain: str
    check: Check
    servers: tuple[ServerRow, ...]
    gone_at: datetime | None
    resolvers: tuple[ResolverRow, ...] = ()
    is_stale: bool = False

    @property
    def moved(self) -> int:
        return sum(row.shape == "pass" for row in self.servers)

    @property
    def resolvers_moved(self) -> int:
        return sum(row.shape == "pass" for row in self.resolvers)

    @property
    def shape(self) -> str:
        if self.is_stale or not self.servers or any(row.shape == "unknown" for row in self.servers):
            return "unknown"
        if self.leftovers:
            return "fail"
        return "pass" if self.moved == len(self.servers) else "waiting"

    @property
    def leftovers(self) -> tuple[str, ...]:
        """What stands beside the new hosts where these are published already."""
        partly = [row for row in self.servers if row.others and len(row.others) < len(row.values)]
        return tuple(sorted({value for row in partly for value in row.others}))

    @property
    def seen_at(self) -> datetime | None:
        return self.check.looked_at

    @property
    def rollback_seconds(self) -> int | None:
        """How long caches hold what is published now: the highest TTL that any server gives."""
        ttls = [row.ttl for row in self.servers if row.ttl is not None]
        return max(ttls, default=None)


def boards(
    subjects: Sequence[Subject],
    expected: Sequence[str],
    clocks: Mapping[str, Clock],
    *,
    stale: Collection[str] = (),
) -> list[DomainBoard]:
    """By domain, the newest answers to the MX question. `clocks` are those of the lockdown, by
    domain: their margin is for resolvers that linger, and no TTL. `stale` are domains that nobody
    has looked at lately."""
    checks = [subject.check for subject in subjects if subject.check is not None]
    return [
        replace(
            _board(check, frozenset(expected), clocks.get(check.subject)),
            is_stale=check.subject in stale,
        )
        for check in checks
    ]


def _board(check: Check, expected: frozenset[str], clock: Clock | None) -> DomainBoard:
    told = check.latest.evidence.get("servers", []) if check.latest is not None else []
    safe_at = clock.safe_at if clock is not None else None
    gone_at = safe_at - LOCKDOWN_MARGIN if safe_at is not None else None
    return DomainBoard(
        check.subject,
        check,
        tuple(_row(r, expected) for r in told),
        gone_at,
        tuple(_resolvers(check.latest, expected)),
    )


def _resolvers(seen: Observation | None, expected: frozenset[str]) -> Iterator[ResolverRow]:
    for row in seen.evidence.get("resolvers", []) if seen is not None else []:
        hosts = {value.partition(" ")[2] for value in row.get("values") or ()}
        if row.get("status") not in _TOLD or not expected:
            yield ResolverRow(row["address"], "unknown")
        elif hosts == expected:
            yield ResolverRow(row["address"], "pass")
        else:
            left = timedelta(seconds=row.get("ttl") or 0)
            # Of the look that saw it: while the answer stays the same, its evidence is that look's.
            gone_at = seen.first_seen_at + left if seen is not None and left else None
            yield ResolverRow(row["address"], "waiting", gone_at)


def _row(row: Mapping[str, Any], expected: frozenset[str]) -> ServerRow:
    values = tuple(row.get("values") or ())
    hosts = frozenset(value.partition(" ")[2] for value in values)
    others = tuple(value for value in values if value.partition(" ")[2] not in expected)
    if row.get("status") not in _TOLD or not expected:
        shape = "unknown"
    elif hosts == expected:
        shape = "pass"
    else:
        # Beside the new hosts anything else is a way round them; alone it is not moved yet.
        shape = "fail" if hosts > expected else "waiting"
    return ServerRow(f"{row['name']} ({row['address']})", values, others, row.get("ttl"), shape)
