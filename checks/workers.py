"""The living workers: each reports its queues, processes, version and clock every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Min, Q

from checks.models import Check, Worker
from tenants import database_time

logger = logging.getLogger(__name__)

REPORT_EVERY_SECONDS = 5.0
# A worker without a report for this time is dead or cut off.
ALIVE_FOR = timedelta(seconds=20)
FORGET_AFTER = timedelta(days=1)
_ended = threading.Event()


def report(name: str, *, queues: Sequence[str], processes: int, started_at: datetime) -> None:
    """Store that the worker lives, and delete workers without a report for a day."""
    now = database_time.now()
    Worker.objects.update_or_create(
        name=name,
        defaults={
            "queues": sorted(queues),
            "processes": processes,
            "version": settings.VERSION,
            "clock_skew": -database_time.offset().total_seconds(),
            "started_at": started_at,
            "seen_at": now,
        },
    )
    Worker.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()


def living_workers(*, now: datetime) -> list[Worker]:
    return list(Worker.objects.filter(seen_at__gt=now - ALIVE_FOR))


def processes_by_queue(*, now: datetime) -> dict[str, int]:
    """The number of living processes that serve each queue."""
    numbers: dict[str, int] = {}
    for worker in living_workers(now=now):
        for queue in worker.queues:
            numbers[queue] = numbers.get(queue, 0) + worker.processes
    return numbers


@worker_ready.connect
def start_reporting(sender: Any, **_: Any) -> None:
    """Report from a thread of the worker's main process, until it shuts down."""
    _ended.clear()
    consumed = [queue.name for queue in sender.task_consumer.queues]
    arguments = (sender.hostname, consumed, sender.pool.num_processes)
    threading.Thread(target=_report_until_end, args=arguments, daemon=True).start()


@worker_shutdown.connect
def stop_reporting(sender: Any, **_: Any) -> None:
    _ended.set()
    try:
        Worker.objects.filter(name=sender.hostname).delete()
    except DatabaseError as error:
        logger.warning("the worker could not sign off: %s", error)


def _report_until_end(name: str, queues: list[str], processes: int) -> None:
    started_at = database_time.now()
    while not _ended.is_set():
        try:
            report(name, queues=queues, processes=processes, started_at=started_at)
        except DatabaseError as error:
            logger.warning("the worker could not report: %s", error)
        finally:
            connection.close()
        _ended.wait(REPORT_EVERY_SECONDS)


@dataclass(frozen=True)
class VantageLoad:
    """The due checks of one vantage, and the processes that can run them."""

    vantage: str
    processes: int
    due: int
    # The due time of the check that has waited longest, unless a worker has claimed it.
    oldest_due_at: datetime | None


def loads(*, now: datetime) -> list[VantageLoad]:
    """The load of each vantage with a check. Two queries."""
    processes = processes_by_queue(now=now)
    is_waiting = Q(next_due_at__lte=now) & (Q(claimed_until=None) | Q(claimed_until__lte=now))
    rows = (
        Check.objects.filter(is_active=True)
        .values("vantage")
        .annotate(
            due=Count("pk", filter=is_waiting),
            oldest_due_at=Min("next_due_at", filter=is_waiting),
        )
    )
    return [
        VantageLoad(
            row["vantage"],
            processes.get(f"checks.{row['vantage']}", 0),
            row["due"],
            row["oldest_due_at"],
        )
        for row in rows.order_by("vantage")
    ]
