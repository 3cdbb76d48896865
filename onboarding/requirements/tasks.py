"""Celery tasks that read and import large files."""

from __future__ import annotations

import functools

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from onboarding.models import (
    SheetImport,
)
from onboarding.plans.tasks import logger
from onboarding.requirements import imports


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
    """Restart the imports that a broker or a worker lost."""
    for job in imports.stalled_imports(now=timezone.now()):
        logger.warning("import %s was lost and is restarted", job.public_id)
        import_sheet.delay(job.public_id)


def start_import(job: SheetImport) -> None:
    """Run the next stage now if the content is small; otherwise queue it."""
    if imports.is_large(job):
        transaction.on_commit(functools.partial(_send_import, job.public_id))
    else:
        import_sheet(job.public_id)


def _send_import(public_id: str) -> None:
    try:
        import_sheet.delay(public_id)
    except OperationalError:
        # `resume_imports` restarts an import that was to be read.
        imports.return_to_preview(public_id)
        logger.warning("no broker: import %s was not started", public_id)
