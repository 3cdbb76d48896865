"""Celery tasks of the requirements sheets: imports."""

from __future__ import annotations

import functools
import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from onboarding.models import SheetImport
from onboarding.requirements import imports

logger = logging.getLogger(__name__)


@shared_task(
    name="onboarding.import_sheet",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_sheet(public_id: str) -> None:
    """Run the next stage of an import: read the file, or import its rows."""
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by")
    job = rows.filter(public_id=public_id).first()
    if job is not None and job.is_in_progress and imports.start_attempt(job):
        imports.read_import(job)
        imports.run_import(job)


@shared_task(name="onboarding.resume_imports", ignore_result=True)
def resume_imports() -> None:
    """Queue the imports again that a broker or a worker lost."""
    for job in imports.stalled_imports(now=timezone.now()):
        logger.warning("import %s has stalled and is queued again", job.public_id)
        import_sheet.delay(job.public_id)


@shared_task(name="onboarding.delete_abandoned_imports", ignore_result=True)
def delete_abandoned_imports() -> None:
    imports.delete_abandoned()


def start_import(job: SheetImport) -> None:
    """Run a small import at once, and queue a large one on commit."""
    if imports.is_large(job):
        transaction.on_commit(functools.partial(_send_import, job.public_id))
    else:
        import_sheet(job.public_id)


def _send_import(public_id: str) -> None:
    try:
        import_sheet.delay(public_id)
    except OperationalError:
        # The beat task resume_imports queues an import again that was not read yet.
        imports.return_to_preview(public_id)
        logger.warning("no broker: import %s was not queued", public_id)
