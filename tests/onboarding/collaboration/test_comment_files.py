"""Files of comments, and comments on a requirements sheet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.models import Comment, EvidenceFile, RequirementsSheet
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import SignIn, task_of
from tests.markup import texts

KEY = "forwarding-addresses"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.FILES_DIR = tmp_path / "files"


def _send(client: Client, tenant: Tenant, **fields: object) -> Any:
    task = task_of(tenant, KEY)
    address = reverse("onboarding:comment-add", args=[tenant.public_id, task.public_id])
    return client.post(address, {"body": "See the picture.", **fields})


def _upload(content: bytes = PNG, name: str = "list.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_file_belongs_to_comment_and_task(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    response = _send(signed_in(owner), tenant, file=_upload())

    kept = EvidenceFile.objects.get()
    assert response.status_code == 302
    assert (kept.name, kept.task.key) == ("list.png", KEY)
    assert kept.comment == Comment.objects.get(body="See the picture.")


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"MZ\x90\x00", "tool.exe", "Your text is still in the form."),
        (b"", "empty.png", "The file is empty. Your text is still in the form."),
    ],
)
def test_rejected_file_stores_no_comment(
    tenant: Tenant, owner: User, signed_in: SignIn, content: bytes, name: str, error: str
) -> None:
    response = _send(signed_in(owner), tenant, file=_upload(content, name))

    form = response.context["form"]
    assert response.status_code == 422
    assert form["body"].value() == "See the picture."
    assert form.errors["file"][0].endswith(error)
    assert (Comment.objects.count(), EvidenceFile.objects.count()) == (0, 0)


def test_internal_note_rejects_file(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    response = _send(signed_in(consultant), tenant, file=_upload(), kind="internal")

    assert response.status_code == 422
    assert response.context["form"].errors["body"] == [
        "Both sides read files, so an internal note cannot have one."
    ]
    assert (Comment.objects.count(), EvidenceFile.objects.count()) == (0, 0)


def test_sheet_shows_and_adds_comments(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    sheet = RequirementsSheet.objects.get(task=task_of(tenant, KEY))
    add_comment(sheet.task, NewComment("Which relay?"), by=owner, side="client")
    note = NewComment("They have three relays.", is_internal=True)
    add_comment(sheet.task, note, by=consultant, side="mimecast")
    address = reverse("onboarding:requirements-sheet", args=[tenant.public_id, sheet.public_id])
    client = signed_in(owner)

    (comment,) = texts(client.get(address).content.decode(), "#comments")
    response = _send(client, tenant, **{"from": sheet.public_id})

    assert "Which relay?" in comment
    assert "three relays" not in comment
    assert response["Location"] == f"{address}#comments"


def test_cutover_room_shows_and_adds_comments(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=1))
    task = task_of(tenant, "mx-record-cutover")
    add_comment(task, NewComment("Registrar is on the line."), by=owner, side="client")
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    write = reverse("onboarding:comment-add", args=[tenant.public_id, task.public_id])
    client = signed_in(owner)

    (comment,) = texts(client.get(address).content.decode(), "#comments")
    response = client.post(write, {"body": "Saved now.", "from": cutover.public_id})

    assert "Registrar is on the line." in comment
    assert response["Location"] == f"{address}#comments"


def test_full_screen_hides_internal_notes(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=1))
    note = NewComment("Their registrar is slow.", is_internal=True)
    add_comment(task_of(tenant, "mx-record-cutover"), note, by=consultant, side="mimecast")
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    client = signed_in(consultant)

    usual = client.get(address).content.decode()
    big = client.get(f"{address}?fullscreen=1").content.decode()

    assert ("registrar is slow" in usual, "registrar is slow" in big) == (True, False)
