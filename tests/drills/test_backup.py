"""A backup that was made while checks ran is complete: the restored product continues."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drills.drill import NORMAL_WITHIN_SECONDS, RUNNING, Drill
from tests.drills.servers import HOST, Server, binaries, own_postgresql
from tests.drills.start import started
from tests.drills.visitor import visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

CLIENT = "client@northwind.test"
ATTACHED = b"a file of the backup"
INVITED = "restored@outside.test"


def _back_up(drill: Drill, folder: Path) -> None:
    """The database first: a file of a later row is only a file too many."""
    command = [str(binaries() / "pg_dump"), drill.product.settings["DATABASE_URL"]]
    subprocess.run([*command, "--file", str(folder / "dump.sql")], check=True)
    shutil.copytree(drill.product.folder / "files", folder / "files")


def _restore(postgresql: Server, folder: Path) -> None:
    address = f"postgres://postgres@{HOST}:{postgresql.port}/postgres"
    command = [str(binaries() / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", address]
    subprocess.run([*command, "--file", str(folder / "dump.sql")], check=True, capture_output=True)


def _attach(drill: Drill) -> None:
    (client,) = visitors(drill, CLIENT)
    tenant, task = drill.query(
        "SELECT t.public_id, task.public_id FROM tenants_tenant t"
        " JOIN onboarding_plan p ON p.tenant_id = t.id"
        " JOIN onboarding_task task ON task.plan_id = p.id AND task.key = 'domain-ownership'"
        " WHERE t.name = 'Northwind Traders'"
    )[0]
    answer = client.upload(f"/t/{tenant}/tasks/{task}/files/", ATTACHED)
    assert answer.status == 302
    # The mail server hangs: the invitation is in the outbox at the time of the backup.
    answer = client.post(f"/t/{tenant}/people/invite/", email=INVITED, role="viewer")
    assert answer.status == 302


def test_restored_backup_continues(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("backup")
    with started(tmp_path_factory.mktemp("first")) as first:
        _attach(first)
        first.wait_for_claim(RUNNING)
        _back_up(first, folder)

    second_folder = tmp_path_factory.mktemp("second")
    with own_postgresql(second_folder) as postgresql:
        _restore(postgresql, folder)
        files = str(folder / "files")
        with started(second_folder, postgresql=postgresql, FILES_DIR=files) as second:
            # Every check has run again: `started` waits for it.
            second.mail.hangs = False
            second.manage("verify_log")
            stored = second.query("SELECT stored_as FROM onboarding_evidencefile")
            contents = [(folder / "files" / name).read_bytes() for (name,) in stored]
            assert ATTACHED in contents
            second.wait_until(lambda: second.mail.sent_to(INVITED), 2 * NORMAL_WITHIN_SECONDS)
    assert len(second.mail.sent_to(INVITED)) == 1
