"""The documentation of the API: its examples run, and its table names every action."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onboarding.models import Comment, EvidenceFile
from tenants.models import ActivityLine, Tenant, User
from tests.access_matrix import routes
from tests.access_tables import methods_by_address, table_under
from tests.api.clients import client_for
from tests.factories import task_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCKS = re.findall(
    r"```(bash|python)\n(.*?)```", (DOCS / "howto" / "api.md").read_text("utf-8"), re.DOTALL
)
ROWS = {
    row["action"].strip("`"): row["endpoint"]
    for row in table_under("Actions", DOCS / "reference" / "api.md")
}


@pytest.mark.django_db(transaction=True)
def test_examples_run(
    live_server: Any, tenant: Tenant, consultant: User, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path
    task = task_of(tenant, "initial-conversation")
    variables = {
        "GANGWAY_TOKEN": client_for(consultant).token,
        "TENANT": tenant.public_id,
        "TASK": task.public_id,
        "CHECK": tenant.checks.filter(is_active=True)[0].public_id,
    }

    outputs = [_run(kind, text, live_server.url, variables) for kind, text in BLOCKS]

    task.refresh_from_db()
    assert '"results":[' in outputs[0]
    assert Comment.objects.get().body == "Ticket 4711 tracks this task."
    assert '{"requested":' in outputs[2]
    assert f'"id":"{variables["CHECK"]}"' in outputs[3]
    assert (outputs[4], task.status) == ("started: in_progress\n", "in_progress")
    assert outputs[5].count("\n") == task.plan.tasks.count()
    assert EvidenceFile.objects.get().name == "connector.txt"
    assert {
        line.api_token for line in ActivityLine.objects.filter(actor=consultant, tenant=tenant)
    } == {"Service desk"}


def _run(kind: str, text: str, url: str, variables: dict[str, str]) -> str:
    program = text.replace("https://gangway.example", url)
    command = ["bash", "-c", program] if kind == "bash" else [sys.executable, "-c", program]
    done = subprocess.run(
        command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_table_names_every_action_of_the_pages() -> None:
    actions = {
        name
        for name, methods in methods_by_address().items()
        if "POST" in methods and not name.startswith("api:")
    }

    assert set(ROWS) == actions


def test_table_names_real_endpoints() -> None:
    endpoints = [route for route in routes() if route.is_api]
    known = {f"{method} {route.name}" for route in endpoints for method in route.permissions}

    named = {each for cell in ROWS.values() for each in re.findall(r"`([^`]+)`", cell)}

    writes = {each for each in known if not each.startswith("GET ")}
    assert named == writes


def test_endpoint_has_the_permission_of_its_action() -> None:
    """`api:transition` checks the permission of the transition itself: tests/api/test_writes.py."""
    methods = methods_by_address()

    wrong = {
        f"{action}: {each}"
        for action, cell in ROWS.items()
        for each in re.findall(r"`([^`]+)`", cell)
        for method, name in [each.split()]
        if name not in ("api:transition", "api:tasks-transitions")
        # The desk sends the reminders of several tenants, the endpoint those of one task.
        and action != "onboarding:desk-remind"
        and methods[name][method] != methods[action]["POST"]
    }

    assert wrong == set()
