"""MTA-STS: BIND and Unbound for the names, gunicorn with a test authority for the policy."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.lab.certificates import host_certificate
from tests.interop.name_servers import bind_and_unbound
from tests.interop.processes import free_port, on_loopback, running

pytestmark = pytest.mark.interop

DOMAIN = "example.test"
HOST = f"mta-sts.{DOMAIN}"
ADDRESS = "127.54.0.44"
HOSTS = ("us-smtp-inbound-1.mimecast.test", "us-smtp-inbound-2.mimecast.test")
REGION = RegionFacts("us", "United States", HOSTS)
ZONE = f"""_mta-sts 300 IN TXT "v=STSv1; id=20261101;"
mta-sts 300 IN A {ADDRESS}
"""
PERMITS = "".join(f"mx: {host}\n" for host in HOSTS)
# Only the path of RFC 8461 section 3.3 exists.
SERVER = """
POLICY = {policy!r}


def application(environ, start_response):
    found = environ["PATH_INFO"] == "/.well-known/mta-sts.txt"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
    return [POLICY.encode() if found else b""]
"""


def run_check(folder: Path, mx: str, *, certified: str = HOST) -> Outcome:
    policy = f"version: STSv1\nmode: enforce\n{mx}max_age: 86400\n"
    (folder / "policy_server.py").write_text(SERVER.format(policy=policy))
    certificate, key = host_certificate(folder / "tls", [certified])
    port = free_port(ADDRESS)
    server = [sys.executable, "-m", "gunicorn", "--chdir", str(folder), "--bind"]
    server += [f"{ADDRESS}:{port}", "--certfile", str(certificate), "--keyfile", str(key)]
    log = folder / "gunicorn.log"
    with (
        bind_and_unbound(folder, {DOMAIN: ZONE}, {}) as names,
        on_loopback(ADDRESS),
        running([*server, "policy_server"], log, ADDRESS, port),
    ):
        network = replace(names.network, ca_file=str(folder / "tls" / "ca.pem"), https_port=port)
        requests = [CheckRequest(CheckKind.MTA_STS, domain=DOMAIN, region=REGION)]
        (outcome,) = asyncio.run(
            run_all(requests, network=network, budget_seconds=10, concurrency=1)
        )
    return outcome


@pytest.mark.parametrize(
    ("mx", "certified", "verdict", "code"),
    [
        (PERMITS, HOST, Verdict.PASS, "mta-sts.permits"),
        (f"mx: {HOSTS[0]}\n", HOST, Verdict.FAIL, "mta-sts.not-permitted"),
        (PERMITS, "www.example.test", Verdict.FAIL, "mta-sts.policy-certificate"),
    ],
)
def test_policy_against_planned_hosts(
    tmp_path: Path, mx: str, certified: str, verdict: Verdict, code: str
) -> None:
    outcome = run_check(tmp_path, mx, certified=certified)

    assert (outcome.verdict, outcome.unanimous) == (verdict, True)
    assert [finding.code for finding in outcome.findings] == [code]
