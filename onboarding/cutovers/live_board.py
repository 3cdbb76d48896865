"""The live board of a cutover: the MX or SPF answer of every server now.

Pure over stored observations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.mx import is_ownership_proof
from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.safe_times import LOCKDOWN_MARGIN, SafeTime
from onboarding.cutovers.change_sheets import is_spf
from onboarding.plans.current_state import CurrentState
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape, shape_of_state


@dataclass(frozen=True)
class ServerRow:
    """One server's newest answer, compared with the new one. `others` are values to be removed."""

    name: str
    values: tuple[str, ...]
    others: tuple[str, ...]
    ttl: int | None
    shape: Shape


@dataclass(frozen=True)
class ResolverRow:
    """The cached answer of one public resolver.

    An old answer expires at about `expires_at`, because a cache counts the TTL down (RFC 1035
    section 3.2.1). One address may serve several caches.
    """

    address: str
    shape: Shape
    expires_at: datetime | None = None


@dataclass(frozen=True)
class DomainBoard:
    """One domain in the window: the servers with the new answer, and the servers without it.

    `expires_at` is the time until which a cache may have the old answer. The check queries
    resolvers once all servers agree.
    """

    domain: str
    check: Check
    state: CurrentState
    servers: tuple[ServerRow, ...]
    expires_at: datetime | None
    resolvers: tuple[ResolverRow, ...] = ()
    is_stale: bool = False

    @property
    def switched_count(self) -> int:
        return sum(row.shape is Shape.PASS for row in self.servers)

    @property
    def resolvers_switched_count(self) -> int:
        return sum(row.shape is Shape.PASS for row in self.resolvers)

    @property
    def shape(self) -> Shape:
        if (
            self.is_stale
            or not self.servers
            or any(row.shape is Shape.UNKNOWN for row in self.servers)
        ):
            return Shape.UNKNOWN
        if self.leftovers:
            return Shape.FAIL
        is_published = self.switched_count == len(self.servers)
        # The SPF check reads more than the include, so every page shows its state.
        decides = self.state.is_fault or (is_published and self.state.has_passed)
        if self.check.kind == CheckKind.SPF and decides:
            return shape_of_state(self.state)
        return Shape.PASS if is_published else Shape.WAITING

    @property
    def is_complete(self) -> bool:
        return self.shape in (Shape.PASS, Shape.CAUTION)

    @property
    def leftovers(self) -> tuple[str, ...]:
        """The old values at servers that already publish the new hosts."""
        partly = [row for row in self.servers if row.others and len(row.others) < len(row.values)]
        return tuple(sorted({value for row in partly for value in row.others}))

    @property
    def leftover_count(self) -> int:
        """The number of servers that publish an old value next to the new hosts."""
        return sum(bool(row.others) and len(row.others) < len(row.values) for row in self.servers)

    @property
    def is_unpublished(self) -> bool:
        """Whether every server has answered, and none has a record of this kind."""
        return bool(self.servers) and all(
            row.shape is not Shape.UNKNOWN and not row.values for row in self.servers
        )

    @property
    def record(self) -> str:
        """The kind of the record, "MX" or "SPF"."""
        return str(CheckKind(self.check.kind).name)

    @property
    def summary(self) -> str:
        """The published answers in one clause, for the board and the full screen."""
        number = len(self.servers)
        if not self.servers:
            return "No answer from the name servers yet"
        servers = f"{number} name server{'' if number == 1 else 's'}"
        if self.leftovers:
            return f"Old {self.record} still published at {self.leftover_count} of {servers}"
        if self.is_unpublished:
            return f"No {self.record} record published at any of {servers}"
        return f"New answer published at {self.switched_count} of {servers}"

    @property
    def summary_is_enough(self) -> bool:
        """Whether a number of servers with the new answer would add nothing to the summary."""
        return not self.servers or bool(self.leftovers) or self.is_unpublished

    @property
    def is_partly_published(self) -> bool:
        """Whether no server has the old answer any more, but one has only a part of the new one."""
        shapes = {row.shape for row in self.servers}
        return Shape.PARTIAL in shapes and shapes <= {Shape.PARTIAL, Shape.PASS}

    @property
    def checked_at(self) -> datetime | None:
        return self.check.checked_at

    @property
    def rollback_seconds(self) -> int | None:
        """The time in which a rollback reaches all caches: the highest TTL at any server."""
        ttls = [row.ttl for row in self.servers if row.ttl is not None]
        return max(ttls, default=None)


@dataclass(frozen=True)
class _Answer:
    """The classified values of one answer. `others` are values to be removed."""

    values: tuple[str, ...]
    shape: Shape
    others: tuple[str, ...] = ()


_Classifier = Callable[[Sequence[str]], _Answer]


def mx_boards(
    subjects: Sequence[ProofSubject],
    expected: Sequence[str],
    safe_times: Mapping[str, SafeTime],
    *,
    stale: Collection[str] = (),
) -> list[DomainBoard]:
    """One board for each domain with its newest MX answers.

    `safe_times` are the safe times of the lockdown, by domain. Their margin is for slow resolvers
    and is no TTL. `stale` are the domains whose last run is too old to count.
    """
    hosts = frozenset(expected)
    return _build_boards(subjects, lambda values: _against_hosts(values, hosts), safe_times, stale)


def spf_boards(
    subjects: Sequence[ProofSubject], include: str, *, stale: Collection[str] = ()
) -> list[DomainBoard]:
    """One board for each domain: the servers whose SPF record has the region's include.

    Only the check decides whether the record allows Mimecast.
    """
    return _build_boards(subjects, lambda values: _against_include(values, include), {}, stale)


def _build_boards(
    subjects: Sequence[ProofSubject],
    classify: _Classifier,
    safe_times: Mapping[str, SafeTime],
    stale: Collection[str],
) -> list[DomainBoard]:
    return [
        replace(
            _board(subject, check, classify, safe_times.get(check.subject)),
            is_stale=check.subject in stale,
        )
        for subject in subjects
        for check in [subject.check]
        if check is not None
    ]


def _against_hosts(values: Sequence[str], expected: frozenset[str]) -> _Answer:
    receiving = [value for value in values if not is_ownership_proof(value.partition(" ")[2])]
    hosts = frozenset(value.partition(" ")[2] for value in receiving)
    others = tuple(value for value in receiving if value.partition(" ")[2] not in expected)
    if not expected:
        return _Answer(tuple(values), Shape.UNKNOWN, others)
    return _Answer(tuple(values), _shape_of_hosts(hosts, expected), others)


def _shape_of_hosts(hosts: frozenset[str], expected: frozenset[str]) -> Shape:
    """FAIL: another host next to all new ones bypasses Mimecast. HALF: only some new hosts.
    WAITING: the old answer."""
    if hosts == expected:
        return Shape.PASS
    if hosts > expected:
        return Shape.FAIL
    return Shape.PARTIAL if hosts and hosts < expected else Shape.WAITING


def _against_include(values: Sequence[str], include: str) -> _Answer:
    records = tuple(value for value in values if is_spf(value))
    if not include:
        return _Answer(records, Shape.UNKNOWN)
    # Two records are none to a receiver (RFC 7208 section 4.5).
    terms = {term.removeprefix("+") for term in "".join(records).lower().split()}
    has_it = len(records) == 1 and f"include:{include.lower()}" in terms
    return _Answer(records, Shape.PASS if has_it else Shape.WAITING)


def _board(
    subject: ProofSubject, check: Check, classify: _Classifier, safe_time: SafeTime | None
) -> DomainBoard:
    rows = check.latest.evidence.get("servers", []) if check.latest is not None else []
    safe_at = safe_time.safe_at if safe_time is not None else None
    expires_at = safe_at - LOCKDOWN_MARGIN if safe_at is not None else None
    return DomainBoard(
        check.subject,
        check,
        subject.state,
        tuple(_row(row, classify) for row in rows),
        expires_at,
        tuple(_resolvers(check.latest, classify)),
    )


def _resolvers(latest: Observation | None, classify: _Classifier) -> Iterator[ResolverRow]:
    for row in latest.evidence.get("resolvers", []) if latest is not None else []:
        shape = _shape(row, classify(row.get("values") or ()))
        if shape in (Shape.UNKNOWN, Shape.PASS):
            yield ResolverRow(row["address"], shape)
            continue
        left = timedelta(seconds=row.get("ttl") or 0)
        # An equal answer only extends the observation, so the evidence is from its first run.
        expires_at = latest.first_seen_at + left if latest is not None and left else None
        yield ResolverRow(row["address"], Shape.WAITING, expires_at)


def _row(row: Mapping[str, Any], classify: _Classifier) -> ServerRow:
    answer = classify(row.get("values") or ())
    name = f"{row['name']} ({row['address']})"
    return ServerRow(name, answer.values, answer.others, row.get("ttl"), _shape(row, answer))


def _shape(row: Mapping[str, Any], answer: _Answer) -> Shape:
    return answer.shape if row.get("status") in ANSWERED_STATUSES else Shape.UNKNOWN
