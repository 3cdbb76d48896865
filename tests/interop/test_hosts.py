"""SMTP against Postfix and LDAPS against slapd."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checks.engine.batch import Look, look_all
from checks.engine.outcomes import Kind, Outcome, Verdict
from tests.interop.hosts import LDAPS_ADDRESS, SMTP_ADDRESS, TlsHost, postfix, slapd
from tests.interop.name_servers import NameServers, bind_and_unbound

pytestmark = pytest.mark.interop

MAIL, DIRECTORY = "mail.example.test", "ldap.example.test"
ZONES = {"example.test": f"mail 300 IN A {SMTP_ADDRESS}\nldap 300 IN A {LDAPS_ADDRESS}\n"}


@pytest.fixture
def names(tmp_path: Path) -> Iterator[NameServers]:
    with bind_and_unbound(tmp_path, ZONES, {}) as servers:
        yield servers


def look(
    names: NameServers, kind: Kind, host: str, at: TlsHost, *, trusted: bool = True
) -> Outcome:
    network = replace(names.network, ca_file=str(at.ca_file) if trusted else "")
    (outcome,) = asyncio.run(
        look_all(
            [Look(kind, host=host, port=at.port, vantage_allowed=True)],
            network=network,
            budget_seconds=10,
            concurrency=1,
        )
    )
    return outcome


def test_postfix_with_starttls_passes(names: NameServers) -> None:
    with postfix(MAIL) as server:
        outcome = look(names, Kind.SMTP, MAIL, server)

    assert (outcome.verdict, outcome.findings) == (Verdict.PASS, ())


def test_postfix_closed_fails_from_an_allowed_vantage(names: NameServers) -> None:
    with postfix(MAIL) as server:
        pass

    assert look(names, Kind.SMTP, MAIL, server, trusted=False).verdict == Verdict.FAIL


def test_slapd_over_tls_passes(names: NameServers, tmp_path: Path) -> None:
    with slapd(tmp_path, DIRECTORY) as server:
        outcome = look(names, Kind.LDAPS, DIRECTORY, server)

    assert (outcome.verdict, outcome.findings) == (Verdict.PASS, ())


def test_slapd_with_a_certificate_of_another_name_does_not_pass(
    names: NameServers, tmp_path: Path
) -> None:
    with slapd(tmp_path, "other.example.test") as server:
        outcome = look(names, Kind.LDAPS, DIRECTORY, server)

    assert outcome.verdict != Verdict.PASS
