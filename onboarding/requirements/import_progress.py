"""The progress of an import, for its page.

Workers report progress through the cache, because other connections see a transaction's writes
only after its commit, and SQLite blocks other writers until then. Where processes share no cache,
the page shows the row counts of the import's database row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.cache import cache
from redis.exceptions import RedisError

from onboarding.models import SheetImport
from onboarding.requirements import import_stages
from tenants import database_time

logger = logging.getLogger(__name__)

Status = SheetImport.Status
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
    """The stage, and how many of its rows are done."""

    stages: tuple[Stage, ...]
    stage: Stage
    done: int
    total: int

    @property
    def step(self) -> int:
        return self.stages.index(self.stage) + 1

    @property
    def percent(self) -> int:
        """The percentage of the whole import. All stages have the same weight."""
        part = min(self.done / self.total, 1) if self.total else 0
        return int(100 * (self.step - 1 + part) / len(self.stages))


def progress_reporter(job: SheetImport) -> ReportProgress:
    """The callback for a worker's progress. A failing cache does not stop an import."""

    def report_progress(stage: Stage, done: int, total: int) -> None:
        if stage is not Stage.WRITING:
            # Only before the writing transaction: later the update would wait for its own row.
            found = {"rows_found": total, "rows_checked": done} if stage is Stage.CHECKING else {}
            rows = SheetImport.objects.filter(pk=job.pk)
            rows.update(progress_at=database_time.now(), **found)
        cached = (job.attempts, stage.value, done, total, database_time.now())
        try:
            cache.set(_key(job), cached, timeout=_CACHED_FOR.total_seconds())
        except (RedisError, OSError) as error:
            logger.warning(
                "the cache did not store the progress of import %s: %s", job.public_id, error
            )

    return report_progress


def progress_of(job: SheetImport) -> ImportProgress | None:
    """The progress of the import; None before a worker starts it."""
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
    """The time of the worker's last report."""
    cached = _cached_progress(job)
    return max(job.progress_at, cached[4]) if cached is not None else job.progress_at


def is_stalled(job: SheetImport, *, now: datetime) -> bool:
    return import_stages.is_stalled(job, now=now, progress_at=last_progress_at(job))


def _cached_progress(job: SheetImport) -> tuple[int, str, int, int, datetime] | None:
    """The cached progress of the current attempt; None for an earlier attempt's."""
    try:
        cached: tuple[int, str, int, int, datetime] | None = cache.get(_key(job))
    except (RedisError, OSError):
        return None
    return cached if cached is not None and cached[0] == job.attempts else None


def _key(job: SheetImport) -> str:
    return f"sheets:import:{job.public_id}:{job.status}"
