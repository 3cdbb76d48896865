"""The probe command: its output, its exit status, and its errors for invalid arguments."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from checks.engine.outcomes import Verdict
from checks.management.commands.probe import Command, exit_status
from tests.checks.engine.dns.loopback import Nameserver, nameserver
from tests.checks.engine.mail.signed_messages import (
    RECEIVED,
    SELECTOR,
    record,
    signed,
    written,
)
from tests.checks.engine.sources.exports import export_of

KINDS = (
    "ownership, spf, dkim, dmarc, mta_sts, mx, mx_ttl, smtp, ldaps, lockdown, message,"
    " delivery_message, connection_filter, inbound_connector, outbound_connector,"
    " enhanced_filtering, cloud_journaling, accepted_domains, cloud_signing"
)
EU = "eu-smtp-inbound-{}.mimecast.com"
ZONE = f"""
test                        NS  ns1.dns.test
example.test                NS  ns1.dns.test
ns1.dns.test                A   127.0.0.1
example.test                TXT "issued-code"
example.test                TXT "v=spf1 include:eu._netblocks.mimecast.com -all"
example.test                MX  10 {EU.format(1)}
example.test                MX  10 {EU.format(2)}
eu._netblocks.mimecast.com  TXT "v=spf1 ip4:195.130.217.0/24 ~all"
_dmarc.example.test         TXT "v=DMARC1; p=none; rua=mailto:dmarc@example.test"
old.test                    NS  ns1.dns.test
old.test                    MX  10 mail.old.test
"""


@contextmanager
def serving(zone: str) -> Iterator[Nameserver]:
    """A name server in a separate thread, because the command runs its own event loop."""
    ready, done = threading.Event(), threading.Event()
    servers: list[Nameserver] = []

    async def serve() -> None:
        async with nameserver(zone) as server:
            servers.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(5)
    try:
        yield servers[0]
    finally:
        done.set()
        thread.join()


@pytest.fixture
def server(settings: Settings) -> Iterator[Nameserver]:
    with serving(ZONE) as running:
        settings.CHECKS_NAMESERVERS = [("127.0.0.1", running.port)]
        settings.CHECKS_AUTHORITATIVE_PORT = running.port
        settings.CHECKS_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        settings.CHECKS_ROUTES = []
        yield running


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error, as from a shell, but in this process."""
    status = 0
    try:
        Command().run_from_argv(["manage.py", "probe", *arguments])
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    out, err = capsys.readouterr()
    return status, out, err


def test_probe_prints_one_json_document(
    capsys: pytest.CaptureFixture[str], server: Nameserver
) -> None:
    status, out, err = run(
        capsys, "Example.TEST.", "--region", "eu", "--token", "issued-code", "--json"
    )

    document: dict[str, Any] = json.loads(out)
    assert (status, err) == (0, "")
    assert list(document) == ["domain", "region", "observed_at", "results"]
    assert (document["domain"], document["region"]) == ("example.test", "eu")
    assert [(r["check"], r["subject"], r["verdict"]) for r in document["results"]] == [
        ("ownership", "example.test", "pass"),
        ("spf", "example.test", "pass"),
        ("dmarc", "example.test", "pass"),
        ("mta_sts", "example.test", "not_applicable"),
        ("mx", "example.test", "pass"),
        ("mx_ttl", "example.test", "pass"),
    ]
    assert [list(r) for r in document["results"]] == [
        ["check", "subject", "verdict", "findings", "evidence"]
    ] * 6


def test_probe_prints_a_table(capsys: pytest.CaptureFixture[str], server: Nameserver) -> None:
    status, out, _ = run(capsys, "old.test", "--region", "eu", "--only", "mx")

    assert status == 1
    assert out.splitlines()[2:] == [
        "check      subject  verdict",
        "mx         old.test fail",
        "           - mx.old-only: hosts mail.old.test",
        "             ns1.dns.test (127.0.0.1): 10 mail.old.test",
    ]


def test_probe_queries_given_resolver(
    capsys: pytest.CaptureFixture[str], server: Nameserver, settings: Settings
) -> None:
    settings.CHECKS_NAMESERVERS = [("127.0.0.1", 9)]

    status, _, _ = run(
        capsys,
        *("example.test", "--region", "eu", "--only", "mx"),
        *("--nameserver", f"127.0.0.1:{server.port}"),
    )

    assert status == 0


def test_probe_unknown_exits_with_two(
    capsys: pytest.CaptureFixture[str], server: Nameserver, settings: Settings
) -> None:
    settings.CHECKS_NAMESERVERS = [("127.0.0.1", 9)]

    status, _, _ = run(capsys, "example.test", "--region", "eu")

    assert status == 2


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], 0),
        ([Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE], 0),
        ([Verdict.UNKNOWN, Verdict.FAIL], 1),
        ([Verdict.PASS, Verdict.UNKNOWN], 2),
    ],
)
def test_exit_status(verdicts: list[Verdict], expected: int) -> None:
    assert exit_status(verdicts) == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: domain, --region"),
        (["example.test"], "the following arguments are required: --region"),
        (["example.test", "--region", "eu", "--nonsense"], "unrecognized arguments: --nonsense"),
        (
            ["example.test", "--region", "mars"],
            "There is no region “mars”; there are us, usb, eu, de, za, au, ca, je, uspcom.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "spf,teapot"],
            f"“teapot” is no check; --only takes a list of {KINDS}.",
        ),
        (
            ["example.test", "--region", "eu", "--only", ","],
            f"--only takes a list of {KINDS}.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "ownership"],
            "--token is missing: without it ownership cannot be asked.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "dkim"],
            "--dkim-selector is missing: without it dkim cannot be asked.",
        ),
        (
            ["example.test", "--region", "eu", "--dkim-selector", "two words"],
            "“two words” is not a DKIM selector, such as mimecast20261101.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "smtp"],
            "--host is missing: without it smtp cannot be asked.",
        ),
        (
            ["example.test", "--region", "eu", "--host", "mail.example.test:0"],
            "“mail.example.test:0” is not a host with a port, such as mail.example.com:25.",
        ),
        (
            ["example.test", "--region", "eu", "--host", "m.test", "--rcpt", "a@b.test> NOTIFY=x"],
            "“a@b.test> NOTIFY=x” is not an address, such as postmaster@example.com.",
        ),
        (
            ["example.test", "--region", "eu", "--rcpt", "a@example.test"],
            "--host is missing: --rcpt needs a host to ask.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "message"],
            "--from-file is missing: without it message cannot be asked.",
        ),
        (
            ["example.test", "--region", "eu", "--only", "delivery_message"],
            "--received-file is missing: without it delivery_message cannot be asked.",
        ),
        (
            ["example.test", "--region", "eu", "--from-file", "nowhere.eml"],
            "nowhere.eml cannot be read: No such file or directory.",
        ),
        (
            ["example.test", "--region", "eu", "--nameserver", "dns.example.test"],
            "“dns.example.test” is not an address with a port, such as 192.0.2.53:53.",
        ),
    ],
)
def test_probe_invalid_arguments(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert run(capsys, *arguments) == (64, "", sentence + "\n")


def test_probe_judges_message_file(
    capsys: pytest.CaptureFixture[str], settings: Settings, tmp_path: Path
) -> None:
    now = timezone.now()
    file = tmp_path / "message.eml"
    fields = written(
        Date=format_datetime(now), received=RECEIVED.replace("207.211.31.10", "195.130.217.10")
    )
    file.write_bytes(signed(fields, signed_at=now, bits=1024))
    zone = f'{ZONE}{SELECTOR}._domainkey.example.test TXT "{record(bits=1024)}"\n'
    with serving(zone) as running:
        settings.CHECKS_NAMESERVERS = [("127.0.0.1", running.port)]
        settings.CHECKS_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        settings.CHECKS_ROUTES = []
        arguments = ["example.test", "--region", "eu", "--from-file", str(file), "--json"]
        selected = [*arguments, "--only", "message", "--dkim-selector"]

        with_selector = run(capsys, *selected, SELECTOR)
        without = run(capsys, *arguments, "--only", "message")
        with_another = run(capsys, *selected, "another")

    results = [
        json.loads(out)["results"][0] for _, out, _ in (with_selector, without, with_another)
    ]
    assert [status for status, _, _ in (with_selector, without, with_another)] == [0, 2, 1]
    assert [list(result) for result in results] == [
        ["check", "subject", "verdict", "findings", "evidence"]
    ] * 3
    assert [(r["check"], r["verdict"], r["findings"][0]["code"]) for r in results] == [
        ("message", "pass", "message.signed"),
        ("message", "unknown", "message.no-selector"),
        ("message", "fail", "message.other-signer"),
    ]


@pytest.mark.parametrize("domain", ["two words.test", "198.51.100.1", "https://x.test/", "a..b"])
def test_probe_invalid_domain(capsys: pytest.CaptureFixture[str], domain: str) -> None:
    status, out, err = run(capsys, domain, "--region", "eu")

    assert (status, out, err.count("\n")) == (64, "", 1)
    assert "Traceback" not in err


def test_probe_removes_control_characters(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    zone = ZONE.replace("issued-code", "issued\x1b[31m-code")
    with serving(zone) as hostile:
        settings.CHECKS_NAMESERVERS = [("127.0.0.1", hostile.port)]
        settings.CHECKS_AUTHORITATIVE_PORT = hostile.port
        settings.CHECKS_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        settings.CHECKS_ROUTES = []

        _, out, _ = run(capsys, "example.test", "--region", "eu", "--token", "other")

    assert "\x1b" not in out
    assert "issued\ufffd[31m-code" in out


def test_probe_prints_the_version(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    status, out, err = run(capsys, "--version")

    assert (status, out, err) == (0, f"Gangway {settings.VERSION}\n", "")


def test_probe_judges_export_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "export.json"
    rows = [{"DomainName": "example.test", "DomainType": "Authoritative", "InitialDomain": False}]
    file.write_text(json.dumps(export_of(AcceptedDomain=rows)), encoding="utf-16")
    only = ["--only", "accepted_domains,outbound_connector", "--json"]

    status, out, _ = run(
        capsys, "example.test", "--region", "eu", "--export-file", str(file), *only
    )

    results = {each["check"]: each["verdict"] for each in json.loads(out)["results"]}
    assert (status, results) == (1, {"accepted_domains": "pass", "outbound_connector": "fail"})


def test_probe_refuses_another_file_as_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.json"
    file.write_text("{}")

    found = run(capsys, "example.test", "--region", "eu", "--export-file", str(file))

    assert found == (64, "", f"{file} is no export of a mail platform.\n")
