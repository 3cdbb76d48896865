"""How far an import is, for whoever looks at its page meanwhile.

It is told through the cache: what a transaction has written nobody else sees before its end, and
SQLite lets nobody else write until then. Where processes share no cache, the page knows what the
import's own row says: how many rows there are, and how many were checked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from onboarding.models import SheetImport

logger = logging.getLogger(__name__)

Status = SheetImport.Status
# A worker says something every second or so; whoever is silent for so long is no more.
STALLED_AFTER = timedelta(minutes=3)
_CACHED_FOR = timedelta(hours=1)


class Stage(StrEnum):
    READING = "reading"
    CHECKING = "checking"
    WRITING = "writing"


STAGES_OF = {
    Status.READING.value: (Stage.READING, Stage.CHECKING),
    Status.IMPORTING.value: tuple(Stage),
}
ReportProgress = Callable[[Stage, int, int], None]


@dataclass(frozen=True)
class ImportProgress:
    """Of which stage how many rows are done."""

    stages: tuple[Stage, ...]
    stage: Stage
    done: int
    total: int

    @property
    def step(self) -> int:
        return self.stages.index(self.stage) + 1

    @property
    def percent(self) -> int:
        """Of the whole way: each stage is as much of it as every other."""
        part = min(self.done / self.total, 1) if self.total else 0
        return int(100 * (self.step - 1 + part) / len(self.stages))


def progress_reporter(job: SheetImport) -> ReportProgress:
    """What a worker calls as it goes on. That nobody can be told holds no import up."""

    def report_progress(stage: Stage, done: int, total: int) -> None:
        if stage is not Stage.WRITING:
            # Before the transaction that writes, or it would wait for its own row.
            found = {"rows_found": total, "rows_checked": done} if stage is Stage.CHECKING else {}
            rows = SheetImport.objects.filter(pk=job.pk)
            rows.update(progress_at=timezone.now(), **found)
        cached = (job.attempts, stage.value, done, total, timezone.now())
        try:
            cache.set(_key(job), cached, timeout=_CACHED_FOR.total_seconds())
        except (RedisError, OSError) as error:
            logger.warning("the cache took no progress of import %s: %s", job.public_id, error)

    return report_progress


def progress_of(job: SheetImport) -> ImportProgress | None:
    """How far it is; None while no worker has begun."""
    stages = STAGES_OF.get(job.status)
    if stages is None:
        return None
    cached = _cached_progress(job)
    if cached is not None and cached[1] in stages:
        return ImportProgress(stages, Stage(cached[1]), cached[2], cached[3])
    if job.rows_checked:
        return ImportProgress(stages, Stage.CHECKING, job.rows_checked, job.rows_found)
    return ImportProgress(stages, Stage.READING, 0, 0) if job.attempts else None


def last_progress_at(job: SheetImport) -> datetime:
    """When its worker was last known to live."""
    cached = _cached_progress(job)
    return max(job.progress_at, cached[4]) if cached is not None else job.progress_at


def is_stalled(job: SheetImport, *, now: datetime) -> bool:
    return job.is_in_progress and last_progress_at(job) < now - STALLED_AFTER


def _cached_progress(job: SheetImport) -> tuple[int, str, int, int, datetime] | None:
    """What this attempt's worker cached; the word of one before it is no longer true."""
    try:
        cached: tuple[int, str, int, int, datetime] | None = cache.get(_key(job))
    except (RedisError, OSError):
        return None
    return cached if cached is not None and cached[0] == job.attempts else None


def _key(job: SheetImport) -> str:
    return f"sheets:import:{job.public_id}:{job.status}"
