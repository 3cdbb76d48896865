"""The page of an export, the task and the evidence drawer, for both sides, and the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from checks.engine.outcomes import CheckKind, Verdict
from checks.engine.sources.exports.texts import MAX_BYTES
from checks.models import Check, SubmittedExport
from onboarding.plans.export_requests import export_request
from onboarding.platform_exports import services
from onboarding.platform_exports.problems import problem_sentence
from tenants import database_time
from tenants.models import ActivityLine, Tenant, User
from tests.checks.engine.sources import exports as shapes
from tests.factories import START, MakeTenant, SignIn
from tests.onboarding.platform_exports.exports import export_for, submit, submit_tables

Upload = Callable[..., Any]


def address(tenant: Tenant, name: str = "platform-export", source: str = "exchange_online") -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, source])


def text_of(response: Any) -> str:
    return " ".join(strip_tags(response.content.decode()).split())


@pytest.fixture
def upload(
    tenant: Tenant, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Upload:
    def run(client: Client, data: dict[str, Any]) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(address(tenant, "platform-export-submit"), data)

    return run


def test_uploaded_file_is_read_and_deleted(
    tenant: Tenant, member: User, signed_in: SignIn, upload: Upload
) -> None:
    content = json.dumps(export_for(tenant) | {"Secret": "ann@contoso.test"}).encode("utf-16")

    response = upload(signed_in(member), {"file": SimpleUploadedFile("e.json", content)})

    export = SubmittedExport.objects.get(tenant=tenant)
    assert response.url == address(tenant)
    assert (bytes(export.content), export.problem, export.size) == (b"", "", len(content))
    assert "ann@contoso.test" not in json.dumps(export.tables)
    assert export.submitted_by == member
    assert ActivityLine.objects.filter(action="platform-export-submitted").count() == 1


def test_page_shows_results_and_commands(
    tenant: Tenant, member: User, signed_in: SignIn, upload: Upload
) -> None:
    client = signed_in(member)
    export = export_for(
        tenant, OutboundConnector=[{**shapes.SENDING, "SmartHosts": ["old.test"], "Name": "<b>x"}]
    )

    upload(client, {"text": json.dumps(export)})

    response = client.get(address(tenant))
    shown = text_of(response)
    assert "The connector “&lt;b&gt;x” sends to hosts that are not Mimecast’s" in shown
    assert "Set-OutboundConnector -Identity &#x27;&lt;b&gt;x&#x27; -SmartHosts" in shown
    assert "From the export of Member Person" in shown


def test_unreadable_file_is_explained(
    tenant: Tenant, member: User, signed_in: SignIn, upload: Upload
) -> None:
    client = signed_in(member)

    upload(client, {"text": '{"Get-JournalRule": [{"Scope": "@{x=System.Object[]}"}]}'})

    assert "too small a depth, so that lists are cut (Get-JournalRule: Scope)" in text_of(
        client.get(address(tenant))
    )
    assert not Check.objects.filter(tenant=tenant, kind=CheckKind.CONNECTION_FILTER).exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Choose the file, or paste its content."),
        ({"text": "  "}, "Choose the file, or paste its content."),
        ({"file": SimpleUploadedFile("e.json", b" ")}, "The file is empty."),
        ({"text": "x" * (MAX_BYTES + 1)}, "The export has more than 2 MB and was not stored."),
        (
            {"file": SimpleUploadedFile("e.json", b"{}"), "text": "{}"},
            "Paste the text or choose a file, not both.",
        ),
    ],
)
def test_refused_uploads(
    tenant: Tenant, member: User, signed_in: SignIn, data: dict[str, Any], message: str
) -> None:
    response = signed_in(member).post(address(tenant, "platform-export-submit"), data)

    assert response.status_code == 422
    assert message in text_of(response)
    assert not SubmittedExport.objects.exists()


def test_request_reads_nothing(
    tenant: Tenant, member: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the worker, the bytes wait unread."""
    signed_in(member).post(address(tenant, "platform-export-submit"), {"text": "[" * 100_000})

    export = SubmittedExport.objects.get()
    assert (bytes(export.content), export.read_at) == (b"[" * 100_000, None)


def test_later_upload_replaces_a_waiting_one(
    tenant: Tenant, member: User, signed_in: SignIn
) -> None:
    client = signed_in(member)
    for _ in range(2):
        client.post(address(tenant, "platform-export-submit"), {"text": "{}"})

    newest, earlier = SubmittedExport.objects.order_by("-pk")
    services.read_platform_export(earlier.public_id)
    earlier.refresh_from_db()
    assert (earlier.problem, bytes(earlier.content), newest.read_at) == ("replaced", b"", None)


def test_viewer_reads_and_does_not_submit(
    tenant: Tenant, viewer: User, signed_in: SignIn, upload: Upload
) -> None:
    client = signed_in(viewer)

    assert "Check this export" not in text_of(client.get(address(tenant)))
    assert upload(client, {"text": "{}"}).status_code == 403


def test_script_is_a_download(tenant: Tenant, viewer: User, signed_in: SignIn) -> None:
    response = signed_in(viewer).get(address(tenant, "platform-export-script"))

    assert response["Content-Disposition"] == 'attachment; filename="Gangway-Evidence.ps1"'
    assert response.content.decode().startswith("# Gangway-Evidence.ps1 for northwind.test.")


@pytest.mark.parametrize("name", ["platform-export", "platform-export-script"])
def test_other_platform_has_no_page(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn, name: str
) -> None:
    tenant = make_tenant("Google", platform="google_workspace")
    client = signed_in(consultant)

    assert client.get(address(tenant, name)).status_code == 404
    assert client.get(address(tenant, name, "mimecast")).status_code == 404


def test_fragment_has_the_results_alone(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    html = signed_in(member).get(address(tenant), HTTP_HX_REQUEST="true").content.decode()

    assert html.strip().startswith("<div")
    assert "Check this export" not in html


def test_page_has_few_queries(
    tenant: Tenant,
    member: User,
    signed_in: SignIn,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in(member)
    submit_tables(tenant, member)
    client.get(address(tenant))
    with django_assert_num_queries(10):
        client.get(address(tenant))
    for _ in range(3):
        submit(tenant, b"{}", member)

    with django_assert_num_queries(10):
        client.get(address(tenant))


# --- The task and the drawer


def test_task_shows_the_basis_of_its_status(
    tenant: Tenant, consultant: User, member: User, signed_in: SignIn, upload: Upload
) -> None:
    upload(signed_in(member), {"text": json.dumps(export_for(tenant))})

    url = reverse("onboarding:plan-show", args=[tenant.public_id])
    shown = text_of(signed_in(consultant).get(f"{url}?phase=outbound-cutover-phase"))

    assert "Verified by Exchange Online export from Member Person," in shown
    assert "Submit a new export" in shown


def test_client_task_offers_the_export(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    url = reverse("onboarding:plan-show", args=[tenant.public_id])

    shown = text_of(signed_in(member).get(f"{url}?phase=outbound-cutover-phase"))

    assert (
        "Export of the mail platform Not applicable Connection filter no export submitted yet"
        in shown
    )


def test_drawer_shows_basis_and_strength(
    tenant: Tenant, member: User, signed_in: SignIn, upload: Upload
) -> None:
    client = signed_in(member)
    upload(client, {"text": json.dumps(export_for(tenant))})
    check = Check.objects.get(tenant=tenant, kind=CheckKind.CONNECTION_FILTER)

    url = reverse("onboarding:domains", args=[tenant.public_id])
    shown = text_of(client.get(f"{url}?check={check.public_id}"))

    assert "Exchange Online export from Member Person" in shown
    assert "A person submitted it and could have edited it. Strength: strong." in shown


def test_erased_submitter_is_a_former_user(
    tenant: Tenant, member: User, owner: User, signed_in: SignIn
) -> None:
    submit_tables(tenant, member)
    SubmittedExport.objects.update(submitted_by=None)

    assert "From the export of a former user" in text_of(signed_in(owner).get(address(tenant)))


@pytest.mark.parametrize(
    "problem",
    [
        "too-large",
        "encoding",
        "empty",
        "format-list",
        "not-json",
        "html",
        "clixml",
        "depth",
        "too-many",
        "no-tables",
    ],
)
def test_every_problem_has_a_sentence(problem: str) -> None:
    sentence = problem_sentence(problem, "<detail>")

    assert sentence.endswith(".")
    assert "{" not in sentence


@pytest.mark.parametrize(
    ("obtained", "switched", "now", "expected"),
    [
        (None, None, 10, "none_yet"),
        (5, None, 10, None),
        (5, 4, 10, None),
        (5, 5, 10, "before_switch"),
        (5, 6, 10, "before_switch"),
        (5, None, 35, None),
        (5, None, 36, "outdated"),
    ],
)
def test_reason_for_a_new_export(
    obtained: int | None, switched: int | None, now: int, expected: str | None
) -> None:
    times = [
        START + timedelta(days=day) if day is not None else None for day in (obtained, switched)
    ]

    assert export_request(*times, now=START + timedelta(days=now)) == expected


def test_task_asks_for_an_export_after_the_switch(
    tenant: Tenant, member: User, signed_in: SignIn, upload: Upload
) -> None:
    client = signed_in(member)
    upload(client, {"text": json.dumps(export_for(tenant))})
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(
        settled_verdict=Verdict.PASS, settled_at=database_time.now() + timedelta(minutes=1)
    )

    url = reverse("onboarding:plan-show", args=[tenant.public_id])
    shown = text_of(client.get(f"{url}?phase=outbound-cutover-phase"))

    assert "The newest export is from before the MX cutover of the last domain." in shown
