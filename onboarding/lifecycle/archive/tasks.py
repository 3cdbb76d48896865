"""Celery tasks of the imports of archives."""

from __future__ import annotations

from celery import shared_task

from onboarding.lifecycle.archive import imports
from onboarding.models import ArchiveImport
from onboarding.requirements import import_stages
from tenants import database_time


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
    import_stages.resume(import_archive, imports.stalled_imports(now=database_time.now()))
    imports.delete_old()


def queue_archive_import(job: ArchiveImport) -> None:
    """Queue the next stage of the import on commit."""
    import_stages.queue(import_archive, job.public_id)
