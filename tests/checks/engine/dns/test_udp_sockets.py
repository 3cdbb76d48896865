"""UDP sockets: few, shared, replaced after some time; ids in flight are unique."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from checks.engine.dns import udp_sockets
from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.network import Endpoint
from checks.engine.dns.udp_sockets import ReceivedReply, UdpSockets
from checks.engine.dns.wire import make_question

Received = list[tuple[int, int]]  # source port and id, in order of arrival


class Counting(asyncio.DatagramProtocol):
    """Records the sender, and echoes the query as an empty answer or stays silent."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self.received: Received = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.received.append((source[1], int.from_bytes(data[:2])))
        if not self.silent:
            self.transport.sendto(data[:2] + b"\x84\x00" + data[4:], source)


@asynccontextmanager
async def counting(*, silent: bool = False) -> AsyncIterator[tuple[Endpoint, Received]]:
    server = Counting(silent=silent)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname"), server.received
    finally:
        transport.close()


async def query(
    through: UdpSockets, endpoint: Endpoint, number: int, seconds: float = 2
) -> ReceivedReply:
    asked = make_question(f"n{number}.test", "TXT")
    assert asked is not None
    return await through.query(asked, endpoint, recursion=False, edns=True, timeout_seconds=seconds)


def test_queries_share_ports_with_unique_ids() -> None:
    async def run() -> tuple[Received, int, list[ReceivedReply]]:
        async with counting(silent=True) as (endpoint, received):
            through = UdpSockets()
            waiting = [asyncio.create_task(query(through, endpoint, n, 0.2)) for n in range(150)]
            await asyncio.sleep(0.05)
            opened = through.open_sockets
            replies = await asyncio.gather(*waiting)
            through.close()
            return received, opened, replies

    received, opened, replies = asyncio.run(run())

    assert (len(received), len(set(received))) == (150, 150)
    assert (opened, len({port for port, _ in received})) == (4, 4)
    assert replies == [LookupFailure("timeout")] * 150


def test_query_ids_are_random() -> None:
    async def run() -> Received:
        async with counting() as (endpoint, received):
            through = UdpSockets()
            for number in range(60):
                await query(through, endpoint, number)
            through.close()
            return received

    ids = [number for _, number in asyncio.run(run())]

    steps = {(b - a) & 0xFFFF for a, b in itertools.pairwise(ids)}
    assert len(steps) > 50


def test_port_is_retired_by_query_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_sockets, "_QUESTIONS_PER_PORT", 5)

    async def run() -> tuple[Received, int, bool]:
        async with counting() as (endpoint, received):
            through = UdpSockets()
            replies = [await query(through, endpoint, number) for number in range(20)]
            opened = through.open_sockets
            through.close()
            return received, opened, all(isinstance(reply, DnsMessage) for reply in replies)

    received, opened, answered = asyncio.run(run())

    ports = [port for port, _ in received]
    assert {ports.count(port) for port in ports} == {5}
    assert (opened, answered) == (1, True)


def test_port_is_retired_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_sockets, "_SECONDS_PER_PORT", 0.0)

    async def run() -> Received:
        async with counting() as (endpoint, received):
            through = UdpSockets()
            for number in range(4):
                await query(through, endpoint, number)
            through.close()
            return received

    assert len({port for port, _ in asyncio.run(run())}) == 4


@pytest.mark.parametrize("at_once", [1, 50])
def test_open_sockets_are_limited(at_once: int) -> None:
    async def run() -> tuple[int, list[ReceivedReply]]:
        through = UdpSockets(max_open=10)
        replies: list[ReceivedReply] = []
        for first in range(0, 200, at_once):
            # The port is closed, and the kernel reports it.
            group = [(f"127.1.{n // 100}.{n % 100 + 1}", 9) for n in range(first, first + at_once)]
            replies += await asyncio.gather(*(query(through, to, 1) for to in group))
            assert through.open_sockets <= max(10, at_once)
        left = through.open_sockets
        through.close()
        assert through.open_sockets == 0
        return left, replies

    left, replies = asyncio.run(run())

    assert left <= 10
    assert replies == [LookupFailure("unreachable", "ConnectionRefusedError")] * 200


def test_cancelled_query_frees_its_slot() -> None:
    async def run() -> tuple[int, ReceivedReply]:
        async with counting(silent=True) as (endpoint, received):
            through = UdpSockets()
            hurried = asyncio.create_task(query(through, endpoint, 1))
            await asyncio.sleep(0.02)
            hurried.cancel()
            patient = await query(through, endpoint, 2, 0.05)
            through.close()
            return len(received), patient

    assert asyncio.run(run()) == (2, LookupFailure("timeout"))
