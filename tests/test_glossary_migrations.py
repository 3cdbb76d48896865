"""A database of the last commit before the glossary upgrades without loss.

`tests/data/before_glossary.sqlite3.gz` was created by that commit: its sample, and one row of each
kind with a renamed value.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
DUMP = CHECKOUT / "tests" / "data" / "before_glossary.sqlite3.gz"
RENAMED_TABLES = {
    "checks_knock": "checks_probeslot",
    "checks_shownmessage": "checks_submittedmessage",
    "onboarding_cutoververdict": "onboarding_cutoverdecision",
    "onboarding_domainpart": "onboarding_domainprogress",
    "onboarding_driftletter": "onboarding_driftnotification",
    "onboarding_handoff": "onboarding_sharelink",
    "onboarding_rehearsal": "onboarding_dryrun",
    "onboarding_sheet": "onboarding_requirementssheet",
    "onboarding_turn": "onboarding_waitingperiod",
    "onboarding_watch": "onboarding_monitoring",
}
STATUSES = {
    "proven": "verified",
    "claimed": "awaiting_verification",
    "broken": "regressed",
    "half": "partly_confirmed",
    "accepted": "accepted_risk",
}
LAST_BEFORE = (
    "onboarding.0027_import_attempts",
    "checks.0006_observation_told_at",
    "tenants.0006_subjects_taken_out",
)
MANUAL_STATUSES = {"set_aside": "not_needed", "accepted": "accepted_risk"}

pytestmark = pytest.mark.slow
Rows = Callable[[str], list[tuple[object, ...]]]


def manage(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(database, "manage.py", *arguments)


def python(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}",
        "VAR_DIR": str(database.parent / "var"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def reader(database: Path) -> Rows:
    def rows(query: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(database) as connection:
            return connection.execute(query).fetchall()

    return rows


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows, Path]:
    """The database before and after the upgrade."""
    folder = tmp_path_factory.mktemp("upgrade")
    before, after = folder / "before.sqlite3", folder / "after.sqlite3"
    for file in (before, after):
        file.write_bytes(gzip.decompress(DUMP.read_bytes()))
    done = manage(after, "migrate", "--verbosity", "0")
    assert (done.returncode, done.stderr) == (0, "")
    return reader(before), reader(after), after


def tables(rows: Rows) -> list[str]:
    names = rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    prefixes = ("tenants_", "checks_", "onboarding_")
    return [str(name) for (name,) in names if str(name).startswith(prefixes)]


def test_upgrade_loses_no_row(databases: tuple[Rows, Rows, Path]) -> None:
    before, after, _ = databases
    expected = {
        RENAMED_TABLES.get(name, name).replace("user_watches", "user_followed_consultants"): before(
            f"SELECT count(*) FROM {name}"  # noqa: S608 - names from the database itself
        )
        for name in tables(before)
    }

    found = {name: after(f"SELECT count(*) FROM {name}") for name in expected}  # noqa: S608

    assert found == expected


def test_upgrade_renames_statuses(databases: tuple[Rows, Rows, Path]) -> None:
    before, after, _ = databases
    expected = Counter(
        (STATUSES.get(str(state), state), MANUAL_STATUSES.get(str(mark), mark), because)
        for state, mark, because in before("SELECT state, mark, mark_because FROM onboarding_task")
    )

    found = Counter(after("SELECT status, manual_status, status_reason FROM onboarding_task"))

    assert found == expected
    assert {"verified", "accepted_risk"} <= {status for status, _, _ in found}


def test_upgrade_renames_undo_content(databases: tuple[Rows, Rows, Path]) -> None:
    before, after, _ = databases
    query = "SELECT undo FROM onboarding_task WHERE undo IS NOT NULL ORDER BY id"
    old = [json.loads(str(undo))["task"]["mark"] for (undo,) in before(query)]

    new = [json.loads(str(undo))["task"]["manual_status"] for (undo,) in after(query)]

    assert new == [MANUAL_STATUSES.get(mark, mark) for mark in old]
    assert new != []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "SELECT DISTINCT resolution FROM onboarding_drift ORDER BY 1",
            ["resolved", "unmonitored"],
        ),
        (
            "SELECT changes FROM onboarding_driftnotification",
            '[{"type": "closed", "resolution": "resolved", "kind": "ttl_low",'
            ' "subject": "x.test"}]',
        ),
        (
            "SELECT findings FROM onboarding_drift WHERE kind = 'region_changed'",
            '[{"field": "mx", "removed": ["a"], "added": ["b"]}]',
        ),
        (
            "SELECT accepted_blockers FROM onboarding_cutover WHERE accepted_blockers != '[]'",
            '["safe-time", "freeze:abc"]',
        ),
        ("SELECT status, error FROM onboarding_sheetimport", ("failed", "Not a table.")),
        ("SELECT comment FROM onboarding_dryrun", "Smooth."),
        (
            "SELECT json_extract(content, '$.tasks[0].detail') FROM onboarding_dryrun",
            "Ready.",
        ),
        ("SELECT count(*) FROM checks_check WHERE interval IN ('attended', 'watched')", 0),
    ],
)
def test_upgrade_renames_values(
    databases: tuple[Rows, Rows, Path], query: str, expected: object
) -> None:
    _, after, _ = databases

    rows = [row[0] if len(row) == 1 else row for row in after(query)]

    assert (rows if isinstance(expected, list) else rows[0]) == expected


def test_upgrade_retains_hashed_content(databases: tuple[Rows, Rows, Path]) -> None:
    before, after, file = databases
    columns = "scope, number, {}, params, hash, previous_hash"
    old = before(f"SELECT {columns.format('act')} FROM tenants_activityline ORDER BY id")  # noqa: S608

    new = after(f"SELECT {columns.format('action')} FROM tenants_activityline ORDER BY id")  # noqa: S608
    verified = manage(file, "verify_log")

    assert new == old
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_upgrade_retains_append_only_triggers(databases: tuple[Rows, Rows, Path]) -> None:
    _, _, file = databases

    with (
        sqlite3.connect(file) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute("UPDATE tenants_activityline SET action = 'other'")


@pytest.mark.nightly
def test_upgrade_is_reversible(databases: tuple[Rows, Rows, Path], tmp_path: Path) -> None:
    before, _, file = databases
    copy = tmp_path / "back.sqlite3"
    copy.write_bytes(file.read_bytes())

    for name in LAST_BEFORE:
        done = python(copy, "-m", "tests.interop.replaced_migrations", name)
        assert (done.returncode, done.stderr) == (0, "")

    query = "SELECT state, mark, undo FROM onboarding_task ORDER BY id"
    assert reader(copy)(query) == before(query)
