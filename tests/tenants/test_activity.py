"""The activity log: every act leaves a line, and none can be altered or removed unseen."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from tenants import append_only
from tenants.activity import verify_logs
from tenants.models import ActivityChain, ActivityLine, ErasurePermit, Tenant, User
from tenants.services import write_activity
from tests.factories import task_of

SignIn = Callable[[User], Client]


def _fault(tenant: Tenant) -> str:
    [report] = [r for r in verify_logs() if r.scope == tenant.public_id]
    return report.fault


def _tamper(sql: str) -> None:
    """As somebody with the database's own tools would: without the triggers."""
    append_only.switch_off(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def written(tenant: Tenant, owner: User) -> Tenant:
    for number in range(4):
        write_activity(tenant, "task-confirmed", by=owner, task=f"Täsk {number}")
    return tenant


def test_lines_are_numbered_and_linked(written: Tenant) -> None:
    lines = list(ActivityLine.objects.filter(tenant=written).order_by("number"))

    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert [line.previous_hash for line in lines[1:]] == [line.hash for line in lines[:-1]]
    assert _fault(written) == ""


def test_each_tenant_and_the_installation_have_a_log_of_their_own(
    written: Tenant, outsider: User
) -> None:
    write_activity(None, "signed-in", by=outsider)

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
def test_the_database_refuses_to_change_a_line(written: Tenant, sql: str) -> None:
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)

    assert ActivityLine.objects.filter(tenant=written).count() == 5


def test_a_permit_lets_one_tenants_lines_go(written: Tenant, outsider: User) -> None:
    ErasurePermit.objects.create(tenant=written)
    other = Tenant.objects.get(name="Elsewhere")

    ActivityLine.objects.filter(tenant=written).delete()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ActivityLine.objects.filter(tenant=other).delete()
    assert list(ActivityLine.objects.values_list("tenant", flat=True)) == [other.pk]


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE tenants_activityline SET action = 'x' WHERE number = 3", "line 3 of"),
        ("UPDATE tenants_activityline SET address = '1.2.3.4' WHERE number = 2", "line 2 of"),
        ("DELETE FROM tenants_activityline WHERE number = 2", "line 2 is missing"),
        ("DELETE FROM tenants_activityline WHERE number = 5", "line 5 is missing: there were 5"),
        ("UPDATE tenants_activitychain SET head = 'x'", "its last line is not the one"),
        ("DELETE FROM tenants_activitychain", "its lines belong to no chain"),
    ],
)
def test_what_was_altered_or_removed_shows(written: Tenant, sql: str, fault: str) -> None:
    _tamper(sql)

    assert _fault(written).startswith(fault)


def test_verify_log_says_what_is_wrong_and_fails(written: Tenant) -> None:
    said, wrong = StringIO(), StringIO()
    call_command("verify_log", stdout=said)
    head = ActivityChain.objects.get(scope=written.public_id).head
    assert said.getvalue() == f"{written.name}: 5 lines, head {head}\n"

    _tamper("UPDATE tenants_activityline SET params = '{}' WHERE number = 4")
    with pytest.raises(CommandError):
        call_command("verify_log", stderr=wrong)
    assert wrong.getvalue().startswith(f"{written.name}: line 4 of ")


def test_a_line_says_where_the_act_came_from(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    task = task_of(tenant, "end-user-asset-library")

    signed_in(owner).post(
        reverse("onboarding:task-confirm", args=[tenant.public_id, task.public_id]),
        headers={"user-agent": "A browser"},
    )

    line = ActivityLine.objects.get(action="task-confirmed")
    assert (line.actor, line.address, line.agent) == (owner, "127.0.0.1", "A browser")
