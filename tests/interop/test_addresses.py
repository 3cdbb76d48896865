"""Every address that senders reach: glue, hosts with several addresses, and IPv6."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.interop.hosts import SMTP_ADDRESS, TlsHost, postfix
from tests.interop.name_servers import (
    ADDRESSES,
    COMPLETE,
    HEAD,
    LiveNameServers,
    bind_and_unbound,
)
from tests.interop.processes import program
from tests.interop.test_name_servers import MIMECAST, MX, REGION, codes

pytestmark = pytest.mark.interop

MAIL = "mail.example.test"
CLOSED = ("127.54.0.21", "127.54.0.22", "127.54.0.23")
PARENT = f"{COMPLETE}$ORIGIN test.\n{HEAD}@ 3600 IN NS ns3.lab.test.\n"
PARENT += "".join(f"ns{n}.lab 300 IN A {address}\n" for n, address in enumerate(ADDRESSES, 1))
OLD_MX = "@ 300 IN MX 10 mail\nmail 300 IN A 192.0.2.9\n"


def zone_at(address: str, records: str) -> str:
    """A zone whose only name server is inside it, at the address."""
    names = f"@ 3600 IN NS ns1\nns1 3600 IN A {address}\n"
    return f"{COMPLETE}$ORIGIN example.test.\n{HEAD}{names}{records}"


def run_mx(folder: Path, *, glue: str, at_glue: str) -> Outcome:
    """The MX check. The zone moved to the second server; the glue leads to another address."""
    delegation = f"example 3600 IN NS ns1.example\nns1.example 3600 IN A {glue}\n"
    zones = {"mimecast.test": MIMECAST, "test": PARENT + delegation, "example.test": ""}
    moved = ADDRESSES[1]
    only = {
        1: {"test": "", "example.test": zone_at(moved, at_glue)},
        2: {"test": "", "example.test": zone_at(moved, MX)},
    }

    async def run(servers: LiveNameServers) -> Outcome:
        (outcome,) = await run_all(
            [CheckRequest(CheckKind.MX, domain="example.test", region=REGION)],
            network=servers.network,
            budget_seconds=20,
            concurrency=1,
        )
        return outcome

    stubs = {"test": (3,), "example.test": (1, 2)}
    with bind_and_unbound(folder, zones, only, stubs=stubs) as servers:
        return asyncio.run(run(servers))


@pytest.mark.parametrize(
    ("glue", "at_glue", "verdict", "expected"),
    [
        (ADDRESSES[0], OLD_MX, Verdict.FAIL, {"dns.servers-disagree", "dns.glue-differs"}),
        (ADDRESSES[0], MX, Verdict.WARN, {"dns.glue-differs"}),
        (ADDRESSES[1], OLD_MX, Verdict.PASS, set()),
    ],
)
def test_glue_of_bind_is_queried(
    tmp_path: Path, glue: str, at_glue: str, verdict: Verdict, expected: set[str]
) -> None:
    outcome = run_mx(tmp_path, glue=glue, at_glue=at_glue)

    assert outcome.verdict is verdict
    assert {code for code in codes(outcome) if code.startswith("dns.")} == expected


@pytest.fixture
def host() -> Iterator[TlsHost]:
    with postfix(MAIL) as server:
        yield server


def run_lockdown(
    folder: Path, host: TlsHost, addresses: Sequence[str], *, recipient: str = ""
) -> Outcome:
    """The lockdown check of a host with these addresses. Only Postfix listens at the port."""
    zone = "".join(f"mail 300 IN A {address}\n" for address in addresses)
    request = CheckRequest(
        CheckKind.LOCKDOWN,
        host=MAIL,
        port=host.port,
        control=(SMTP_ADDRESS, host.port),
        recipient=recipient,
    )

    async def run(servers: LiveNameServers) -> Outcome:
        (outcome,) = await run_all(
            [request], network=servers.network, budget_seconds=20, concurrency=1
        )
        return outcome

    with bind_and_unbound(folder, {"example.test": zone}, {}) as servers:
        return asyncio.run(run(servers))


@pytest.mark.parametrize(
    ("addresses", "verdict", "expected"),
    [
        ((*CLOSED, SMTP_ADDRESS), Verdict.FAIL, ["lockdown.open"]),
        ((*CLOSED, "127.54.0.24"), Verdict.PASS, ["lockdown.closed"]),
        ((*CLOSED, "10.1.2.3"), Verdict.UNKNOWN, ["lockdown.untried"]),
    ],
)
def test_lockdown_of_host_with_four_addresses(
    tmp_path: Path,
    host: TlsHost,
    addresses: Sequence[str],
    verdict: Verdict,
    expected: list[str],
) -> None:
    outcome = run_lockdown(tmp_path, host, addresses)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_postfix_client_restriction_is_not_open(tmp_path: Path) -> None:
    with postfix(MAIL, settings="smtpd_client_restrictions = reject\n") as host:
        outcome = run_lockdown(tmp_path, host, [SMTP_ADDRESS], recipient=f"postmaster@{MAIL}")

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["lockdown.refused-by-policy"])
    assert outcome.findings[0].params["text"].endswith("Client host rejected: Access denied")


NAMESPACE = "gangway-interop"
PUBLIC = "2a01:111:f400::25"


@pytest.fixture
def namespace() -> Iterator[list[str]]:
    """A network namespace without IPv6 addresses; yields the command that runs in it."""
    ip = program("ip", "iproute2")
    if subprocess.run([ip, "netns", "add", NAMESPACE], check=False).returncode:
        pytest.skip("network namespaces need root: run the interop tests as root")
    inside = [ip, "netns", "exec", NAMESPACE]
    try:
        subprocess.run([*inside, ip, "link", "set", "lo", "up"], check=True)
        yield inside
    finally:
        subprocess.run([ip, "netns", "delete", NAMESPACE], check=True)


def probe_inside(namespace: list[str], *arguments: str) -> dict[str, Any]:
    module = [sys.executable, "-m", "tests.interop.ipv6_probe", PUBLIC, *arguments]
    done = subprocess.run([*namespace, *module], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("has_ipv6", "arguments", "verdict", "expected"),
    [
        (True, ["open"], "fail", ["lockdown.open"]),
        (True, [], "pass", ["lockdown.closed"]),
        (False, [], "unknown", ["lockdown.untried"]),
        # A host with AAAA records only.
        (True, ["alone", "open"], "fail", ["lockdown.open"]),
        (True, ["alone"], "pass", ["lockdown.closed"]),
        (False, ["alone"], "unknown", ["host.no-ipv6-here"]),
        (True, ["alone", "open", "smtp"], "warn", ["smtp.no-starttls"]),
        (True, ["alone", "smtp"], "fail", ["smtp.unreachable"]),
        (False, ["alone", "smtp"], "unknown", ["host.no-ipv6-here"]),
        # With an A record, the mail server is reached without IPv6.
        (False, ["smtp"], "fail", ["smtp.unreachable"]),
    ],
)
def test_host_over_ipv6(
    namespace: list[str],
    has_ipv6: bool,
    arguments: list[str],
    verdict: str,
    expected: list[str],
) -> None:
    if has_ipv6:
        add = ["address", "add", f"{PUBLIC}/128", "dev", "lo", "nodad"]
        subprocess.run([*namespace, program("ip", "iproute2"), *add], check=True)

    found = probe_inside(namespace, *arguments)

    assert (found["verdict"], found["codes"]) == (verdict, expected)
