"""Activity lines from before a renaming, in the timeline, the export and the closing pack."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.collaboration import file_store
from onboarding.cutovers.timeline import build_timeline
from onboarding.lifecycle import exports
from onboarding.lifecycle.closing_pack.contents import pack_activity
from tenants.log_verification import verify_logs
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import store_earlier_line, task_of

GATE = "mx-record-cutover"


@pytest.fixture
def files_dir(tmp_path: Path, settings: Any) -> None:
    settings.FILES_DIR = tmp_path / "files"


@pytest.fixture
def earlier(tenant: Tenant) -> Tenant:
    task = task_of(tenant, GATE)
    for action in ("task-proven", "comment-taken-back"):
        store_earlier_line(tenant, action, {"task": task.title, "task_id": task.public_id})
    return tenant


def test_timeline_has_earlier_lines_without_comments(earlier: Tenant) -> None:
    cutover = cutover_of(earlier, "inbound", timezone.now() + timedelta(minutes=20))
    tasks = [task_of(earlier, GATE)]

    entries = build_timeline(cutover, tasks, is_staff=True)

    assert [entry.line.name for entry in entries if entry.line is not None] == ["task-verified"]


def test_activity_page_shows_earlier_lines(earlier: Tenant, owner: User, client: Client) -> None:
    client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")

    page = client.get(reverse("onboarding:activity", args=[earlier.public_id])).content.decode()

    title = task_of(earlier, GATE).title
    assert f"A check verified <strong>{title}</strong>" in page
    assert f"Gangway deleted a comment on <strong>{title}</strong>" in page


@pytest.mark.usefixtures("files_dir")
def test_export_has_stored_and_present_names(earlier: Tenant, owner: User) -> None:
    export = exports.request_export(earlier, by=owner)
    exports.build_export(export)
    export.refresh_from_db()

    with zipfile.ZipFile(file_store.path_of(export.stored_as)) as archive:
        rows = json.loads(archive.read("activity.json"))

    names = {(row["action"], row["name"]) for row in rows}
    assert names >= {("task-proven", "task-verified"), ("export-requested", "export-requested")}


def test_closing_pack_has_stored_and_present_names(earlier: Tenant) -> None:
    lines = pack_activity(earlier)["lines"]

    assert [(line["action"], line["name"]) for line in lines[-2:]] == [
        ("task-proven", "task-verified"),
        ("comment-taken-back", "comment-deleted"),
    ]


def test_log_with_earlier_lines_is_valid(earlier: Tenant) -> None:
    assert {report.fault for report in verify_logs()} == {""}
