"""A full disk: pages open, a change is refused with a page of its own, and no restart is needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drills.drill import NORMAL_WITHIN_SECONDS, RUNNING, Drill
from tests.drills.servers import own_postgresql
from tests.drills.start import started
from tests.drills.visitor import Answer, Visitor, visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

CLIENT = "client@northwind.test"
SENTENCE = "A disk of Gangway’s servers is full"
FILES_MEGABYTES, DATABASE_MEGABYTES = 4, 400
_FILL_BYTES = 64 * 1024


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory. Requires root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system requires root")
    folder.mkdir()
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Another file uses all space of the disk until the block ends."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"0" * _FILL_BYTES):
            pass
    try:
        yield
    finally:
        filler.unlink()


def _tenant_and_task(drill: Drill) -> tuple[str, str]:
    return drill.query(
        "SELECT t.public_id, task.public_id FROM tenants_tenant t"
        " JOIN onboarding_plan p ON p.tenant_id = t.id"
        " JOIN onboarding_task task ON task.plan_id = p.id AND task.key = 'domain-ownership'"
        " WHERE t.name = 'Northwind Traders'"
    )[0]


def _pages(drill: Drill, visitor: Visitor) -> list[Answer]:
    tenant, _ = _tenant_and_task(drill)
    return [visitor.get(path) for path in (f"/t/{tenant}/", f"/t/{tenant}/domains/", "/health/")]


def _assert_refused(drill: Drill, change: Callable[[], Answer]) -> Answer:
    """Repeat the change until the disk refuses it: pages of the database may have room left."""
    for _ in range(200):
        answer = change()
        if answer.status != 302:
            break
    assert (answer.status, SENTENCE in answer.text) == (507, True), answer.text[:500]
    assert answer.headers["Retry-After"] == "60"
    return answer


def test_full_disk_of_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drill")
    with (
        small_disk(folder / "files", FILES_MEGABYTES) as disk,
        started(folder, FILES_DIR=str(disk)) as drill,
    ):
        (client,) = visitors(drill, CLIENT)
        tenant, task = _tenant_and_task(drill)

        def attach() -> Answer:
            return client.upload(f"/t/{tenant}/tasks/{task}/files/", b"text " * 40_000)

        assert attach().status == 302
        with filled(disk):
            _assert_refused(drill, attach)
            assert [answer.status for answer in _pages(drill, client)] == [200] * 3
            assert not list(disk.rglob("*.part"))
        assert attach().status == 302


def test_full_disk_of_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drill")
    # The folder of the tests is private to root.
    mount = Path("/var/tmp") / f"gangway-drill-disk-{os.getpid()}"
    with (
        small_disk(mount, DATABASE_MEGABYTES) as disk,
        own_postgresql(folder, root=disk) as postgresql,
        started(folder, postgresql=postgresql) as drill,
    ):
        (client,) = visitors(drill, CLIENT)
        tenant, task = _tenant_and_task(drill)

        def comment() -> Answer:
            return client.post(f"/t/{tenant}/tasks/{task}/comments/", body="text " * 700)

        assert comment().status == 302
        with filled(disk):
            _assert_refused(drill, comment)
            assert [answer.status for answer in _pages(drill, client)] == [200] * 3
            time.sleep(5)
            due = drill.ids(f"{RUNNING} AND next_due_at <= now()")
        freed_at = drill.query("SELECT clock_timestamp()")[0][0]
        assert comment().status == 302
        seconds = drill.seconds_until_run(due, freed_at, NORMAL_WITHIN_SECONDS)
        print(f"{len(due)} due checks ran {seconds:.1f} s after the space was freed")  # noqa: T201
    mount.rmdir()
