"""TLS partners: real name servers and SMTP servers on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.hosts import partner_tls
from checks.engine.hosts.partner_tls import PartnerHosts, PartnerResult
from checks.engine.hosts.prober import Prober
from checks.engine.outcomes import Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import (
    MailHost,
    mail_host,
    make_certificate,
    server_context,
    write_authority,
)

MX = "mx.partner.test"
ZONE = f"partner.test MX 10 {MX}\n{MX} A 127.0.0.1\n"


def run(
    folder: Path,
    *,
    zone: str = ZONE,
    certified: dict[str, Any] | None = None,
    timeout: float = 0.5,
    is_closed: bool = False,
    allowed: bool = True,
    **options: Any,
) -> tuple[PartnerResult, MailHost]:
    async def both() -> tuple[PartnerResult, MailHost]:
        tls = None
        if certified is not None:
            host = certified.get("host", MX)
            tls = server_context(folder, host, make_certificate(**{"host": MX} | certified))
        async with nameserver(zone) as dns, mail_host(tls=tls, **options) as server:
            network = dataclasses.replace(
                network_of(dns),
                ca_file=str(write_authority(folder)),
                connect_timeout_seconds=timeout,
            )
            if not allowed:
                network = dataclasses.replace(network, allowed_networks=())
            lookup = NetworkLookup(network_of(dns))
            prober = Prober(network, lookup)
            try:
                hosts = await partner_tls.locate("partner.test", prober)
                port = 1 if is_closed else server.port
                return await partner_tls.inspect(hosts, prober, port=port), server
            finally:
                await lookup.close()

    return asyncio.run(both())


def codes(result: PartnerResult) -> list[str]:
    return [found.code for found in result.findings]


def test_good_partner_passes_with_one_connection(tmp_path: Path) -> None:
    result, server = run(tmp_path, certified={})

    assert (result.verdict, codes(result)) == (Verdict.PASS, [])
    assert server.commands == ["EHLO probe.invalid", "STARTTLS", "QUIT"]
    assert server.connections == 1
    (evidence,) = result.evidence["hosts"]
    assert (evidence["host"], evidence["address"]) == (MX, "127.0.0.1")
    assert evidence["tls"]["trusted"] is True


@pytest.mark.parametrize(
    ("certified", "verdict", "expected"),
    [
        ({"issuer": MX}, Verdict.FAIL, "partner.untrusted"),
        ({"issuer": "Nobody"}, Verdict.FAIL, "partner.untrusted"),
        ({"days": (-9, -1)}, Verdict.FAIL, "partner.untrusted"),
        ({"host": "other.test"}, Verdict.FAIL, "partner.name-mismatch"),
        ({"days": (-9, 5)}, Verdict.WARN, "partner.expires-soon"),
    ],
)
def test_certificate_of_partner(
    tmp_path: Path, certified: dict[str, Any], verdict: Verdict, expected: str
) -> None:
    result, server = run(tmp_path, certified=certified)

    assert (result.verdict, codes(result)) == (verdict, [expected])
    # Third parties get no second connection, not even for the details of a bad certificate.
    assert server.connections == 1


@pytest.mark.parametrize(
    ("options", "verdict", "expected"),
    [
        ({"ehlo": ["mx.partner.test"]}, Verdict.FAIL, "partner.no-starttls"),
        ({"refuses_ehlo": "502 no"}, Verdict.FAIL, "partner.no-starttls"),
        ({"starttls": "554 no TLS"}, Verdict.FAIL, "partner.tls-failed"),
        ({"starttls": "454 not now"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"starttls": "221 closing"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"starttls": "no SMTP"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"starttls": "220 but then hangs up"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"greeting": "421 busy"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"greeting": "554 no"}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"greeting": "", "timeout": 0.1}, Verdict.UNKNOWN, "partner.no-answer"),
        ({"is_closed": True}, Verdict.UNKNOWN, "partner.unreachable"),
    ],
)
def test_dialogue_of_partner(
    tmp_path: Path, options: dict[str, Any], verdict: Verdict, expected: str
) -> None:
    result, server = run(tmp_path, **options)

    assert (result.verdict, codes(result)) == (verdict, [expected])
    assert not {"MAIL", "RCPT", "DATA"} & {command.split()[0] for command in server.commands}


@pytest.mark.parametrize(
    ("zone", "verdict", "expected"),
    [
        ("partner.test MX 0 .\n", Verdict.FAIL, "partner.no-mail"),
        ("partner.test MX 10 gone.partner.test\n", Verdict.UNKNOWN, "partner.not-probed"),
    ],
)
def test_partner_without_host(tmp_path: Path, zone: str, verdict: Verdict, expected: str) -> None:
    result, server = run(tmp_path, zone=zone)

    assert (result.verdict, codes(result)) == (verdict, [expected])
    assert server.connections == 0


def test_loopback_partner_is_not_connected(tmp_path: Path) -> None:
    result, server = run(tmp_path, allowed=False)

    assert (result.verdict, codes(result)) == (Verdict.UNKNOWN, ["partner.not-probed"])
    assert server.connections == 0


def test_domain_without_mx_is_its_own_host(tmp_path: Path) -> None:
    result, _ = run(tmp_path, zone="partner.test A 127.0.0.1\n", ehlo=["partner.test"])

    assert codes(result) == ["partner.no-starttls"]


@pytest.mark.slow
def test_failed_lookup_is_unknown(tmp_path: Path) -> None:
    async def locate() -> PartnerHosts:
        async with nameserver(ZONE, {"partner.test": lambda *_: None}) as dns:
            network = dataclasses.replace(network_of(dns), connect_timeout_seconds=0.2)
            lookup = NetworkLookup(network)
            try:
                return await partner_tls.locate("partner.test", Prober(network, lookup))
            finally:
                await lookup.close()

    hosts = asyncio.run(locate())

    assert hosts.verdicts == (Verdict.UNKNOWN,)
    assert [found.code for found in hosts.findings] == ["partner.mx-unknown"]
