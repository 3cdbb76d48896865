"""The stages of an import: a worker reads it, a person confirms its preview, a worker imports it.

The imports of requirements sheets, of tenants and of archives share this mechanism:

1. Each attempt of a worker is counted. After three lost workers the import fails with a sentence.
2. A worker reports its progress. After a longer silence the import has stalled: its page shows
   this state, and a beat task queues it again.
3. Each change is conditional on the status, and the rows of an import are stored in one transaction
   with their result. The later of two workers at one import therefore changes nothing.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, QuerySet

from onboarding.errors import OnboardingError
from onboarding.models import ArchiveImport, SheetImport, TenantImport
from tenants import broker, database_time

logger = logging.getLogger(__name__)

Import = TypeVar("Import", SheetImport, TenantImport, ArchiveImport)
MAX_ATTEMPTS = 3
# A worker reports more often. Longer silence means that it died.
STALLED_AFTER = timedelta(minutes=3)
# Previews contain personal data.
DELETE_AFTER = timedelta(days=1)
ALREADY_STARTED = "This import was already started or discarded."


def start_attempt(job: Import, *, refusal: str, **columns: Any) -> bool:
    """Count an attempt of a worker, and reset these columns.

    Fails the import with the sentence and returns False after the last attempt.
    """
    if job.attempts >= MAX_ATTEMPTS:
        # Conditional: the worker that seemed lost may have finished.
        update(job, status=job.Status.FAILED, error=refusal)
        return False
    rows = _same(job)
    if not rows.update(attempts=F("attempts") + 1, progress_at=database_time.now(), **columns):
        return False
    job.attempts += 1
    return True


def update(job: Import, **columns: Any) -> bool:
    """Update the import unless its status has changed. Returns whether it was updated."""
    if not _same(job).update(**columns):
        return False
    for name, value in columns.items():
        setattr(job, name, value)
    return True


def confirm(job: Import, *, status: str, **columns: Any) -> None:
    """Start the second stage. Raises OnboardingError if it was started or discarded before."""
    values = {"status": status, "attempts": 0, "progress_at": database_time.now(), **columns}
    if job.status != job.Status.READY or not update(job, **values):
        raise OnboardingError(ALREADY_STARTED)


def locked(job: Import) -> Import | None:
    """Lock the import for its result. None if its status has changed, by another worker."""
    return _same(job).select_for_update(no_key=True).first()


def _same(job: Import) -> QuerySet[Import]:
    return type(job)._default_manager.filter(pk=job.pk, status=job.status)


def in_progress(rows: QuerySet[Import]) -> QuerySet[Import]:
    """The imports that a worker reads or imports, or that wait for one."""
    status = rows.model.Status
    return rows.exclude(status__in=(status.READY, status.DONE, status.FAILED))


def is_stalled(
    job: Import,
    *,
    now: datetime,
    limit: timedelta = STALLED_AFTER,
    progress_at: datetime | None = None,
) -> bool:
    """Whether its worker was silent for this time. `progress_at` replaces a later report."""
    return job.is_in_progress and (progress_at or job.progress_at) < now - limit


def abandoned(rows: QuerySet[Import]) -> QuerySet[Import]:
    """The imports of the day before that no worker imports."""
    status = rows.model.Status
    old = rows.filter(created_at__lt=database_time.now() - DELETE_AFTER)
    return old.filter(status__in=(status.READING, status.READY, status.DONE, status.FAILED))


def queue(task: Any, public_id: str) -> None:
    """Queue the next stage on commit. Without a broker, the beat task of `resume` does it later."""
    transaction.on_commit(functools.partial(broker.send, task, (public_id,)))


def resume(task: Any, public_ids: Iterable[str]) -> None:
    """Queue the stalled imports again, which a broker or a worker lost."""
    for public_id in public_ids:
        logger.warning("%s: import %s has stalled and is queued again", task.name, public_id)
        task.delay(public_id)
