"""The command-line client against a real server: its commands, exit statuses and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone

from checks.models import Check
from onboarding.models import Cutover
from tenants import api_tokens
from tenants.models import Tenant, User
from tests.api.clients import client_for, token_of
from tests.cutovers import cutover_of

CLIENT = Path(__file__).resolve().parents[2] / "client"
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(live_server: Any, consultant: User, tmp_path: Path) -> Run:
    """Runs `gangway` with a token of the consultant in the environment."""
    signed_in = {
        "GANGWAY_SERVER": live_server.url,
        "GANGWAY_TOKEN": client_for(consultant).token,
    }

    def run_client(
        *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CLIENT),
            "XDG_CONFIG_HOME": str(tmp_path),
            "COLUMNS": "200",
            **signed_in,
            **environment,
        }
        return subprocess.run(
            [sys.executable, "-m", "gangway_client", *arguments],
            env={name: value for name, value in variables.items() if value},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_client


def _settle(tenant: Tenant, **verdicts: str) -> None:
    later = timezone.now() + timedelta(minutes=5)
    checks = Check.objects.filter(tenant=tenant)
    checks.update(is_active=False)
    for kind, verdict in verdicts.items():
        checks.filter(kind=kind).update(
            is_active=True, settled_verdict=verdict, next_due_at=later, requested_until=None
        )


def test_login_stores_the_token_for_its_owner_alone(
    run: Run, live_server: Any, viewer: User, tmp_path: Path
) -> None:
    token = client_for(viewer, "read").token
    anonymous = {"GANGWAY_SERVER": "", "GANGWAY_TOKEN": ""}

    done = run("login", "--server", live_server.url, "--token-stdin", stdin=token, **anonymous)

    file = tmp_path / "gangway" / "credentials.json"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Signed in as {viewer.name}, scope read. Stored in {file}.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {"server": live_server.url, "token": token}
    assert run("tenants", **anonymous).returncode == 0
    assert run("logout", **anonymous).stdout == "Signed out.\n"
    assert not file.exists()
    assert run("tenants", **anonymous).stderr.startswith("gangway: You are not signed in.")


def test_readable_file_is_refused(run: Run, tmp_path: Path, live_server: Any) -> None:
    file = tmp_path / "gangway" / "credentials.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"server": live_server.url, "token": "gangway_x"}))
    file.chmod(0o644)

    done = run("tenants", GANGWAY_SERVER="", GANGWAY_TOKEN="")

    assert (done.returncode, done.stderr) == (
        64, f"gangway: Other users can read {file}. Run: chmod 600 {file}\n",
    )  # fmt: skip


def test_lists_name_tenants_and_tasks(run: Run, tenant: Tenant) -> None:
    tenants = run("tenants")
    tasks = run("tasks", "--waiting-on", "client", "--json")

    assert tenant.name in tenants.stdout
    rows = json.loads(tasks.stdout)
    assert rows != []
    assert {row["waiting_on"] for row in rows} <= {"client", "both"}
    assert json.loads(run("tasks", "--tenant", "no such", "--json").stdout) == []
    assert run("tasks", "--tenant", "no such").stdout == "No task matches.\n"


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ({"spf": "pass", "mx": "warn", "dkim": "not_applicable"}, 0),
        ({"spf": "fail", "mx": "unknown"}, 1),
        ({"spf": "pass", "mx": "unknown"}, 2),
        ({"spf": "pass", "mx": ""}, 2),
        # Without a submitted message, its check proves nothing.
        ({"spf": "pass", "message": ""}, 0),
    ],
)
def test_status_is_that_of_probe(
    run: Run, tenant: Tenant, verdicts: dict[str, str], status: int
) -> None:
    _settle(tenant, **verdicts)
    known = {kind: verdict or None for kind, verdict in verdicts.items()}
    known = {k: v for k, v in known.items() if Check.objects.filter(kind=k, is_active=True)}

    done = run("check", f"{tenant.domains.get().name}.", "--json")

    assert {row["kind"]: row["verdict"] for row in json.loads(done.stdout)} == known
    assert done.returncode == status


def test_watch_requests_runs_and_waits(run: Run, tenant: Tenant) -> None:
    """Tasks run in the calling process, so that the runs end within the request."""
    _settle(tenant, spf="pass")

    done = run("check", tenant.domains.get().name, "--watch", "--seconds", "4")

    check = Check.objects.get(tenant=tenant, kind="spf")
    assert check.requested_until is not None
    assert "spf" in done.stdout
    assert (done.stderr, done.returncode in (0, 1, 2)) == ("", True)


def test_cutover_status_names_blockers(run: Run, tenant: Tenant) -> None:
    soon = timezone.now() + timedelta(days=2)
    cutover: Cutover = cutover_of(tenant, "outbound", soon)
    cutover_of(tenant, "inbound", soon + timedelta(days=60))

    done = run("cutover", "status")
    (row,) = json.loads(run("cutover", "status", "--json").stdout)

    assert row["cutover"]["id"] == cutover.public_id
    assert done.returncode == 1
    assert "blocked" in done.stdout
    assert run("cutover", "status", "--tenant", "no such").stdout == "No cutover is planned.\n"


def test_names_cannot_control_the_terminal(run: Run, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(name="North\x1b[2Jwind [bold]")

    done = run("tenants")

    assert "\x1b" not in done.stdout
    assert "North\\x1b[2Jwind [bold]" in done.stdout


def test_revoked_token(run: Run, consultant: User) -> None:
    api = client_for(consultant)
    api_tokens.revoke(token_of(api), by=consultant)

    done = run("tenants", GANGWAY_TOKEN=api.token)

    assert done.returncode == 64
    assert done.stderr.endswith("Sign in again with: gangway login\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "sentence"),
    [
        (("tenants",), {"GANGWAY_SERVER": "http://127.0.0.1:9"}, 2, "cannot be reached"),
        (("tenants",), {"GANGWAY_SERVER": "http://gangway.example"}, 64, "unencrypted"),
        (("tenants",), {"GANGWAY_SERVER": "ftp://gangway.example"}, 64, "is not an address"),
        (("tenants",), {"GANGWAY_TOKEN": ""}, 64, "GANGWAY_TOKEN is not set"),
        (("check", "unknown.example"), {}, 64, "No tenant that you can see has unknown.example."),
        (("tasks", "--status", "gone"), {}, 64, "status: "),
        (("tasks", "--waiting-on", "nobody"), {}, 64, "invalid choice"),
        (("check", "one.test", "--seconds", "0"), {}, 64, "enter a number from 1 to 3600"),
        ((), {}, 64, "COMMAND"),
    ],
)
def test_error_is_a_sentence(
    run: Run,
    tenant: Tenant,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    done = run(*arguments, **environment)

    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


class Html(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *arguments: Any) -> None:
        return None


def test_other_server_is_no_api(run: Run, live_server: Any) -> None:
    server = HTTPServer(("127.0.0.1", 0), Html)
    Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        done = run("tenants", GANGWAY_SERVER=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()

    assert (done.returncode, "does not answer as Gangway's API does" in done.stderr) == (2, True)
