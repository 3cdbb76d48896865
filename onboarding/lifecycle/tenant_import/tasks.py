"""Celery tasks of the imports of tenants."""

from __future__ import annotations

from celery import shared_task

from onboarding.lifecycle.tenant_import import services
from onboarding.models import TenantImport
from onboarding.requirements import import_stages
from tenants import database_time


@shared_task(
    name="onboarding.import_tenants",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_tenants(public_id: str) -> None:
    """Run the next stage of an import of tenants: read the file, or create the tenants."""
    rows = TenantImport.objects.select_related("created_by")
    job = rows.filter(public_id=public_id).first()
    if job is None or not job.is_in_progress or not services.start_attempt(job):
        return
    if job.status == TenantImport.Status.READING:
        services.read_import(job)
    else:
        services.run_import(job)


@shared_task(name="onboarding.resume_tenant_imports", ignore_result=True)
def resume_tenant_imports() -> None:
    """Queue the imports that a broker or a worker lost. Delete those of the day before."""
    import_stages.resume(import_tenants, services.stalled_imports(now=database_time.now()))
    services.delete_old()


def queue_tenant_import(job: TenantImport) -> None:
    """Queue the next stage of the import on commit."""
    import_stages.queue(import_tenants, job.public_id)
