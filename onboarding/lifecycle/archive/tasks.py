"""Celery tasks of the imports of archives."""

from __future__ import annotations

import functools
import logging

from celery import shared_task
from django.db import transaction

from onboarding.lifecycle.archive import imports
from onboarding.models import ArchiveImport
from tenants import broker, database_time

logger = logging.getLogger(__name__)


@shared_task(
    name="onboarding.import_archive",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_archive(public_id: str) -> None:
    """Run the next stage of an import of an archive: verify it, or create its tenant."""
    rows = ArchiveImport.objects.select_related("created_by")
    job = rows.filter(public_id=public_id).first()
    if job is None or not job.is_in_progress or not imports.start_attempt(job):
        return
    if job.status == ArchiveImport.Status.READING:
        imports.read_import(job)
    else:
        imports.run_import(job)


@shared_task(name="onboarding.resume_archive_imports", ignore_result=True)
def resume_archive_imports() -> None:
    """Queue the imports that a broker or a worker lost. Delete those of the day before."""
    for public_id in imports.stalled_imports(now=database_time.now()):
        logger.warning("the import of the archive %s has stalled and is queued again", public_id)
        import_archive.delay(public_id)
    imports.delete_old()


def queue_archive_import(job: ArchiveImport) -> None:
    """Queue the next stage of the import on commit."""
    # Without a broker, the beat task resume_archive_imports queues it later.
    transaction.on_commit(functools.partial(broker.send, import_archive, (job.public_id,)))
