"""The stages of an import: upload, preview, confirmation, result, and lost workers."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.collaboration import file_store
from onboarding.errors import OnboardingError
from onboarding.lifecycle import exports
from onboarding.lifecycle.archive import importing, imports
from onboarding.lifecycle.archive.exporting import build_archive
from onboarding.lifecycle.archive.tasks import import_archive, resume_archive_imports
from onboarding.lifecycle.tasks import build_export
from onboarding.models import ArchiveImport, EvidenceFile, TenantExport
from tenants.models import ActivityLine, Tenant, User
from tests.api.clients import client_for
from tests.factories import MakeTenant, SignIn
from tests.onboarding.lifecycle.archive.worlds import (
    archive_of,
    edited,
    erased,
    imported,
    rich_tenant,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
_BUILT: list[bytes] = []
ARCHIVE = TenantExport.Format.ARCHIVE


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path
    return tmp_path


@pytest.fixture
def archive(make_tenant: MakeTenant, django_capture_on_commit_callbacks: Any) -> bytes:
    """The archive of a tenant that is not in the database. Built once."""
    if not _BUILT:
        with django_capture_on_commit_callbacks(execute=True):
            tenant, administrator = rich_tenant(make_tenant)
            _BUILT.append(archive_of(tenant))
            erased(tenant, administrator)
            ArchiveImport.objects.all().delete()
    return _BUILT[0]


def _upload(client: Client, content: bytes, on_commit: Any) -> Any:
    """Upload the file, and return the page of the import after the work of the worker."""
    file = SimpleUploadedFile("client.json", content)
    with on_commit(execute=True):
        response: Any = client.post(reverse("onboarding:archive-import"), {"file": file})
    return client.get(response.url)


def _stored(content: bytes, by: User) -> ArchiveImport:
    return imports.create_import(name="a.json", file=SimpleUploadedFile("a", content), by=by)


def _text(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pages_from_upload_to_result(
    archive: bytes,
    administrator: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
    files_dir: Path,
) -> None:
    client = signed_in(administrator)
    preview = _upload(client, archive, django_capture_on_commit_callbacks)
    job = ArchiveImport.objects.get()
    tenants = Tenant.objects.count()
    before = User.objects.count()
    with django_capture_on_commit_callbacks(execute=True):
        confirmed: Any = client.post(
            reverse("onboarding:archive-import-confirm", args=[job.public_id])
        )
    done = client.get(confirmed.url)

    assert "one.test, two.test, three.test" in _text(preview)
    assert hashlib.sha256(archive).hexdigest() in _text(preview)
    assert "None of them gets access" in _text(preview)
    assert (tenants, "own is imported" in _text(done)) == (0, True)
    tenant = Tenant.objects.get()
    assert client.get(reverse("onboarding:offboarding", args=[tenant.public_id])).status_code == 200
    assert User.objects.filter(is_active=True).count() <= before
    line = ActivityLine.objects.filter(tenant=tenant).order_by("-number")[0]
    assert (line.action, line.actor, line.params["archive"]) == (
        "tenant-imported",
        administrator,
        hashlib.sha256(archive).hexdigest(),
    )
    assert len(_files(files_dir)) == 2


def test_manipulated_upload_shows_its_place(
    archive: bytes, administrator: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    def edit(tables: Any) -> None:
        tables["activity"][3]["params"] = {}

    page = _upload(
        signed_in(administrator), edited(archive, edit), django_capture_on_commit_callbacks
    )

    assert "The archive was changed: line 4 of the activity log, of" in _text(page)
    assert "does not match its hash. Nothing was imported." in _text(page)
    assert Tenant.objects.count() == 0


def test_upload_limit_is_that_of_archives(
    administrator: User, consultant: User, signed_in: SignIn, settings: Any
) -> None:
    settings.FILES_MAX_BYTES, settings.ARCHIVE_MAX_BYTES = 1_000, 5_000
    url = reverse("onboarding:archive-import")

    def send(user: User, size: int) -> tuple[int, bool]:
        file = SimpleUploadedFile("a.json", b"x" * size)
        response = signed_in(user).post(url, {"file": file})
        return response.status_code, "larger than this installation accepts" in _text(response)

    assert send(administrator, 4_000) == (302, False)
    assert send(administrator, 6_000) == (422, True)
    assert send(consultant, 4_000)[0] == 403
    assert ArchiveImport.objects.count() == 1
    api = client_for(administrator, "administer").upload("archive-imports/", {"file": "x" * 4_000})
    assert (api.status_code, api.json()["size"]) == (202, 4_000)


def test_lost_workers_are_replaced(
    archive: bytes, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies during the import leaves nothing. The next one imports all of it."""
    job = _stored(archive, administrator)
    monkeypatch.setattr(file_store, "path_of", lambda place: file_store._path(place + ".part"))
    import_archive(job.public_id)
    job.refresh_from_db()
    imports.confirm_import(job)
    before = User.objects.count()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(importing, "register_logs", die)
        with pytest.raises(KeyboardInterrupt):
            import_archive(job.public_id)
    left = (User.objects.count(), Tenant.objects.count())
    ArchiveImport.objects.update(progress_at=timezone.now() - timedelta(minutes=12))
    resume_archive_imports()

    assert left == (before, 0)
    job.refresh_from_db()
    assert (job.status, job.tenant) == ("done", Tenant.objects.get())
    import_archive(job.public_id)
    assert Tenant.objects.count() == 1


def test_third_lost_worker_fails_the_import(archive: bytes, administrator: User) -> None:
    job = _stored(archive, administrator)
    ArchiveImport.objects.update(attempts=3)

    import_archive(job.public_id)

    job.refresh_from_db()
    assert (job.status, job.error[:37]) == ("failed", "The import was started three times an")


def test_old_imports_are_deleted_with_their_files(
    administrator: User, files_dir: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        _stored(b"{}", administrator)
    stored = len(_files(files_dir))
    ArchiveImport.objects.update(
        created_at=timezone.now() - timedelta(hours=25), status="ready", progress_at=timezone.now()
    )
    with django_capture_on_commit_callbacks(execute=True):
        resume_archive_imports()

    assert (stored, _files(files_dir), ArchiveImport.objects.count()) == (1, [], 0)


def test_confirmation_is_accepted_once(administrator: User) -> None:
    _stored(b"{}", administrator)
    ArchiveImport.objects.update(status="ready")
    # The copies of two requests that arrive at the same time.
    job, outdated = ArchiveImport.objects.get(), ArchiveImport.objects.get()
    imports.confirm_import(job)

    for again in (job, outdated):
        with pytest.raises(OnboardingError, match="already started or discarded"):
            imports.confirm_import(again)
    assert imports.discard_import(job) is False
    assert ArchiveImport.objects.get().status == "importing"


def test_archive_is_for_administrators_only(
    tenant: Tenant, owner: User, administrator: User, signed_in: SignIn
) -> None:
    """The owner may export the tenant, but the archive contains internal notes."""
    export = exports.request_export(tenant, by=administrator, file_format=ARCHIVE)
    build_archive(export)
    as_export = reverse("onboarding:export-show", args=[tenant.public_id, export.public_id])
    as_archive = reverse("onboarding:archive-show", args=[tenant.public_id, export.public_id])
    api = client_for(owner, "administer")

    assert [signed_in(owner).get(url).status_code for url in (as_export, as_archive)] == [404, 403]
    listed = api.get(f"tenants/{tenant.public_id}/exports/").json()
    assert listed["results"] == []
    base = f"tenants/{tenant.public_id}"
    assert api.get(f"{base}/exports/{export.public_id}/content/").status_code == 404
    assert api.get(f"{base}/archives/").status_code == 403
    assert signed_in(administrator).get(as_export).status_code == 404


def test_requested_archive_is_offered_with_its_digest(
    tenant: Tenant,
    administrator: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    client = signed_in(administrator)
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(
            reverse("onboarding:archive-request", args=[tenant.public_id]), follow=True
        )
    page = client.get(reverse("onboarding:offboarding", args=[tenant.public_id]))
    export = TenantExport.objects.get()
    url = reverse("onboarding:archive-show", args=[tenant.public_id, export.public_id])
    download: Any = client.get(url)
    content = b"".join(download.streaming_content)

    assert export.sha256 in _text(page)
    assert hashlib.sha256(content).hexdigest() == export.sha256
    assert len(content) == export.size
    build_export(export.public_id)
    assert TenantExport.objects.get().ready_at == export.ready_at


def test_missing_file_is_shown_as_error(
    make_tenant: MakeTenant,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    file = EvidenceFile.objects.get(task__plan__tenant=tenant)
    file_store.path_of(file.stored_as).unlink()
    export = exports.request_export(tenant, by=administrator, file_format=ARCHIVE)

    build_export(export.public_id)

    page = signed_in(administrator).get(reverse("onboarding:offboarding", args=[tenant.public_id]))
    assert "is missing in the storage. Restore FILES_DIR." in _text(page)


def test_monitoring_of_a_completed_tenant_is_started(
    archive: bytes, administrator: User, signed_in: SignIn
) -> None:
    tenant = imported(archive)
    url = reverse("onboarding:checks-start", args=[tenant.public_id])
    client = signed_in(administrator)
    refused = client.post(url, follow=True)
    Tenant.objects.filter(pk=tenant.pk).update(completed_at=timezone.now())
    shown = client.get(reverse("onboarding:offboarding", args=[tenant.public_id]))
    started = client.post(url, follow=True)

    assert "Reopen the tenant to start its checks." in _text(refused)
    assert "Start monitoring" in _text(shown)
    assert "The checks are running." in _text(started)
    assert Tenant.objects.get().checks_paused_at is None


def test_commands_move_a_tenant(
    make_tenant: MakeTenant, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tenant, administrator = rich_tenant(make_tenant)
    first, second, out = tmp_path / "first.json", tmp_path / "second.json", io.StringIO()
    by = {"by": administrator.email}
    call_command("export_tenant", tenant.public_id, str(first), **by, stdout=out)
    sha256 = out.getvalue().split()[0]
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_tenant", tenant.public_id, str(first), **by)
    with pytest.raises(CommandError, match="This tenant is already in this installation"):
        call_command("import_tenant", str(first), **by)
    with django_capture_on_commit_callbacks(execute=True):
        erased(tenant, administrator)
    call_command("import_tenant", str(first), check=True, stdout=out)
    with pytest.raises(CommandError, match="There is no active administrator"):
        call_command("import_tenant", str(first), by="nobody@gangway.test")
    with pytest.raises(CommandError, match="The archive has the SHA-256"):
        call_command("import_tenant", str(first), **by, sha256="0" * 64)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("import_tenant", str(first), **by, sha256=sha256, stdout=out)
    call_command("export_tenant", tenant.public_id, str(second), **by, stdout=out)
    call_command("compare_archives", str(first), str(second), stdout=out)

    assert hashlib.sha256(first.read_bytes()).hexdigest() == sha256
    assert "own: SHA-256" in out.getvalue()
    assert out.getvalue().endswith("The archives are equal.\n")
    assert first.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="The archives differ"):
        call_command("compare_archives", str(second), str(first), stdout=out)
