"""Celery tasks of the requirements sheets: imports."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from onboarding.models import RequirementsSheet, SheetImport
from onboarding.requirements import import_stages, imports, partner_checks
from tenants import broker, database_time, outbox
from tenants.models import User


@shared_task(
    name="onboarding.import_sheet",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_sheet(public_id: str) -> None:
    """Run the next stage of an import: read the file, or import its rows.

    The imports of one tenant run one after the other, so that they occupy one process only. The
    end of each queues the next one.
    """
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by")
    job = rows.filter(public_id=public_id).first()
    if job is None or not job.is_in_progress or imports.has_earlier(job):
        return
    try:
        if imports.start_attempt(job):
            imports.read_import(job)
            imports.run_import(job)
            queue_partner_tests(job.sheet)
    finally:
        following = imports.next_in_progress(job)
        if following is not None:
            _send_import(following.public_id)


@shared_task(name="onboarding.check_tls_partner", acks_late=True, ignore_result=True)
def check_tls_partner(check_id: int, attempt: int = 1) -> None:
    """Test one partner. While another check uses its hosts, try again later."""
    earliest = partner_checks.run_test(check_id, now=database_time.now())
    if earliest is None:
        return
    if attempt >= partner_checks.MAX_ATTEMPTS:
        partner_checks.abandon_test(check_id)
        return
    outbox.queue_task(check_tls_partner, check_id, attempt + 1, not_before=earliest)


def queue_partner_tests(sheet: RequirementsSheet) -> int:
    """Request the allowed tests of the sheet's TLS partners, and queue them on commit."""
    with transaction.atomic():
        requested = partner_checks.request_tests(sheet, now=database_time.now())
        outbox.queue_tasks(
            check_tls_partner, [[check.pk] for check in requested], tenant=sheet.task.plan.tenant
        )
    return len(requested)


@shared_task(name="onboarding.resume_imports", ignore_result=True)
def resume_imports() -> None:
    """Queue the imports again that a broker or a worker lost."""
    stalled = imports.stalled_imports(now=database_time.now())
    import_stages.resume(import_sheet, [job.public_id for job in stalled])


@shared_task(name="onboarding.delete_abandoned_imports", ignore_result=True)
def delete_abandoned_imports() -> None:
    imports.delete_abandoned()


def begin_import(sheet: RequirementsSheet, *, name: str, content: bytes, by: User) -> SheetImport:
    """Store the content, and read a short text at once. Returns the import with its new status."""
    job = imports.create_import(sheet, name=name, content=content, by=by)
    start_import(job)
    job.refresh_from_db(fields=["status", "error"])
    return job


def start_import(job: SheetImport) -> None:
    """Run a small import at once, and queue a large one on commit."""
    if imports.is_large(job):
        import_stages.queue(import_sheet, job.public_id)
    else:
        import_sheet(job.public_id)


def _send_import(public_id: str) -> None:
    # Without a broker, the beat task resume_imports queues it later.
    broker.send(import_sheet, (public_id,))
