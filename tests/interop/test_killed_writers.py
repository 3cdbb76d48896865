"""A process that dies while it writes a file, an export or a closing pack leaves no trace.

Each test forks a process, which ends at one point without any cleanup, as after a kill.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from onboarding.collaboration import evidence_files, file_store
from onboarding.lifecycle import exports, offboarding
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.tasks import sweep_files
from onboarding.models import ClosingPack, EvidenceFile, Task, TenantExport
from tenants.models import Tenant, User
from tests.interop.killed import KILLED, die, killed_at

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


def _die_half_way(path: Path, content: bytes) -> int:
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    os._exit(KILLED)


# The point of death, and whether the row is stored then.
POINTS = {
    "half written": (Path, "write_bytes", _die_half_way, False),
    "half an archive": (zipfile.ZipFile, "close", die, False),
    "before the row": (os, "fsync", die, False),
    "before the name": (Path, "replace", die, True),
}
_OF_FILES = ("half written", "before the row", "before the name")
_OF_ARCHIVES = ("half an archive", "before the row", "before the name")


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


def _killed_at(point: str, work: Callable[[], object]) -> None:
    """Run the work in a process of its own, which dies at the point."""
    owner, name, death, _ = POINTS[point]
    killed_at(owner, name, death, work)


def _sweep_later(store: Path) -> None:
    earlier = time.time() - file_store.SWEEP_AFTER.total_seconds() - 60
    for file in store.rglob("*"):
        os.utime(file, (earlier, earlier))
    sweep_files()


def _names(store: Path) -> list[str]:
    return [str(file.relative_to(store)) for file in store.rglob("*") if file.is_file()]


@pytest.mark.parametrize("point", _OF_FILES)
def test_killed_upload(tenant: Tenant, consultant: User, store: Path, point: str) -> None:
    task = Task.objects.select_related("plan__tenant").filter(plan__tenant=tenant)[3]
    upload = SimpleUploadedFile("note.txt", b"note" * 100)

    _killed_at(point, lambda: evidence_files.store_file(task, upload, by=consultant))
    left = _names(store)
    _sweep_later(store)

    stored = [row.stored_as for row in EvidenceFile.objects.filter(task=task)]
    assert [name.endswith(".part") for name in left] == [True]
    assert (len(stored), _names(store)) == (int(POINTS[point][3]), stored)
    assert [file_store.path_of(name).read_bytes() for name in stored] == [b"note" * 100][
        : len(stored)
    ]


@pytest.mark.parametrize("model", [TenantExport, ClosingPack])
@pytest.mark.parametrize("point", _OF_ARCHIVES)
def test_killed_archive(tenant: Tenant, store: Path, point: str, model: Any) -> None:
    row = model.objects.create(tenant=tenant)
    work = exports.build_export if model is TenantExport else build.build_closing_pack

    _killed_at(point, lambda: work(row))
    assert len(_names(store)) == 1
    _sweep_later(store)
    row.refresh_from_db()
    assert (row.ready_at is not None) == POINTS[point][3]
    assert _names(store) == ([row.stored_as] if row.ready_at else [])

    # The task is delivered again.
    work(row)
    row.refresh_from_db()
    assert zipfile.ZipFile(file_store.path_of(row.stored_as)).testzip() is None
    assert _names(store) == [row.stored_as]


def test_reader_completes_file(tenant: Tenant, consultant: User, store: Path) -> None:
    task = Task.objects.select_related("plan__tenant").filter(plan__tenant=tenant)[3]
    upload = SimpleUploadedFile("note.txt", b"note")

    _killed_at("before the name", lambda: evidence_files.store_file(task, upload, by=consultant))

    stored = EvidenceFile.objects.get(task=task)
    assert file_store.path_of(stored.stored_as).read_bytes() == b"note"


def test_young_file_stays(tenant: Tenant, store: Path) -> None:
    """Its transaction may be open."""
    with file_store.writing("ab/young") as part:
        part.write_bytes(b"note")

    sweep_files()

    assert _names(store) == ["ab/young.part"]


def test_empty_database_keeps_files(db: None, store: Path) -> None:
    """An operator restores the files before the database."""
    with file_store.writing("ab/restored") as part:
        part.write_bytes(b"note")

    _sweep_later(store)

    assert _names(store) == ["ab/restored.part"]


def test_file_of_deleted_row_is_swept(tenant: Tenant, consultant: User, store: Path) -> None:
    task = Task.objects.select_related("plan__tenant").filter(plan__tenant=tenant)[3]
    evidence_files.store_file(task, SimpleUploadedFile("note.txt", b"note"), by=consultant)
    # As after a process that died between the commit of an erasure and the deletion of its files.
    EvidenceFile.objects.all().delete()

    _sweep_later(store)

    assert _names(store) == []


def test_stored_files_of_folder(tenant: Tenant) -> None:
    ClosingPack.objects.create(tenant=tenant, stored_as="ab/pack", ready_at=timezone.now())
    TenantExport.objects.create(tenant=tenant, stored_as="cd/export", ready_at=timezone.now())

    assert offboarding.stored_in("ab") == {"ab/pack"}
