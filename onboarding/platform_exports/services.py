"""Submit an export of the mail platform, and apply it after a worker has read it."""

from __future__ import annotations

import logging

from celery import Task as CeleryTask
from django.db import transaction

from checks.engine.sources.registry import SOURCES
from checks.engine.sources.rules import ProofSource
from checks.expectations import sync_checks
from checks.models import SubmittedExport
from checks.submitted_exports import checks_of_source, read_submitted, submit_export
from checks.tasks import run_now
from onboarding.errors import OnboardingError
from onboarding.models import Plan
from tenants import database_time, outbox
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity

logger = logging.getLogger(__name__)


def submit_platform_export(
    plan: Plan, source: ProofSource, content: bytes, *, by: User, task: CeleryTask[..., None]
) -> SubmittedExport:
    """Store an export and queue `task`, which reads it. A request reads nothing of it.

    Raises OnboardingError for a closed tenant.
    """
    if plan.tenant.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was changed.")
    with transaction.atomic():
        export = submit_export(plan.tenant, source, content, by=by, at=database_time.now())
        write_activity(
            plan.tenant,
            ActivityName.PLATFORM_EXPORT_SUBMITTED,
            by=by,
            source=source.title,
            sha256=export.sha256,
        )
        outbox.queue_task(task, export.public_id, tenant=plan.tenant)
        plan.touch()
    return export


def read_platform_export(public_id: str) -> None:
    """Read a waiting export, and run the checks of its source. Safe to run twice."""
    rows = SubmittedExport.objects.select_related("tenant__plan")
    export = rows.filter(public_id=public_id).first()
    if export is None:
        return
    with transaction.atomic():
        if export.read_at is None and not read_submitted(export, at=database_time.now()):
            logger.info("another worker has read the export %s", public_id)
        sync_checks(export.tenant)
        run_now(checks_of_source(export.tenant, SOURCES[export.source]))
        export.tenant.plan.touch()
