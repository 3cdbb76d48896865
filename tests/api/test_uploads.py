"""Uploads through the API: the limits and the types of the pages, keys and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onboarding.models import EvidenceFile, SheetImport, SheetRow, Task, TenantImport
from tenants.models import ActivityLine, Tenant, User
from tests.access_matrix import TENANT_ROWS
from tests.api.clients import ApiClient, client_for
from tests.factories import task_of
from tests.onboarding.requirements.sheet_rows import sheet_of


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> None:
    settings.FILES_DIR = tmp_path


@pytest.fixture
def task(tenant: Tenant) -> Task:
    return task_of(tenant, "initial-conversation")


@pytest.fixture
def path(tenant: Tenant, task: Task) -> str:
    return f"tenants/{tenant.public_id}/tasks/{task.public_id}/files/"


def test_file_is_stored_with_its_type(api: ApiClient, path: str, task: Task) -> None:
    answer = api.upload(path, {"file": "Enabled.\n"}, name="../../note.txt")

    stored = EvidenceFile.objects.get()
    content = api.get(f"{path.partition('tasks/')[0]}files/{stored.public_id}/content/")
    assert (answer.status_code, answer.json()["id"]) == (201, stored.public_id)
    assert (stored.task, stored.name, stored.content_type) == (task, "note.txt", "text/plain")
    assert b"".join(content) == b"Enabled.\n"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("run.exe", "MZ", "run.exe was not added: files may be PNG, JPG, PDF"),
        ("shot.png", "<svg onload=alert(1)>", "its content does not match its name"),
        ("note.txt", "", "note.txt was not added: it is empty."),
        ("note.txt", None, "Choose a file first. Nothing was added."),
        ("large.txt", "a" * 10_485_761, "A file may have 10 MB at most. Nothing was added."),
    ],
    ids=["type", "content", "empty", "missing", "large"],
)
def test_refused_file_is_logged(
    api: ApiClient, path: str, name: str, content: str | None, sentence: str
) -> None:
    fields = {} if content is None else {"file": content}

    answer = api.upload(path, fields, name=name)

    line = ActivityLine.objects.get(action="file-refused")
    assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True)
    assert line.params["reason"] == answer.json()["detail"]
    assert EvidenceFile.objects.count() == 0


def test_file_of_more_than_two_megabytes_is_stored(api: ApiClient, path: str) -> None:
    assert api.upload(path, {"file": "a" * 9_000_000}).json()["size"] == 9_000_000


def test_repeated_upload_stores_one_file(api: ApiClient, path: str) -> None:
    first, again, other = (
        api.upload(path, {"file": text}, Idempotency_Key="upload") for text in ("a", "a", "b")
    )

    assert (first.json(), again.status_code) == (again.json(), 201)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert EvidenceFile.objects.count() == 1


def test_upload_rejects_other_bodies(api: ApiClient, path: str) -> None:
    as_json = api.post(path, {"file": "note"})
    unknown = api.upload(path, {"file": "a", "task": "other"})
    text = api.upload(path, {"note": "a"})

    assert as_json.status_code == 415
    assert unknown.json()["errors"] == {"task": ["Unknown field."]}
    assert text.json()["errors"] == {"note": ["Unknown field."]}


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("outsider", 404)])
def test_upload_is_refused_to_others(
    request: pytest.FixtureRequest, path: str, role: str, status: int
) -> None:
    client = client_for(request.getfixturevalue(role))

    assert client.upload(path, {"file": "a"}).status_code == status
    assert not EvidenceFile.objects.exists()


# --- Imports


def test_sheet_is_imported(api: ApiClient, tenant: Tenant) -> None:
    sheet = sheet_of(tenant)
    path = f"tenants/{tenant.public_id}/requirements/{sheet.public_id}/imports/"

    made = api.upload(path, {"pasted": "dave@outside.test\n"})
    seen = api.get(f"{path}{made.json()['id']}/?expand=report").json()
    confirmed = api.post(f"{path}{made.json()['id']}/confirm/", {"duplicates": "skip"})
    again = api.post(f"{path}{made.json()['id']}/confirm/", {"duplicates": "skip"})

    assert (made.status_code, made.json()["status"], seen["rows_found"]) == (201, "ready", 1)
    assert "report" in seen
    assert (confirmed.status_code, confirmed.json()["status"]) == (202, "done")
    assert SheetRow.objects.get(sheet=sheet).values["target"] == "dave@outside.test"
    assert again.json()["detail"] == "This import was already started or discarded."
    assert api.delete(f"{path}{made.json()['id']}/").json()["detail"] == (
        "The import is running or finished. It was not discarded."
    )


def test_unreadable_rows_are_refused(api: ApiClient, tenant: Tenant) -> None:
    path = f"tenants/{tenant.public_id}/requirements/{sheet_of(tenant).public_id}/imports/"

    answer = api.upload(path, {"pasted": "Forwarding address\tNote\n"})

    assert answer.status_code == 422
    assert answer.json()["errors"] == {"pasted": ["The file has headings but no rows."]}
    assert SheetImport.objects.count() == 0


def test_tenants_are_imported(consultant: User, django_capture_on_commit_callbacks: Any) -> None:
    api = client_for(consultant)
    with django_capture_on_commit_callbacks(execute=True):
        made = api.upload("tenant-imports/", {"pasted": TENANT_ROWS})
    path = f"tenant-imports/{made.json()['id']}/"
    ready = api.get(f"{path}?expand=report").json()
    with django_capture_on_commit_callbacks(execute=True):
        confirmed = api.post(f"{path}confirm/")

    job = TenantImport.objects.get()
    assert (made.status_code, ready["status"], ready["report"]["valid"]) == (202, "ready", 1)
    assert (confirmed.status_code, job.status) == (202, "done")
    assert Tenant.objects.get(name="Imported").domains.get().name == "imported.test"


def test_import_of_tenants_is_discarded(api: ApiClient, owner: User) -> None:
    made = api.upload("tenant-imports/", {"pasted": TENANT_ROWS}).json()["id"]
    of_client = client_for(owner).get(f"tenant-imports/{made}/")

    assert (of_client.status_code, api.delete(f"tenant-imports/{made}/").status_code) == (404, 204)
    assert TenantImport.objects.count() == 0
