"""Claim due checks for workers: fairly between tenants, and by short leases.

A claim has two states. A *queued* claim has no `claim_id`: its message waits for a worker. A
*running* claim has the id of its worker's batch, which renews the lease while it lives. Both end at
`claimed_until`, so that the checks of a dead worker or a lost message are soon due again.

A late or repeated message is harmless: a worker runs only those of its checks that are due and that
no living worker runs.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from checks import queries
from checks.bulk_updates import update_returning
from checks.models import Check
from checks.scheduling import REQUESTED_FOR, Interval
from tenants import database_time
from tenants.lease_renewal import renewed
from tenants.public_ids import new_public_id

logger = logging.getLogger(__name__)

BATCH_SIZE = 200
# A person or a cutover waits for these: small batches reach the recording sooner.
URGENT_BATCH_SIZE = 50
# The time for which a message may wait in its queue. A batch ends within 35 s.
QUEUED_FOR = timedelta(seconds=40)
URGENT_QUEUED_FOR = timedelta(seconds=10)
RUNNING_FOR = timedelta(seconds=8)
_RENEW_EVERY_SECONDS = 2.5
# A check that raises must not occupy a worker at every tick.
RETRY_AFTER = timedelta(minutes=1)
# A request within this time of the last run waits for the rest of it.
MIN_TIME_BETWEEN_RUNS = timedelta(seconds=5)
# The claims of each process of a worker: one batch that runs and one that waits.
BATCHES_PER_PROCESS = 2


class Urgency(StrEnum):
    """The urgency of a run. Its value is the prefix of the queue: `<value>.<vantage>`."""

    WINDOW = "windows"  # a cutover window is open
    REQUESTED = "interactive"  # a person waits
    ROUTINE = "checks"

    @property
    def batch_size(self) -> int:
        return BATCH_SIZE if self is Urgency.ROUTINE else URGENT_BATCH_SIZE

    @property
    def queued_for(self) -> timedelta:
        return QUEUED_FOR if self is Urgency.ROUTINE else URGENT_QUEUED_FOR

    @classmethod
    def of_request(cls, cutover_until: datetime | None, now: datetime) -> Urgency:
        """The urgency of a requested run of a check."""
        return cls.WINDOW if cutover_until is not None and cutover_until > now else cls.REQUESTED

    def applies_at(self, now: datetime) -> Q:
        in_window = Q(cutover_until__gt=now)
        if self is Urgency.WINDOW:
            return in_window
        is_outside = Q(cutover_until=None) | Q(cutover_until__lte=now)
        if self is Urgency.REQUESTED:
            return is_outside & Q(requested_until__gt=now)
        return is_outside & (Q(requested_until=None) | Q(requested_until__lte=now))


@dataclass(frozen=True)
class Batch:
    """Claimed checks of one vantage and urgency, for one message."""

    vantage: str
    urgency: Urgency
    check_ids: tuple[int, ...]

    @property
    def queue(self) -> str:
        return f"{self.urgency}.{self.vantage}"


def claim_due_checks(
    *, now: datetime, processes: Callable[[], Mapping[str, int]] | None = None
) -> list[Batch]:
    """Claim due checks and return them in batches. Safe with several beats.

    `processes` returns the number of processes that serve each queue. No more checks are claimed
    than they can run soon; a queue without a known process gets one batch. Claims alternate
    between tenants, and all due checks of a domain or host are claimed together.

    One query, and no other work, if no check is due.
    """
    batches: list[Batch] = []
    vantages = _vantages(now)
    capacities = processes() if processes is not None and vantages else {}
    for vantage in vantages:
        for urgency in Urgency:
            queue = Batch(vantage, urgency, ()).queue
            batches_at_once = max(1, capacities.get(queue, 0) * BATCHES_PER_PROCESS)
            capacity = batches_at_once * urgency.batch_size
            of_queue = Check.objects.filter(
                urgency.applies_at(now), vantage=vantage, is_active=True
            )
            # A claimed check is due, or was requested soon after its last run. The index of due
            # times finds it.
            claimed = of_queue.filter(
                claimed_until__gt=now, next_due_at__lte=now + MIN_TIME_BETWEEN_RUNS
            )
            free = capacity - claimed.count()
            if free > 0:
                ids = _alternating(of_queue & queries.due_checks(now), most=free)
                mine = _claim(ids, now=now, lasts=urgency.queued_for)
                batches += _batches(mine, vantage, _served(urgency, vantage, capacities))
    return batches


def _served(urgency: Urgency, vantage: str, processes: Mapping[str, int]) -> Urgency:
    """The urgency whose queue a living worker serves.

    A worker of version 0.1.0 at another vantage serves no queue of windows.
    """
    helper = Batch(vantage, Urgency.REQUESTED, ()).queue
    is_unserved = not processes.get(Batch(vantage, urgency, ()).queue) and processes.get(helper)
    return Urgency.REQUESTED if urgency is Urgency.WINDOW and is_unserved else urgency


def _vantages(now: datetime) -> list[str]:
    due = queries.due_checks(now).order_by("vantage")
    return list(due.values_list("vantage", flat=True).distinct())


def _alternating(due: QuerySet[Check], *, most: int) -> list[int]:
    """The checks to claim: one subject of each tenant in turn, with all its due checks.

    At least one subject, then as many as fit into `most` checks.
    """
    position = Window(
        RowNumber(), partition_by=[F("tenant")], order_by=[F("next_due_at").asc(), F("pk").asc()]
    )
    first = due.annotate(position=position).order_by("position", "next_due_at", "pk")
    # In the alternating order, and each subject once.
    subjects = dict.fromkeys(first.values_list("domain", "host")[:most])
    of_subject: dict[tuple[int | None, int | None], list[int]] = {}
    together = due.filter(
        Q(domain__in=[domain for domain, _ in subjects if domain])
        | Q(host__in=[host for _, host in subjects if host])
    )
    for domain, host, pk in together.order_by("pk").values_list("domain", "host", "pk"):
        of_subject.setdefault((domain, host), []).append(pk)
    chosen: list[int] = []
    for subject in subjects:
        ids = of_subject.get(subject, [])
        if chosen and len(chosen) + len(ids) > most:
            break
        chosen += ids
    return chosen


def _claim(ids: Sequence[int], *, now: datetime, lasts: timedelta) -> list[int]:
    """Claim these checks, and return those that no other beat has claimed, in the given order."""
    mine: set[int] = set()
    for start in range(0, len(ids), BATCH_SIZE):
        # Another transaction is claiming or recording the locked rows. They are skipped, so that
        # beats never wait for each other.
        free = queries.due_checks(now).filter(pk__in=ids[start : start + BATCH_SIZE])
        locked = free.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        mine.update(_update_locked(locked, claim_id="", claimed_until=now + lasts))
    return [pk for pk in ids if pk in mine]


def _update_locked(locked: QuerySet[Check], **values: Any) -> list[int]:
    """Lock the rows in their order and update them, in one statement. Return their keys."""
    with transaction.atomic():
        return update_returning(Check.objects.filter(pk__in=locked.values("pk")), **values)


def _batches(ids: Sequence[int], vantage: str, urgency: Urgency) -> list[Batch]:
    size = urgency.batch_size
    return [
        Batch(vantage, urgency, tuple(ids[start : start + size]))
        for start in range(0, len(ids), size)
    ]


def request_run(checks: Iterable[Check], *, now: datetime, may_claim: bool = True) -> list[Batch]:
    """Run these checks at once, and often for the next ten minutes.

    Return the claimed batches, for the caller to queue: at most one of each queue, and none without
    `may_claim`. The beat claims the others within seconds, alternating with other tenants.

    A check that a worker has claimed is not claimed again, but runs again within seconds. The same
    applies to a check that ran within MIN_TIME_BETWEEN_RUNS: repeated requests of any page cannot
    flood a name server.
    """
    wanted = Check.objects.filter(pk__in=_keys(checks), is_active=True)
    # No savepoint of its own: an error here rolls back the transaction of the caller.
    with transaction.atomic(savepoint=False):
        rows = list(
            _in_lock_order(wanted).values_list(
                "pk", "vantage", "cutover_until", "claimed_until", "checked_at"
            )
        )
        earliest = now - MIN_TIME_BETWEEN_RUNS
        free: dict[tuple[str, Urgency], list[int]] = {}
        for pk, vantage, cutover_until, claimed_until, checked_at in rows:
            urgency = Urgency.of_request(cutover_until, now)
            of_queue = free.setdefault((vantage, urgency), [])
            if (
                may_claim
                and (claimed_until is None or claimed_until <= now)
                and (checked_at is None or checked_at <= earliest)
                and len(of_queue) < URGENT_BATCH_SIZE
            ):
                of_queue.append(pk)
        is_free = Q(pk__in=[pk for ids in free.values() for pk in ids])
        if rows:
            # One update marks all checks as requested and claims the free ones.
            Check.objects.filter(pk__in=[pk for pk, *_ in rows]).update(
                next_due_at=Case(
                    When(checked_at__gt=earliest, then=F("checked_at") + MIN_TIME_BETWEEN_RUNS),
                    default=Value(now),
                ),
                requested_until=now + REQUESTED_FOR,
                interval=Interval.REQUESTED,
                claim_id=Case(When(is_free, then=Value("")), default=F("claim_id")),
                claimed_until=Case(
                    When(is_free, then=Value(now + URGENT_QUEUED_FOR)), default=F("claimed_until")
                ),
            )
    return [
        batch
        for (vantage, urgency), ids in free.items()
        for batch in _batches(ids, vantage, urgency)
    ]


def _keys(checks: Iterable[Check]) -> Iterable[int]:
    """The keys of the checks. A queryset stays a subquery, so that its rows are read once."""
    if isinstance(checks, QuerySet):
        return checks.order_by().values_list("pk", flat=True)
    return [check.pk for check in checks]


def lock(checks: QuerySet[Check]) -> list[int]:
    """Lock the rows in one order, so that two requests never deadlock."""
    return list(_in_lock_order(checks).values_list("pk", flat=True))


def _in_lock_order(checks: QuerySet[Check]) -> QuerySet[Check]:
    return checks.select_for_update(of=("self",), no_key=True).order_by("pk")


# --- The worker's side


@dataclass
class RunningClaim:
    """The checks that a worker runs now. Renewed until the block of `running` ends."""

    claim_id: str
    check_ids: list[int]


@contextmanager
def running(check_ids: Collection[int]) -> Iterator[RunningClaim]:
    """Start the claim of a message, renew it, and release at the end all that did not run.

    Leaves out the checks that are not due, because a duplicate of the message was faster, and those
    that another living worker runs.
    """
    claim = _start(check_ids, now=database_time.now())
    try:
        with renewed(functools.partial(_renew, claim), every_seconds=_RENEW_EVERY_SECONDS):
            yield claim
    finally:
        # Recording a run has ended its claim already.
        _checks_of(claim).update(claim_id="", claimed_until=None)


def _start(check_ids: Collection[int], *, now: datetime) -> RunningClaim:
    claim = RunningClaim(new_public_id(), [])
    is_free = Q(claim_id="") | Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    due = Check.objects.filter(
        is_free,
        pk__in=check_ids,
        is_active=True,
        next_due_at__lte=now,
        tenant__checks_paused_at=None,
    )
    claim.check_ids = sorted(
        _update_locked(
            _in_lock_order(due), claim_id=claim.claim_id, claimed_until=now + RUNNING_FOR
        )
    )
    return claim


def _checks_of(claim: RunningClaim) -> QuerySet[Check]:
    return Check.objects.filter(pk__in=claim.check_ids, claim_id=claim.claim_id)


def _renew(claim: RunningClaim) -> None:
    _checks_of(claim).update(claimed_until=database_time.now() + RUNNING_FOR)


def split_batch(check_ids: Iterable[int], *, now: datetime) -> list[Batch]:
    """Split a failed batch into one batch for each tenant, and that of one tenant into checks.

    A check that fails alone is not queued again, but due after RETRY_AFTER.
    """
    rows = list(
        Check.objects.filter(pk__in=list(check_ids))
        .order_by("pk")
        .values_list("vantage", "tenant", "pk")
    )
    if len(rows) < 2:
        retry_later([pk for *_, pk in rows], now=now)
        return []
    is_one_tenant = len({tenant for _, tenant, _ in rows}) == 1
    parts: dict[tuple[str, int], list[int]] = {}
    for vantage, tenant, pk in rows:
        parts.setdefault((vantage, pk if is_one_tenant else tenant), []).append(pk)
    return [Batch(vantage, Urgency.ROUTINE, tuple(ids)) for (vantage, _), ids in parts.items()]


def retry_later(check_ids: Iterable[int], *, now: datetime) -> None:
    """Run checks that failed again after RETRY_AFTER."""
    Check.objects.filter(pk__in=list(check_ids)).update(next_due_at=now + RETRY_AFTER)


def release(check_ids: Iterable[int], *, now: datetime) -> None:
    """Release queued claims whose message could not be sent; the next tick finds the rows."""
    Check.objects.filter(pk__in=list(check_ids)).update(
        claim_id="", claimed_until=None, next_due_at=now
    )
