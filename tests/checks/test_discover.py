"""The discover command: its output and its exit status."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from checks.management.commands.discover import Command
from tests.checks.engine.dns.loopback import Nameserver
from tests.checks.test_probe import server

__all__ = ["server"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = 0
    try:
        Command().run_from_argv(["manage.py", "discover", *arguments])
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    out, err = capsys.readouterr()
    return status, out, err


def test_discover_prints_one_json_document(
    capsys: pytest.CaptureFixture[str], server: Nameserver
) -> None:
    status, out, err = run(capsys, "Old.TEST.", "--json")

    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["domain"], document["platform"]) == ("old.test", "on_premises")
    assert document["name_servers"] == ["ns1.dns.test"]


def test_discover_prints_suggestions(
    capsys: pytest.CaptureFixture[str], server: Nameserver
) -> None:
    status, out, _ = run(capsys, "old.test")

    assert status == 0
    assert out.splitlines()[:4] == [
        "old.test: suggestions, to be confirmed",
        "",
        "platform        on_premises",
        "MX              mail.old.test",
    ]


def test_discover_unanswered_exits_with_two(
    capsys: pytest.CaptureFixture[str], server: Nameserver, settings: Settings
) -> None:
    settings.CHECKS_NAMESERVERS = [("127.0.0.1", 9)]

    status, out, _ = run(capsys, "old.test", "--json")

    assert status == 2
    assert json.loads(out)["unanswered"] == ["mx", "spf", "dmarc", "mta_sts"]


def test_discover_invalid_domain(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "two words.test")

    assert (status, out, err.count("\n")) == (64, "", 1)
