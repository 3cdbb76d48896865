"""Builds the archive of a tenant for a request of an administrator, and logs it."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from onboarding.collaboration import file_store
from onboarding.lifecycle.archive.format import ArchiveError
from onboarding.lifecycle.archive.writer import write_archive
from onboarding.models import TenantExport
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def export_to(path: Path, tenant: Tenant, *, by: User) -> str:
    """Write the archive to a new file that only its owner can read. Returns its SHA-256 as hex.

    Raises ArchiveError, or OSError for a file that exists or cannot be written.
    """
    path.touch(mode=0o600, exist_ok=False)
    try:
        write_activity(tenant, ActivityName.EXPORT_REQUESTED, by=by, format="archive")
        with path.open("wb") as file:
            sha256 = write_archive(tenant, file.write)
    except BaseException:
        path.unlink()
        raise
    size = path.stat().st_size
    write_activity(tenant, ActivityName.EXPORT_READY, bytes=size, sha256=sha256)
    return sha256


def build_archive(export: TenantExport) -> bool:
    """Build the archive of a request. False if it exists already or its request is gone.

    Safe to run twice. A missing file of the tenant is stored as the error of the request.
    """
    if export.ready_at is not None or export.error:
        return False
    place = file_store.new_storage_path()
    try:
        with file_store.writing(place) as path:
            with path.open("wb") as file:
                sha256 = write_archive(export.tenant, file.write)
            size = path.stat().st_size
    except ArchiveError as error:
        TenantExport.objects.filter(pk=export.pk).update(error=str(error)[:300])
        return False
    with transaction.atomic():
        wanted = TenantExport.objects.filter(pk=export.pk, ready_at=None)
        made = {"stored_as": place, "size": size, "sha256": sha256}
        if wanted.update(ready_at=database_time.now(), **made):
            params = {"bytes": size, "sha256": sha256}
            write_activity(export.tenant, ActivityName.EXPORT_READY, by=None, **params)
            file_store.publish_on_commit(place)
            return True
    file_store.discard(place)
    return False
