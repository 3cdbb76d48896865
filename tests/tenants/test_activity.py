"""The activity log: its chain of hashes, its append-only rows and its check."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from tenants import append_only
from tenants.activity_names import RENAMED_ACTIVITIES, ActivityName, stored_names
from tenants.log_verification import verify_logs
from tenants.models import ActivityChain, ActivityLine, ErasurePermit, Tenant, User
from tenants.services import write_activity
from tests.factories import store_earlier_line, task_of

SignIn = Callable[[User], Client]


def _fault(tenant: Tenant) -> str:
    [report] = [r for r in verify_logs() if r.scope == tenant.public_id]
    return report.fault


def _tamper(sql: str) -> None:
    """Run SQL without the triggers, as an attacker with access to the database can."""
    append_only.switch_off(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def written(tenant: Tenant, owner: User) -> Tenant:
    for number in range(4):
        write_activity(tenant, ActivityName.TASK_CONFIRMED, by=owner, task=f"Täsk {number}")
    return tenant


def test_lines_are_numbered_and_linked(written: Tenant) -> None:
    lines = list(ActivityLine.objects.filter(tenant=written).order_by("number"))

    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert [line.previous_hash for line in lines[1:]] == [line.hash for line in lines[:-1]]
    assert _fault(written) == ""


def test_logs_are_separate(written: Tenant, outsider: User) -> None:
    write_activity(None, ActivityName.SIGNED_IN, by=outsider)

    lengths = {report.scope: report.length for report in verify_logs()}
    other = Tenant.objects.get(name="Elsewhere")
    assert lengths == {written.public_id: 5, other.public_id: 1, ActivityChain.INSTALLATION: 1}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tenants_activityline SET action = 'nothing'",
        "DELETE FROM tenants_activityline WHERE number = 2",
    ],
)
def test_database_rejects_changed_lines(written: Tenant, sql: str) -> None:
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)

    assert ActivityLine.objects.filter(tenant=written).count() == 5


def test_permit_covers_one_tenant(written: Tenant, outsider: User) -> None:
    ErasurePermit.objects.create(tenant=written)
    other = Tenant.objects.get(name="Elsewhere")

    ActivityLine.objects.filter(tenant=written).delete()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ActivityLine.objects.filter(tenant=other).delete()
    assert list(ActivityLine.objects.values_list("tenant", flat=True)) == [other.pk]


def test_verify_log_reports_and_fails(written: Tenant) -> None:
    report, errors = StringIO(), StringIO()
    call_command("verify_log", stdout=report)
    head = ActivityChain.objects.get(scope=written.public_id).head
    assert report.getvalue() == f"{written.public_id} 5 {head} {written.name}\n"

    _tamper("UPDATE tenants_activityline SET params = '{}' WHERE number = 4")
    with pytest.raises(CommandError):
        call_command("verify_log", stderr=errors)
    assert errors.getvalue().startswith(f"{written.name}: line 4 of ")


def test_line_has_address_and_agent(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    task = task_of(tenant, "end-user-asset-library")

    signed_in(owner).post(
        reverse("onboarding:task-confirm", args=[tenant.public_id, task.public_id]),
        headers={"user-agent": "A browser"},
    )

    line = ActivityLine.objects.get(action="task-confirmed")
    assert (line.actor, line.address, line.agent) == (owner, "127.0.0.1", "A browser")


def test_write_activity_rejects_other_names(tenant: Tenant, owner: User) -> None:
    before = tenant.activity.count()

    with pytest.raises(TypeError, match="not a member of ActivityName"):
        write_activity(tenant, "task-confirmed", by=owner)  # type: ignore[arg-type]  # rejected

    assert tenant.activity.count() == before


# --- Lines from before a renaming


def test_hash_covers_the_stored_name(written: Tenant) -> None:
    line = store_earlier_line(written, "task-proven", {"task": "SPF", "before": "claimed"})

    content = json.dumps(
        [
            written.public_id,
            6,
            line.at.isoformat(),
            "",
            "task-proven",
            {"before": "claimed", "task": "SPF"},
            "",
            "",
            line.previous_hash,
        ]
    )
    assert line.hash == hashlib.sha256(content.encode()).hexdigest()


def test_earlier_lines_leave_the_chain_valid(written: Tenant) -> None:
    stored = store_earlier_line(written, "task-moved", {"move": "accept", "because": "One host."})
    before = _fault(written)

    line = ActivityLine.objects.get(pk=stored.pk)
    read = (line.name, line.display_params)

    assert read == ("task-status-changed", {"transition": "accept-risk", "reason": "One host."})
    assert (before, _fault(written)) == ("", "")


@pytest.mark.parametrize("earlier", RENAMED_ACTIVITIES)
def test_query_finds_earlier_lines(written: Tenant, earlier: str) -> None:
    line = store_earlier_line(written, earlier, {})

    found = ActivityLine.objects.filter(action__in=stored_names(RENAMED_ACTIVITIES[earlier]))

    assert [each.pk for each in found] == [line.pk]


def test_no_earlier_name_is_in_use() -> None:
    assert set(RENAMED_ACTIVITIES) & set(ActivityName.values) == set()


# --- The product's code


def _literals_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.slow
def test_names_are_literals_in_one_module() -> None:
    known = {*ActivityName.values, *RENAMED_ACTIVITIES}
    modules = [
        file
        for app in ("onboarding", "checks", "tenants")
        for file in (settings.BASE_DIR / app).rglob("*.py")
        if "migrations" not in file.parts and file.name != "activity_names.py"
    ]

    found = {(file.name, text) for file in modules for text in _literals_of(file) if text in known}

    assert found == set()
