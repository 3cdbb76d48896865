"""Bulk actions and files of the list of tenants, and the clone of a profile."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import openpyxl
import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks import run_requests
from checks.models import Check
from onboarding.models import Reminder, Task
from onboarding.portfolio import list_exports
from onboarding.portfolio.tasks import make_list_file
from onboarding.portfolio.tenant_list.rows import FILE_COLUMNS
from tenants.models import ActivityLine, OutboxMessage, Tenant, User
from tests.actions import forms_on
from tests.factories import HostRow, MakeTenant, client_person
from tests.markup import texts

SignIn = Callable[[User], Client]
BULK = "/tenants/bulk/"


@pytest.fixture
def two(make_tenant: MakeTenant) -> list[Tenant]:
    """An open and a closed tenant."""
    made = [make_tenant(name) for name in ("Alpha", "Closed")]
    Tenant.objects.filter(name="Closed").update(closed_at=timezone.now())
    return made


def _post(client: Client, tenants: Sequence[Tenant], **values: Any) -> list[str]:
    """The lines of the notice."""
    ids = [tenant.public_id for tenant in tenants]
    response = client.post(BULK, {"tenant": ids, **values})
    assert response.status_code == 302
    notices = get_messages(response.wsgi_request)
    return [line for notice in notices for line in str(notice).splitlines()]


def _refused(client: Client, tenants: Sequence[Tenant], **values: Any) -> list[str]:
    """The sentences next to the fields of a refused form, which retains the selection."""
    ids = [tenant.public_id for tenant in tenants]
    response = client.post(BULK, {"tenant": ids, **values})
    html = response.content.decode()
    assert response.status_code == 422
    chosen = [each for form in forms_on(html) for each in form.fields if each["name"] == "tenant"]
    assert [each["value"] for each in chosen if "checked" in each] == ids
    return texts(html, ".errorlist")


def _wait_on_client(tenant: Tenant) -> None:
    task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[0]
    Task.objects.filter(pk=task.pk).update(waiting_on="client", waiting_since=timezone.now())


def test_reminder_has_one_result_per_tenant(
    two: list[Tenant], make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    idle = make_tenant("Idle")
    recipient = client_person(two[0], "owner")
    for tenant in (two[0], idle):
        Task.objects.filter(plan__tenant=tenant).update(waiting_on="", waiting_since=None)
    _wait_on_client(two[0])

    lines = _post(signed_in(consultant), [*two, idle], action="remind")

    assert lines == [
        "Done for 1 of 3 tenants:",
        f"Alpha: Gangway sends a reminder to {recipient.name}.",
        "Closed: This tenant is closed. You can only read, export or erase it.",
        "Idle: No task waits on the client. No reminder was sent.",
    ]
    assert [each.recipient for each in Reminder.objects.all()] == [recipient]
    assert OutboxMessage.objects.filter(kind="reminder").count() == 1


def test_consultant_of_several_tenants(
    two: list[Tenant], make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    led = make_tenant("Led", consultant=consultant)
    values = {"action": "assign-consultant", "consultant": consultant.public_id}

    lines = _post(signed_in(consultant), [*two, led], **values)

    assert lines == [
        "Done for 2 of 3 tenants:",
        "Alpha: The consultant is Con Sultant now.",
        "Closed: This tenant is closed. You can only read, export or erase it.",
        "Led: The consultant is Con Sultant already.",
    ]
    found = dict(Tenant.objects.values_list("name", "consultant__name"))
    assert found == {"Alpha": "Con Sultant", "Closed": None, "Led": "Con Sultant"}
    changes = ActivityLine.objects.filter(tenant=two[0], action="profile-changed")
    assert [line.params["changes"] for line in changes] == [{"consultant": ["None", "Con Sultant"]}]


def test_tenant_without_consultant(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    led = make_tenant("Led", consultant=consultant)

    lines = _post(signed_in(consultant), [led], action="assign-consultant", consultant="none")

    led.refresh_from_db()
    assert lines == ["Led: The consultant is no one now."]
    assert led.consultant is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Choose an action. Nothing was changed."),
        ({"action": "erase"}, "Choose an action. Nothing was changed."),
        ({"action": "assign-consultant"}, "Choose a consultant. Nothing was changed."),
        (
            {"action": "assign-consultant", "consultant": "x"},
            "Choose a consultant from the list. Nothing was changed.",
        ),
    ],
)
def test_incomplete_action_changes_nothing(
    two: list[Tenant], consultant: User, signed_in: SignIn, values: Any, sentence: str
) -> None:
    assert _refused(signed_in(consultant), two, **values) == [sentence]


def test_manager_cannot_be_assigned(
    two: list[Tenant], consultant: User, manager: User, signed_in: SignIn
) -> None:
    values = {"action": "assign-consultant", "consultant": manager.public_id}

    lines = _refused(signed_in(consultant), two, **values)

    assert lines == ["Choose a consultant from the list. Nothing was changed."]


def test_checks_of_several_tenants_run(
    two: list[Tenant], consultant: User, signed_in: SignIn
) -> None:
    number = Check.objects.filter(tenant=two[0], is_active=True).count()

    lines = _post(signed_in(consultant), [two[0]], action="run-checks")

    assert lines == [f"Alpha: {number} checks run now."]
    assert ActivityLine.objects.filter(tenant=two[0], action="check-requested").count() == 1


@pytest.mark.usefixtures("frozen_time")
def test_bulk_run_counts_in_the_limit_on_runs(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_requests, "RUN_RATE", "2/m")
    tenants = [make_tenant(name) for name in ("Alpha", "Beta", "Gamma")]
    Check.objects.update(requested_until=None)

    lines = _post(signed_in(consultant), tenants, action="run-checks")

    assert lines[0] == "Done for 2 of 3 tenants:"
    assert "You can request 2 runs a minute. No check runs." in lines[3]
    assert not Check.objects.filter(tenant=tenants[2], requested_until__gt=timezone.now()).exists()
    assert ActivityLine.objects.filter(action="check-requested").count() == 2


def test_selection_is_limited(two: list[Tenant], consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    many = [str(number) for number in range(51)]

    none = client.post(BULK, {"action": "remind"})
    response = client.post(BULK, {"tenant": many, "action": "remind"})

    assert (none.status_code, response.status_code) == (422, 422)
    assert texts(none.content.decode(), "#id_tenant_error") == [
        "Select at least one tenant. Nothing was changed."
    ]
    # Without a selection, the page offers one.
    assert all(tenant.public_id in none.content.decode() for tenant in two)
    assert texts(response.content.decode(), "#id_tenant_error") == [
        "Select at most 50 tenants. Nothing was changed."
    ]


def test_unknown_tenant_has_its_own_result(
    two: list[Tenant], consultant: User, signed_in: SignIn
) -> None:
    response = signed_in(consultant).post(BULK, {"tenant": ["nobody"], "action": "run-checks"})

    notices = [str(each) for each in get_messages(response.wsgi_request)]
    assert notices == ["A selected tenant: No such tenant."]


@pytest.mark.parametrize(("role", "status"), [("manager", 403), ("", 404)])
def test_bulk_needs_a_consultant(
    two: list[Tenant], signed_in: SignIn, role: str, status: int
) -> None:
    person = User.objects.create_user("other@gangway.test", "pw", name="O", staff_role=role)
    values = {"tenant": [two[0].public_id], "action": "run-checks"}

    assert signed_in(person).post(BULK, values).status_code == status


# --- Files


def _rows_of_xlsx(content: bytes) -> list[list[str]]:
    (sheet,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    return [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]


def test_files_have_all_rows_and_no_formula(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    for name in ("=HYPERLINK(1)", "Beta", "+Gamma"):
        make_tenant(name, consultant=consultant)
    Tenant.objects.filter(name="Beta").update(platform="google_workspace")
    client = signed_in(consultant)

    address = "/tenants/export/?platform=microsoft_365&sort=name&format="
    as_csv = client.get(f"{address}csv").getvalue().decode()
    as_xlsx = _rows_of_xlsx(client.get(f"{address}xlsx").getvalue())

    lines = list(csv.reader(io.StringIO(as_csv)))
    assert [line[0] for line in lines] == ["Tenant", "'+Gamma", "'=HYPERLINK(1)"]
    assert [line[0] for line in as_xlsx] == ["Tenant", "+Gamma", "=HYPERLINK(1)"]
    assert lines[0] == as_xlsx[0] == list(FILE_COLUMNS)
    assert [line[1:] for line in lines] == [line[1:] for line in as_xlsx]


def test_selection_is_a_file(two: list[Tenant], consultant: User, signed_in: SignIn) -> None:
    values = {"tenant": [tenant.public_id for tenant in two], "action": "csv"}

    response = signed_in(consultant).post(BULK, values)

    lines = list(csv.reader(io.StringIO(response.getvalue().decode())))
    assert [(line[0], line[2]) for line in lines[1:]] == [
        ("Alpha", "In progress"),
        ("Closed", "Closed"),
    ]


def test_many_tenants_are_a_queued_file(
    two: list[Tenant],
    manager: User,
    signed_in: SignIn,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.REDIS_URL = "redis://cache.test"
    monkeypatch.setattr(list_exports, "MOST_AT_ONCE", 1)
    client, address = signed_in(manager), "/tenants/export/?status=active&status=closed&format=xlsx"

    waiting = client.get(address)
    args = OutboxMessage.objects.get(payload__task=make_list_file.name).payload["args"]
    make_list_file(*args)
    made = client.get(address)

    assert texts(waiting.content.decode(), "#export-status") == ["Waiting for a worker."]
    assert [row[0] for row in _rows_of_xlsx(made.content)] == ["Tenant", "Alpha", "Closed"]
    assert made["Content-Disposition"] == 'attachment; filename="gangway-tenants.xlsx"'


def test_negative_number_is_no_formula() -> None:
    cells = ["-3", "-3+1", "=1", "\t1", "-", "text"]

    assert [list_exports._csv_cell(cell) for cell in cells] == [
        "-3",
        "'-3+1",
        "'=1",
        "'\t1",
        "'-",
        "text",
    ]


# --- Clone


def test_clone_copies_the_profile_alone(
    make_tenant: MakeTenant, consultant: User, administrator: User, signed_in: SignIn
) -> None:
    source = make_tenant(
        "Source",
        platform="google_workspace",
        directory_method="google",
        account_code="CUSA99Z",
        journaling=True,
        time_zone="Europe/Paris",
        region_overrides={"spf_include": "secret.mimecast.test"},
        consultant=administrator,
        hosts=(HostRow("delivery", "mail.northwind.test", 25),),
    )
    client_person(source, "owner")
    Tenant.objects.filter(pk=source.pk).update(closed_at=timezone.now())

    response = signed_in(consultant).get(f"/tenants/new/profile/?from={source.public_id}")

    made = response.context["profile"].instance
    assert (made.platform, made.journaling, made.time_zone) == (
        "google_workspace",
        True,
        "Europe/Paris",
    )
    assert (made.name, made.account_code, made.region_overrides) == ("", "", {})
    assert (made.pk, made.consultant) == (None, consultant)
    html = response.content.decode()
    for text in ("northwind.test", "CUSA99Z", "secret.mimecast.test"):
        assert text not in html


def test_clone_needs_exactly_one_tenant(
    two: list[Tenant], consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)

    lines = _refused(client, two, action="clone")
    response = client.post(BULK, {"tenant": [two[0].public_id], "action": "clone"})

    assert lines == ["Select the one tenant whose profile you want to clone."]
    assert response["Location"] == f"{reverse('onboarding:tenant-new')}?from={two[0].public_id}"


def test_clone_of_unknown_tenant_is_404(consultant: User, signed_in: SignIn) -> None:
    assert signed_in(consultant).get("/tenants/new/?from=nobody").status_code == 404
