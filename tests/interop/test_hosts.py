"""SMTP against Postfix and LDAPS against slapd."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.interop.hosts import LDAPS_ADDRESS, SMTP_ADDRESS, TlsHost, postfix, slapd
from tests.interop.name_servers import LiveNameServers, bind_and_unbound

pytestmark = pytest.mark.interop

MAIL, DIRECTORY = "mail.example.test", "ldap.example.test"
ZONES = {"example.test": f"mail 300 IN A {SMTP_ADDRESS}\nldap 300 IN A {LDAPS_ADDRESS}\n"}


@pytest.fixture
def names(tmp_path: Path) -> Iterator[LiveNameServers]:
    with bind_and_unbound(tmp_path, ZONES, {}) as servers:
        yield servers


def run_check(
    names: LiveNameServers, kind: CheckKind, host: str, at: TlsHost, *, trusted: bool = True
) -> Outcome:
    network = replace(names.network, ca_file=str(at.ca_file) if trusted else "")
    (outcome,) = asyncio.run(
        run_all(
            [CheckRequest(kind, host=host, port=at.port, vantage_allowed=True)],
            network=network,
            budget_seconds=10,
            concurrency=1,
        )
    )
    return outcome


def test_postfix_with_starttls_passes(names: LiveNameServers) -> None:
    with postfix(MAIL) as server:
        outcome = run_check(names, CheckKind.SMTP, MAIL, server)

    assert (outcome.verdict, outcome.findings) == (Verdict.PASS, ())


def test_postfix_closed_fails_if_allowed(names: LiveNameServers) -> None:
    with postfix(MAIL) as server:
        pass

    assert run_check(names, CheckKind.SMTP, MAIL, server, trusted=False).verdict == Verdict.FAIL


def test_slapd_over_tls_passes(names: LiveNameServers, tmp_path: Path) -> None:
    with slapd(tmp_path, DIRECTORY) as server:
        outcome = run_check(names, CheckKind.LDAPS, DIRECTORY, server)

    assert (outcome.verdict, outcome.findings) == (Verdict.PASS, ())


def test_slapd_certificate_name_mismatch(names: LiveNameServers, tmp_path: Path) -> None:
    with slapd(tmp_path, "other.example.test") as server:
        outcome = run_check(names, CheckKind.LDAPS, DIRECTORY, server)

    assert outcome.verdict != Verdict.PASS
