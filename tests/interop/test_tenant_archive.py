"""Archives move between PostgreSQL and SQLite, and a killed import leaves nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models

from onboarding.lifecycle.archive import importing, imports
from onboarding.lifecycle.archive.comparison import differences
from onboarding.lifecycle.archive.tasks import import_archive
from onboarding.models import ArchiveImport
from tenants.log_verification import verify_logs
from tenants.models import ActivityChain, Tenant, User
from tests.factories import MakeTenant
from tests.onboarding.lifecycle.archive.worlds import archive_of, erased, imported, rich_tenant

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
KILLED = 9
ADMINISTRATOR = "there@gangway.test"


@pytest.fixture(autouse=True)
def files_dir(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


class SqliteInstallation:
    """Another installation: a process for each command, a database and a folder of files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.run("migrate", "--verbosity", "0")
        self.run("load_templates")
        self.run(
            "shell",
            "-c",
            "from tenants.models import User; User.objects.create_superuser("
            f"'{ADMINISTRATOR}', 'pw', name='Ad There')",
        )

    def run(self, *arguments: str) -> str:
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{self.folder / 'db.sqlite3'}",
            "FILES_DIR": str(self.folder / "files"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=django_settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_archive_moves_between_databases(make_tenant: MakeTenant, tmp_path: Path) -> None:
    tenant, administrator = rich_tenant(make_tenant)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_bytes(archive_of(tenant))
    erased(tenant, administrator)
    other = SqliteInstallation(tmp_path / "other")

    other.run("import_tenant", str(first), "--by", ADMINISTRATOR)
    heads = other.run("verify_log")
    other.run("export_tenant", tenant.public_id, str(second), "--by", ADMINISTRATOR)
    arrived = imported(second.read_bytes(), by=administrator)
    third = tmp_path / "third.json"
    third.write_bytes(archive_of(arrived))

    assert tenant.public_id in [line.split()[0] for line in heads.splitlines()]
    assert _differences(first, second) == []
    assert _differences(second, third) == []
    assert [report.fault for report in verify_logs() if report.fault] == []


def _differences(first: Path, second: Path) -> list[str]:
    with first.open("rb") as one, second.open("rb") as other:
        return differences(one, other)


def _die(*_: Any, **__: Any) -> Any:
    os._exit(KILLED)


# The points of death of a worker, and whether the tenant exists then.
POINTS = {
    "in the middle": (models.query.QuerySet, "bulk_update", False),
    "with all rows": (importing, "register_logs", False),
    "before a file is on the disk": (os, "fsync", False),
    "before a file has its name": (Path, "replace", True),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_import_is_repeated(make_tenant: MakeTenant, files_dir: Path, point: str) -> None:
    tenant, administrator = rich_tenant(make_tenant)
    content = archive_of(tenant)
    erased(tenant, administrator)
    file = SimpleUploadedFile("a.json", content)
    job = imports.create_import(name="a.json", file=file, by=administrator)
    import_archive(job.public_id)
    job.refresh_from_db()
    imports.confirm_import(job)
    before = (User.objects.count(), ActivityChain.objects.count())

    _killed_at(point, job.public_id)

    exists = POINTS[point][2]
    assert Tenant.objects.filter(public_id=tenant.public_id).exists() == exists
    if not exists:
        assert (User.objects.count(), ActivityChain.objects.count()) == before
    import_archive(job.public_id)
    job.refresh_from_db()
    assert (job.status, job.error) == (ArchiveImport.Status.DONE, "")
    arrived = Tenant.objects.get(public_id=tenant.public_id)
    assert hashlib.sha256(content).hexdigest() == job.sha256
    assert archive_of(arrived)


def _killed_at(point: str, public_id: str) -> None:
    """Import in a process of its own, which dies at the point."""
    owner, name, _ = POINTS[point]
    # The child would end the session of an inherited connection.
    connection.close()
    child = os.fork()
    if child == 0:
        setattr(owner, name, _die)
        import_archive(public_id)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED
