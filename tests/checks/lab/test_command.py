from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from checks.lab.zone_records import Mode
from checks.lab.zones import Lab


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.LAB = True
    settings.VAR_DIR = tmp_path
    return tmp_path / "lab"


def run(*words: str) -> str:
    output = StringIO()
    call_command("lab", *words, stdout=output)
    return output.getvalue()


def test_lab_not_running(folder: Path, settings: Settings) -> None:
    settings.LAB = False

    with pytest.raises(CommandError, match=r"^The lab is not running\. `make run` starts it\.$"):
        run("show")

    assert not folder.exists()


def test_publish_names_lagging_server(folder: Path) -> None:
    run("lag", "3")

    output = run("publish", "contoso.test", "mx", "us-smtp-inbound-1.mimecast.test", "--instead")

    assert output.startswith(
        "Published for contoso.test: @ 3600 MX 10 us-smtp-inbound-1.mimecast.test. "
    )
    assert output.endswith("Name server 3 lags and still serves the earlier records.\n")


def test_withdraw_prints_removed_records(folder: Path) -> None:
    output = run("withdraw", "northwind.test", "TXT", "--name", "_dmarc")

    assert output.startswith("Withdrawn from northwind.test: _dmarc 3600 TXT v=DMARC1; p=none;")


def test_show_prints_zone_and_faults(folder: Path) -> None:
    run("silence", "2")
    run("close", "ldaps")

    lines = run("show", "nwt-test.test").splitlines()

    assert lines[0] == "nwt-test.test  (serial 1)"
    assert lines[1].split() == ["@", "60", "MX", "10", "us-smtp-inbound-1.mimecast.test"]
    assert lines[-2:] == ["Name server 2 does not answer.", "The ldaps host is closed."]


@pytest.mark.parametrize(
    ("words", "mode"),
    [("silence", Mode.SILENT), ("refuse", Mode.REFUSE), ("servfail", Mode.SERVFAIL)],
)
def test_server_behaviour_and_restore(folder: Path, words: str, mode: Mode) -> None:
    run(words, "1")
    stored = Lab(folder).load().mode_of(1)

    run("restore")

    assert (stored, Lab(folder).load().mode_of(1)) == (mode, Mode.ANSWER)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["publish", "example.com", "A", "192.0.2.1"], "under .test only"),
        (["publish", "contoso.test", "A", "nowhere"], "'nowhere' is not the value"),
        (["withdraw", "contoso.test", "AAAA"], "has no such AAAA record"),
        (["lag", "4"], "name servers 1, 2 and 3"),
        (["lag", "first"], "invalid int value: 'first'"),
        (["close", "ftp"], "the hosts smtp and ldaps, not 'ftp'"),
        (["show", "nobody.test"], "The lab has no zone 'nobody.test'"),
    ],
)
def test_invalid_input(folder: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*words)


def test_message_is_signed_only_through_the_stand_in(folder: Path) -> None:
    run("sign", "tailspin.test")
    assert "DKIM-Signature" not in run("message", "tailspin.test")
    assert run("message", "tailspin.test", "--pilot").startswith("DKIM-Signature")

    run("route", "tailspin.test")
    assert run("message", "tailspin.test").startswith("DKIM-Signature")

    run("route-directly", "tailspin.test")
    assert "DKIM-Signature" not in run("message", "tailspin.test")
