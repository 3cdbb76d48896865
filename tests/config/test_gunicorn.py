"""The web server of production and `make run`: no secret in its logs, ready when it listens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.product import CHECKOUT, free_port

SECRETS = {
    "/invitation/eyJhbGciOiJIUzI1NiJ9abc123:1vQ2xw:Zk3cD9fGh4jK5lM6nO7pQ8rS9tU0vW1x/": "Zk3cD9fGh4",
    "/accounts/oidc/single-sign-on/login/callback/?code=4f9a7c2e1b&state=x": "4f9a7c2e1b",
    "/?token=verysecretvalue": "verysecretvalue",
    "/c/Zk3cD9fGh4jK5lM6nO7pQ8rS9tU0vW1x.Ab1-cd2_ef3/gangway.ics": "Zk3cD9fGh4jK5lM6",
    "/?shown=whsec_QHG+QOlLsRzjfG9LTgLvgDyaBbMcEEc=": "QHG+QOlLsRzjf",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The server on a data folder without a database: every page that needs one fails."""
    port, log = free_port(), tmp_path / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "--access-logfile", "-"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "LAB": "off"}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output
        )
    try:
        yield port, log
    finally:
        process.terminate()
        process.wait(10)


def _get(port: int, path: str, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            assert time.monotonic() < until, "the server does not listen"
            time.sleep(0.1)


@pytest.mark.slow
def test_no_secret_is_in_the_logs(server: tuple[int, Path]) -> None:
    port, log = server
    for path in SECRETS:
        _get(port, path, Referer=f"http://127.0.0.1{path}")

    written = log.read_text()
    assert written.count('"GET /') >= len(SECRETS)
    for secret in SECRETS.values():
        assert secret not in written


@pytest.mark.slow
def test_first_request_is_answered_at_once(server: tuple[int, Path]) -> None:
    """The port opens after the code is loaded."""
    port, log = server
    assert _get(port, "/health/") == 200
    before = log.read_text()

    started_at = time.monotonic()
    _get(port, "/accounts/login/")

    assert "Booting worker" in before
    # Without the preloaded code, it takes 3 s on a quiet machine.
    assert time.monotonic() - started_at < 2
