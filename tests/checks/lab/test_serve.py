from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from checks.lab.addresses import LabEndpoints
from checks.lab.serve import serve
from checks.lab.zone_records import Mode
from checks.lab.zones import Lab

pytestmark = pytest.mark.slow

Step = Callable[[Lab, LabEndpoints], Awaitable[None]]


def run_with_lab(folder: Path, step: Step) -> None:
    """Serve the lab on free ports, execute the function, and stop."""
    lab = Lab(folder / "lab")

    async def both() -> None:
        up = asyncio.Event()
        serving = asyncio.create_task(serve(lab, endpoints, up.set))
        await asyncio.wait({serving, asyncio.create_task(up.wait())}, return_when="FIRST_COMPLETED")
        assert up.is_set()
        try:
            await step(lab, endpoints)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    endpoints = LabEndpoints(
        block=77, port=free_port(), smtp_port=free_port(), ldaps_port=free_port()
    )
    asyncio.run(both())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(
    address: str, endpoints: LabEndpoints, name: str, rtype: str, *, rd: bool = False, edns: int = 0
) -> dns.message.Message:
    query = dns.message.make_query(name, rtype, use_edns=edns)
    query.flags = dns.flags.RD if rd else 0
    return await dns.asyncquery.udp(query, address, timeout=0.5, port=endpoints.port)


def values(message: dns.message.Message) -> list[str]:
    return sorted(rdata.to_text() for rrset in message.answer for rdata in rrset)


def test_servers_are_authoritative(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        for number in (1, 2, 3):
            answer = await ask(endpoints.server(number), endpoints, "contoso.test", "MX")

            assert values(answer) == ["10 mail.contoso.test.", "20 mail2.contoso.test."]
            assert bool(answer.flags & dns.flags.AA)
            assert answer.answer[0].ttl == 3600

    run_with_lab(tmp_path, step)


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "authority"),
    [
        ("contoso.test", "AAAA", dns.rcode.NOERROR, "contoso.test."),
        ("nobody.contoso.test", "A", dns.rcode.NXDOMAIN, "contoso.test."),
        ("nobody.test", "NS", dns.rcode.NXDOMAIN, "test."),
        ("us._netblocks.mimecast.test", "A", dns.rcode.NOERROR, "mimecast.test."),
        ("example.com", "A", dns.rcode.REFUSED, None),
    ],
)
def test_negative_answer_has_soa(
    tmp_path: Path, name: str, rtype: str, rcode: dns.rcode.Rcode, authority: str | None
) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        answer = await ask(endpoints.server(1), endpoints, name, rtype)

        owner = answer.authority[0].name.to_text() if answer.authority else None
        assert (answer.rcode(), answer.answer, owner) == (rcode, [], authority)

    run_with_lab(tmp_path, step)


def test_addresses_of_own_block(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        answer = await ask(endpoints.resolver, endpoints, "ns2.lab.test", "A", rd=True)

        assert values(answer) == ["127.53.77.2"]
        assert bool(answer.flags & dns.flags.RA)

    run_with_lab(tmp_path, step)


def test_long_answer_truncated_over_udp(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.publish("contoso.test", "TXT", "x" * 1500, label="long")
        await noticed()
        name, address = "long.contoso.test", endpoints.server(1)

        cut = await ask(address, endpoints, name, "TXT", edns=-1)
        query = dns.message.make_query(name, "TXT")
        whole = await dns.asyncquery.tcp(query, address, timeout=1, port=endpoints.port)

        assert (bool(cut.flags & dns.flags.TC), cut.answer) == (True, [])
        assert values(whole)[0].replace('"', "").replace(" ", "") == "x" * 1500

    run_with_lab(tmp_path, step)


def test_cname_into_another_zone(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.publish("contoso.test", "CNAME", "mail.fabrikam.test", label="relay")
        await noticed()

        answer = await ask(endpoints.resolver, endpoints, "relay.contoso.test", "A", rd=True)

        assert values(answer) == ["127.53.77.25", "mail.fabrikam.test."]

    run_with_lab(tmp_path, step)


def test_lagging_server_differs(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.lag(2)
        lab.publish("northwind.test", "MX", "us-smtp-inbound-1.mimecast.test", instead=True)
        await noticed()

        seen = [
            values(await ask(endpoints.server(number), endpoints, "northwind.test", "MX"))
            for number in (1, 2, 3)
        ]

        new, old = ["10 us-smtp-inbound-1.mimecast.test."], ["10 mail.northwind.test."]
        assert seen == [new, old, new]

    run_with_lab(tmp_path, step)


@pytest.mark.parametrize(
    ("mode", "rcode"),
    [(Mode.REFUSE, dns.rcode.REFUSED), (Mode.SERVFAIL, dns.rcode.SERVFAIL)],
)
def test_server_fault_modes(tmp_path: Path, mode: Mode, rcode: dns.rcode.Rcode) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.behave(1, mode)
        await noticed()

        answer = await ask(endpoints.server(1), endpoints, "contoso.test", "MX")

        assert answer.rcode() == rcode

    run_with_lab(tmp_path, step)


def test_resolver_skips_silent_server(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.behave(1, Mode.SILENT)
        await noticed()

        with pytest.raises(dns.exception.Timeout):
            await ask(endpoints.server(1), endpoints, "contoso.test", "MX")
        answer = await ask(endpoints.resolver, endpoints, "contoso.test", "MX", rd=True)

        assert values(answer) == ["10 mail.contoso.test.", "20 mail2.contoso.test."]

    run_with_lab(tmp_path, step)


def test_mail_host_offers_starttls(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        reader, writer = await asyncio.open_connection(endpoints.smtp_host, endpoints.smtp_port)
        banner = await reader.readline()
        writer.write(b"EHLO probe.test\r\n")
        greeting = [await reader.readline() for _ in range(4)]
        writer.write(b"STARTTLS\r\n")
        ready = await reader.readline()
        trusted = ssl.create_default_context(cafile=str(lab.folder / "tls" / "ca.pem"))
        await writer.start_tls(trusted, server_hostname="mail.contoso.test")
        writer.write(b"EHLO probe.test\r\nQUIT\r\n")
        secure = [await reader.readline() for _ in range(4)]
        writer.close()

        assert banner == b"220 mail.lab.test ESMTP Gangway lab\r\n"
        assert greeting[2] == b"250-STARTTLS\r\n"
        assert ready.startswith(b"220 ")
        assert (b"250-STARTTLS\r\n" in secure, secure[3]) == (False, b"221 2.0.0 Bye\r\n")

    run_with_lab(tmp_path, step)


def test_directory_host_answers_bind(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        trusted = ssl.create_default_context(cafile=str(lab.folder / "tls" / "ca.pem"))
        reader, writer = await asyncio.open_connection(
            endpoints.ldaps_host,
            endpoints.ldaps_port,
            ssl=trusted,
            server_hostname="ldap.contoso.test",
        )
        writer.write(bytes.fromhex("300c020101600702010304008000"))
        answer = await reader.readexactly(14)
        writer.close()

        assert answer.hex() == "300c02010161070a010004000400"

    run_with_lab(tmp_path, step)


def test_closed_host_refuses(tmp_path: Path) -> None:
    async def step(lab: Lab, endpoints: LabEndpoints) -> None:
        lab.close("smtp")
        await noticed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(endpoints.smtp_host, endpoints.smtp_port)

        lab.open("smtp")
        await noticed()
        reader, writer = await asyncio.open_connection(endpoints.smtp_host, endpoints.smtp_port)
        banner = await reader.readline()
        writer.close()

        assert banner[:4] == b"220 "

    run_with_lab(tmp_path, step)


async def noticed() -> None:
    """The servers read their file every tenth of a second."""
    await asyncio.sleep(0.25)
