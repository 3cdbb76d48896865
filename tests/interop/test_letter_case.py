"""A server whose answers depend on letter case: BIND behind a router that reads the case.

Lower-case questions reach one view of BIND, and all others a second view with its own version of
the zone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.message
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.interop.name_servers import ADDRESSES, COMPLETE, NAMES, Zones, bind_and_unbound
from tests.interop.processes import on_loopback

pytestmark = pytest.mark.interop

DOMAIN, ROUTER = "example.test", "127.54.0.4"
HOSTS = ("us-smtp-inbound-1.mimecast.test", "us-smtp-inbound-2.mimecast.test")
REGION = RegionFacts("us", "United States", HOSTS, "us._netblocks.mimecast.test")
WORLD: Zones = {
    "lab.test": f"{NAMES}\nns4 300 IN A {ROUTER}",
    "test": f"example 300 IN NS ns4.lab.test.\nns4.lab 300 IN A {ROUTER}\n",
    "mimecast.test": """us._netblocks 300 IN TXT "v=spf1 ip4:192.0.2.0/24 ~all"
us-smtp-inbound-1 300 IN A 192.0.2.1
us-smtp-inbound-2 300 IN A 192.0.2.2
""",
}
SPF = '@ 300 IN TXT "v=spf1 include:us._netblocks.mimecast.test -all"\n'
MIMECAST = "".join(f"@ 300 IN MX 10 {host}.\n" for host in HOSTS)
OLD = "@ 300 IN MX 10 old\nold 300 IN A 192.0.2.9\n"
SENSITIVE, CHANGES = "dns.case-sensitive-server", "dns.case-changes-answer"
PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL


def zone(records: str) -> str:
    return (
        f"{COMPLETE}$ORIGIN {DOMAIN}.\n"
        "@ 3600 IN SOA ns4.lab.test. hostmaster.lab.test. 1 3600 600 86400 60\n"
        f"@ 3600 IN NS ns4.lab.test.\n{records}"
    )


class CaseRouter(asyncio.DatagramProtocol):
    """Send each question to the view of its letter case, and the reply back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._forward(data, source))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _forward(self, data: bytes, source: tuple[str, int]) -> None:
        name = dns.message.from_wire(data).question[0].name.to_text()
        view = ADDRESSES[0] if name == name.lower() else ADDRESSES[1]
        self._transport.sendto(await asyncio.to_thread(exchange, data, (view, self._port)), source)


def exchange(data: bytes, view: tuple[str, int]) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.sendto(data, view)
        return link.recv(4096)


@asynccontextmanager
async def case_router(port: int) -> AsyncIterator[None]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: CaseRouter(port), local_addr=(ROUTER, port)
    )
    try:
        yield
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("lower", "mixed", "of_mx", "of_spf", "code"),
    [
        (MIMECAST + SPF, MIMECAST + SPF, PASS, PASS, ""),
        (MIMECAST + SPF, "", WARN, WARN, SENSITIVE),
        (MIMECAST + SPF, SPF, WARN, PASS, SENSITIVE),
        (MIMECAST + SPF, OLD + SPF, FAIL, PASS, CHANGES),
        (OLD + SPF, MIMECAST + SPF, FAIL, PASS, CHANGES),
        (SPF, MIMECAST + SPF, FAIL, PASS, CHANGES),
    ],
)
def test_answer_that_depends_on_case(
    tmp_path: Path, lower: str, mixed: str, of_mx: Verdict, of_spf: Verdict, code: str
) -> None:
    versions = {number: {DOMAIN: zone(text)} for number, text in ((1, lower), (2, mixed))}
    kinds = (CheckKind.MX, CheckKind.SPF)
    requests = [CheckRequest(kind, domain=DOMAIN, region=REGION) for kind in kinds]

    with (
        on_loopback(ROUTER),
        bind_and_unbound(
            tmp_path, {**WORLD, DOMAIN: zone(lower)}, versions, stubs={DOMAIN: (1,)}
        ) as servers,
    ):

        async def run() -> list[Outcome]:
            async with case_router(servers.port):
                return await run_all(
                    requests, network=servers.network, budget_seconds=20, concurrency=4
                )

        mx, spf = asyncio.run(run())

    assert (mx.verdict, spf.verdict) == (of_mx, of_spf)
    found = {finding.code for finding in (*mx.findings, *spf.findings)}
    assert found & {SENSITIVE, CHANGES} == ({code} if code else set())
