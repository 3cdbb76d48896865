"""Evidence files: accepted types, rejections and downloads."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from onboarding.collaboration.file_store import path_of
from onboarding.collaboration.file_types import RejectedFile, recognise, safe_name
from onboarding.models import EvidenceFile
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn, task_of
from tests.markup import texts

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
PDF = b"%PDF-1.7\n%stuff"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
HTML = b"\xef\xbb\xbf <!DOCTYPE html><script>alert(1)</script>"


def _workbook(*names: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


XLSX = _workbook("[Content_Types].xml", "xl/workbook.xml")


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: object) -> Path:
    settings.FILES_DIR = tmp_path  # type: ignore[attr-defined]
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("shot.PNG", PNG, "image/png"),
        ("photo.jpeg", b"\xff\xd8\xff\xe0more", "image/jpeg"),
        ("report.pdf", PDF, "application/pdf"),
        ("senders.csv", b"a;b\n1;2\n", "text/csv"),
        ("notes.txt", "Grüße".encode(), "text/plain"),
        ("policy.json", b'{"Name": "Default"}', "application/json"),
        # Windows PowerShell writes UTF-16 with a byte order mark.
        ("policy.json", '{"Name": "Default"}'.encode("utf-16"), "application/json"),
        ("policy.txt", "Name : Größe".encode("utf-16"), "text/plain"),
        ("header.eml", b"From: a@b.test\n\n<html>", "message/rfc822"),
        (
            "list.xlsx",
            XLSX,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    ],
)
def test_file_type_comes_from_bytes(name: str, content: bytes, content_type: str) -> None:
    assert recognise(name, content).content_type == content_type


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("drawing.svg", SVG),
        ("drawing.txt", SVG),
        ("page.html", HTML),
        ("page.txt", HTML),
        ("page.txt", HTML.decode().encode("utf-16")),
        ("page.json", HTML),
        ("notes.txt", b"\xff\xfe\x00\x00"),
        ("page.csv", b"<?xml version='1.0'?><a/>"),
        ("page.pdf", HTML),
        ("shot.png", PDF),
        ("shot.jpg", PNG),
        ("list.xlsx", _workbook("word/document.xml")),
        ("list.xlsx", b"PK\x03\x04not an archive"),
        ("notes.txt", b"\x00\x01binary"),
        ("notes.txt", PDF),
        ("program.exe", b"MZ"),
        ("program.txt", b"MZ\x90"),
        ("archive.zip", XLSX),
        ("none", b"text"),
        ("empty.txt", b""),
    ],
)
def test_mismatched_file_is_rejected(name: str, content: bytes) -> None:
    with pytest.raises(RejectedFile):
        recognise(name, content)


@pytest.mark.parametrize(
    ("typed", "safe"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\temp\\a.png", "a.png"),
        ('a"b\r\nX: y.txt', "a_bX_ y.txt"),
        ("invoice\u202egnp.txt", "invoicegnp.txt"),
        (".htaccess.txt", "htaccess.txt"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("\x00.txt", "txt"),
        ("Prüfbericht März.pdf", "Prüfbericht März.pdf"),
        ("", "file"),
    ],
)
def test_file_names_are_sanitised(typed: str, safe: str) -> None:
    assert safe_name(typed) == safe


def _upload(client: Client, tenant: Tenant, name: str, content: bytes) -> Any:
    """Upload a file and return the response, or that of the page after a redirect."""
    task = task_of(tenant, "training")
    address = reverse("onboarding:file-add", args=[tenant.public_id, task.public_id])
    upload = SimpleUploadedFile(name, content, content_type="text/html")
    return client.post(address, {"file": upload}, follow=True)


def _add(client: Client, tenant: Tenant, name: str, content: bytes) -> str:
    """Upload a file and return the messages of the next page."""
    response = _upload(client, tenant, name, content)
    return " ".join(str(message) for message in response.context["messages"])


def _refusal(client: Client, tenant: Tenant, name: str, content: bytes) -> str:
    """Upload a file that is refused, and return the sentence next to the field."""
    response = _upload(client, tenant, name, content)
    assert (response.status_code, list(response.context["messages"])) == (422, [])
    (sentence,) = texts(response.content.decode(), "#id_file_error")
    return sentence


def test_file_has_random_path_and_digest(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    message = _add(signed_in(member), tenant, "shot.png", PNG)

    kept = EvidenceFile.objects.get()
    assert message.startswith("shot.png was added")
    assert (kept.name, kept.size, kept.uploaded_by) == ("shot.png", len(PNG), member)
    assert kept.sha256 == hashlib.sha256(PNG).hexdigest()
    assert path_of(kept.stored_as).read_bytes() == PNG
    assert "shot" not in kept.stored_as
    assert path_of(kept.stored_as).stat().st_mode & 0o077 == 0


def test_download_headers_prevent_execution(
    tenant: Tenant, member: User, viewer: User, signed_in: SignIn
) -> None:
    _add(signed_in(member), tenant, "header.eml", b"From: a@b.test\n\nhello")
    kept = EvidenceFile.objects.get()

    response = signed_in(viewer).get(
        reverse(
            "onboarding:file-show",
            args=[tenant.public_id, kept.task.public_id, kept.public_id],
        )
    )

    assert b"".join(response.streaming_content) == b"From: a@b.test\n\nhello"  # type: ignore[attr-defined]
    assert response["Content-Disposition"] == 'attachment; filename="header.eml"'
    assert response["Content-Type"] == "message/rfc822"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_file_of_other_tenant_is_404(
    tenant: Tenant, member: User, outsider: User, signed_in: SignIn
) -> None:
    _add(signed_in(member), tenant, "shot.png", PNG)
    kept = EvidenceFile.objects.get()
    own = Tenant.objects.get(name="Elsewhere")
    client = signed_in(outsider)

    statuses = [
        client.get(
            reverse(
                "onboarding:file-show",
                args=[place.public_id, task.public_id, kept.public_id],
            )
        ).status_code
        for place, task in ((tenant, kept.task), (own, kept.task), (own, task_of(own, "training")))
    ]

    assert statuses == [404, 404, 404]


def test_oversized_file_is_not_stored(
    tenant: Tenant, member: User, signed_in: SignIn, files_dir: Path
) -> None:
    message = _refusal(signed_in(member), tenant, "big.pdf", PDF + b"0" * settings.FILES_MAX_BYTES)

    assert message == "A file may have 10 MB at most. Nothing was added."
    assert (EvidenceFile.objects.count(), list(files_dir.iterdir())) == (0, [])
    line = ActivityLine.objects.get(tenant=tenant, action="file-refused")
    assert (line.actor, line.params["reason"]) == (member, message)


def test_file_at_size_limit_is_stored(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    content = PDF + b"0" * (settings.FILES_MAX_BYTES - len(PDF))

    _add(signed_in(member), tenant, "big.pdf", content)

    assert EvidenceFile.objects.get().size == settings.FILES_MAX_BYTES


@pytest.mark.parametrize(("name", "content"), [("page.html", HTML), ("shot.png", HTML)])
def test_mistyped_file_shows_reason(
    tenant: Tenant, member: User, signed_in: SignIn, name: str, content: bytes
) -> None:
    message = _refusal(signed_in(member), tenant, name, content)

    assert message.startswith(f"{name} was not added: ")
    assert EvidenceFile.objects.count() == 0


def test_files_of_plan_need_one_query(
    tenant: Tenant, member: User, signed_in: SignIn, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    client = signed_in(member)
    address = reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase="
    address += task_of(tenant, "training").phase.key
    # The safe times are stored.
    client.get(address)
    counted = []
    for number in range(3):
        _add(client, tenant, f"shot-{number}.png", PNG)
        if number != 1:
            with django_assert_num_queries(19):
                counted.append(client.get(address).content.decode().count(".png</a>"))

    assert counted == [1, 3]
