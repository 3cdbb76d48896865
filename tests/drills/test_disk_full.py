"""A full disk: pages open, a change is refused with a page of its own, and no restart is needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
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
# The folder of the tests is private to root.
MOUNT = Path("/var/tmp") / f"gangway-drill-disk-{os.getpid()}"
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


def _commenting(drill: Drill, visitor: Visitor) -> Callable[[], Answer]:
    """The action that adds a comment. It needs no query of the drill."""
    tenant, task = _tenant_and_task(drill)
    return partial(visitor.post, f"/t/{tenant}/tasks/{task}/comments/", body="text " * 700)


def test_full_disk_of_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drill")
    with (
        small_disk(MOUNT, DATABASE_MEGABYTES) as disk,
        own_postgresql(folder, root=disk) as postgresql,
        started(folder, postgresql=postgresql) as drill,
    ):
        (client,) = visitors(drill, CLIENT)
        comment = _commenting(drill, client)

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
    MOUNT.rmdir()


def test_full_disk_of_write_ahead_log(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PostgreSQL ends when it cannot extend its log. Its service starts it again."""
    folder = tmp_path_factory.mktemp("drill")
    with (
        small_disk(MOUNT, DATABASE_MEGABYTES) as disk,
        own_postgresql(folder, root=disk, wal=disk / "wal") as postgresql,
        started(folder, postgresql=postgresql) as drill,
    ):
        (client,) = visitors(drill, CLIENT)
        comment = _commenting(drill, client)
        answers = []
        with filled(disk):
            until = time.monotonic() + NORMAL_WITHIN_SECONDS
            while not postgresql.has_ended() and time.monotonic() < until:
                answers.append(comment())
                # A person may add 300 comments in an hour.
                time.sleep(0.3)
            answers.append(comment())
            assert "PANIC" in postgresql.log.read_text()
        if postgresql.has_ended():
            postgresql.start()
        freed_at = drill.query("SELECT clock_timestamp()")[0][0]

        seconds = drill.seconds_until_run(drill.ids(RUNNING), freed_at, NORMAL_WITHIN_SECONDS)

        stored = drill.query(
            "SELECT count(*) FROM onboarding_comment WHERE body LIKE %s", "text text%"
        )
        statuses = [answer.status for answer in answers]
        print(f"{len(statuses)} changes, all checks ran {seconds:.1f} s after the start")  # noqa: T201
        assert set(statuses) <= {302, 503, 507}
        assert {503, 507} & set(statuses)
        # No accepted comment is lost. One that was committed as PostgreSQL ended has no response.
        assert statuses.count(302) <= stored[0][0] <= statuses.count(302) + 1
        assert comment().status == 302
    MOUNT.rmdir()
