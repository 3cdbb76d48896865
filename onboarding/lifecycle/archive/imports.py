"""The stages of the import of an archive: upload, verify, preview, confirm, import.

1. `create_import` stores the file.
2. `read_import` verifies it and stores the preview.
3. `confirm_import` records a person's confirmation.
4. `run_import` creates the tenant and stores the result in one transaction. After the death of a
   worker, both exist or neither.

A worker runs 2 and 4.
"""

from __future__ import annotations

import functools
import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from onboarding.collaboration import file_store
from onboarding.collaboration.file_types import safe_name
from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive.format import ArchiveError
from onboarding.lifecycle.archive.importing import import_archive
from onboarding.lifecycle.archive.preview import preview_of
from onboarding.models import ArchiveImport
from onboarding.requirements import import_stages
from tenants import database_time
from tenants.models import User

Status = ArchiveImport.Status
# A verification reports its progress. An import reports at its end, within the limit of its task.
IMPORT_STALLED_AFTER = timedelta(minutes=11)
NOT_DISCARDED = "A worker imports the tenant now. The import was not discarded."
_TOO_MANY_ATTEMPTS = (
    "The import was started three times and stopped each time. Nothing was imported. Import the"
    " archive with the command import_tenant."
)


def create_import(*, name: str, file: UploadedFile[Any], by: User) -> ArchiveImport:
    """Store the file for its verification. Deletes the person's earlier previews."""
    place, digest, size = file_store.new_storage_path(), hashlib.sha256(), 0
    with transaction.atomic():
        earlier = ArchiveImport.objects.filter(created_by=by)
        _delete(earlier.filter(status__in=(Status.READY, Status.FAILED)))
        with file_store.writing(place) as path, path.open("wb") as stored:
            for part in file.chunks():
                digest.update(part)
                size += len(part)
                stored.write(part)
        file_store.publish_on_commit(place)
        return ArchiveImport.objects.create(
            name=safe_name(name),
            stored_as=place,
            size=size,
            sha256=digest.hexdigest(),
            created_by=by,
            progress_at=database_time.now(),
        )


def start_attempt(job: ArchiveImport) -> bool:
    """Count an attempt of a worker. Fails the import and returns False after the last one."""
    return import_stages.start_attempt(job, refusal=_TOO_MANY_ATTEMPTS, rows=0)


def read_import(job: ArchiveImport) -> None:
    """Verify the archive, and store its preview or the fault."""
    try:
        with file_store.path_of(job.stored_as).open("rb") as file:
            report = preview_of(file, functools.partial(_report_progress, job))
    except ArchiveError as error:
        import_stages.update(job, status=Status.FAILED, error=_sentence(error))
        return
    except FileNotFoundError:
        import_stages.update(job, status=Status.FAILED, error="The file of the archive is missing.")
        return
    import_stages.update(job, status=Status.READY, report=report, rows=sum(report["rows"].values()))


def _report_progress(job: ArchiveImport, rows: int) -> None:
    import_stages.update(job, rows=rows, progress_at=database_time.now())


def _sentence(error: ArchiveError) -> str:
    return f"{error} Nothing was imported."[:500]


def confirm_import(job: ArchiveImport) -> None:
    """Confirm the preview. Raises OnboardingError if the archive cannot be imported here."""
    if refusal := job.report.get("refusal"):
        raise OnboardingError(refusal)
    import_stages.confirm(job, status=Status.IMPORTING)


def run_import(job: ArchiveImport) -> None:
    """Create the tenant. Another worker at the same import waits, and then finds the result."""
    try:
        with transaction.atomic():
            locked = import_stages.locked(job)
            if locked is None:
                return
            with file_store.path_of(job.stored_as).open("rb") as file:
                tenant = import_archive(file, sha256=job.sha256, by=job.created_by)
            locked.status, locked.tenant = Status.DONE, tenant
            locked.save(update_fields=["status", "tenant"])
            file_store.remove_on_commit([job.stored_as])
    except ArchiveError as error:
        import_stages.update(job, status=Status.FAILED, error=_sentence(error))
    except FileNotFoundError:
        import_stages.update(job, status=Status.FAILED, error="The file of the archive is missing.")


def discard_import(job: ArchiveImport) -> bool:
    """Delete the import, unless a worker imports it. Returns whether it was deleted."""
    with transaction.atomic():
        return _delete(ArchiveImport.objects.filter(pk=job.pk).exclude(status=Status.IMPORTING))


def _delete(rows: Any) -> bool:
    """Delete the rows, and their files on commit."""
    found = list(rows.select_for_update(no_key=True).values_list("pk", "stored_as"))
    file_store.remove_on_commit([place for _, place in found])
    return bool(ArchiveImport.objects.filter(pk__in=[pk for pk, _ in found]).delete()[0])


def is_stalled(job: ArchiveImport, *, now: datetime) -> bool:
    is_import = job.status == Status.IMPORTING
    limit = IMPORT_STALLED_AFTER if is_import else import_stages.STALLED_AFTER
    return import_stages.is_stalled(job, now=now, limit=limit)


def stalled_imports(*, now: datetime) -> list[str]:
    """The public ids of the imports that a lost worker or broker left unfinished."""
    waiting = import_stages.in_progress(ArchiveImport.objects.all())
    return [job.public_id for job in waiting if is_stalled(job, now=now)]


def delete_old() -> None:
    """Delete the imports of the day before: they contain personal data."""
    with transaction.atomic():
        _delete(import_stages.abandoned(ArchiveImport.objects.all()))
