"""TODO docstring."""

from __future__ import annotations

import functools

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from onboarding.models import (
    SheetImport,
)
from onboarding.plans.tasks import logger  # NEW
from onboarding.requirements import imports


@shared_task(
    name="onboarding.import_sheet",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_sheet(public_id: str) -> None:
    """The next step of an import into a sheet: to read it, or to take it over."""
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by")
    kept = rows.filter(public_id=public_id).first()
    if kept is not None and kept.is_in_progress and imports.start_attempt(kept):
        imports.read_import(kept)
        imports.run_import(kept)


@shared_task(name="onboarding.resume_imports", ignore_result=True)
def resume_imports() -> None:
    """Imports that a broker or a worker lost: whoever waits before the bar has to do nothing."""
    for kept in imports.stalled_imports(now=timezone.now()):
        logger.warning("import %s was lost and is begun again", kept.public_id)
        import_sheet.delay(kept.public_id)


def start_import(kept: SheetImport) -> None:
    """Do the next step at once where it is small; else queue it."""
    if imports.is_large(kept):
        transaction.on_commit(functools.partial(_send_import, kept.public_id))
    else:
        import_sheet(kept.public_id)


def _send_import(public_id: str) -> None:
    try:
        import_sheet.delay(public_id)
    except OperationalError:
        # The beat begins again what was to be read.
        imports.return_to_preview(public_id)
        logger.warning("no broker: import %s was not begun", public_id)
