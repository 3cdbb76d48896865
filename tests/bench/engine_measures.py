"""The measurements: the engine, the same queries as bare datagrams, and the peer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from checks.engine.batch import run_all
from checks.engine.dns import query_pool
from checks.engine.dns.network import Endpoint
from checks.engine.dns.udp_sockets import UdpSockets
from checks.engine.dns.wire import DnsQuestion, encode_query
from checks.engine.outcomes import Outcome, Verdict
from tests.bench.world import RESOLVER, World

ROOT = Path(__file__).resolve().parent.parent.parent
# The default configuration of a worker.
CONCURRENCY, BUDGET_SECONDS = 100, 60
_IN_FLIGHT = 100


@dataclass(frozen=True)
class Measured:
    """One run: the number of domains and queries, and the seconds of wall clock and CPU."""

    domains: int
    questions: int
    seconds: float
    cpu_seconds: float

    @property
    def domains_per_second(self) -> float:
        return self.domains / self.seconds

    @property
    def questions_per_second(self) -> float:
        return self.questions / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.domains} domains, {self.questions} questions in {self.seconds:.2f} s"
            f" ({self.cpu_seconds:.2f} s of CPU): {self.domains_per_second:.0f} domains/s,"
            f" {self.questions_per_second:.0f} questions/s,"
            f" {self.questions / self.domains:.1f} questions a domain"
        )


class BenchFailed(Exception):
    """The measured work was not the intended work."""


def engine(world: World) -> Measured:
    """Run all checks as one batch, in one process on one core; each must have an answer."""
    outcomes: list[Outcome] = []
    measured = _measured(world, len(world.domains), lambda: outcomes.extend(_request(world)))
    undecided = [o for o in outcomes if o.verdict is Verdict.UNKNOWN]
    if undecided:
        raise BenchFailed(f"{len(undecided)} runs were UNKNOWN, the first: {undecided[0]}")
    return measured


def _request(world: World) -> list[Outcome]:
    return asyncio.run(
        run_all(
            world.requests,
            network=world.network,
            budget_seconds=BUDGET_SECONDS,
            concurrency=CONCURRENCY,
        )
    )


Sent = tuple[Endpoint, DnsQuestion, bool]


def questions_of(world: World) -> list[Sent]:
    """Return the engine's queries in order; a separate pass, which does not affect the timing."""
    sent: list[Sent] = []

    class Recording(UdpSockets):
        def send(self, question: DnsQuestion, endpoint: Endpoint, **kwargs: Any) -> Any:
            sent.append((endpoint, question, kwargs["recursion"]))
            return super().send(question, endpoint, **kwargs)

    with mock.patch.object(query_pool, "UdpSockets", Recording):
        _request(world)
    return sent


def bare(world: World, sent: Sequence[Sent]) -> Measured:
    """Send the same queries over one socket for each address; match replies by id and drop them."""
    return _measured(world, len(world.domains), lambda: asyncio.run(_send_all(sent)))


async def _send_all(sent: Sequence[Sent]) -> None:
    lines = {endpoint: _Line(endpoint) for endpoint in {to for to, _, _ in sent}}
    waiting = iter(sent)
    try:
        await asyncio.gather(*(_ask_in_turn(lines, waiting) for _ in range(_IN_FLIGHT)))
    finally:
        for line in lines.values():
            line.close()


async def _ask_in_turn(lines: dict[Endpoint, _Line], waiting: Iterator[Sent]) -> None:
    for endpoint, question, recursion in waiting:
        await lines[endpoint].ask(question, recursion=recursion)


class _Line:
    """One connected socket, driven by the cheapest means of the event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(endpoint)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._next = 0
        self._loop.add_reader(self._socket.fileno(), self._receive)

    async def ask(self, question: DnsQuestion, *, recursion: bool) -> None:
        self._next = (self._next + 1) & 0xFFFF
        reply = self._waiting[self._next] = self._loop.create_future()
        self._socket.send(encode_query(question, self._next, recursion=recursion))
        await reply

    def _receive(self) -> None:
        for _ in range(_IN_FLIGHT):
            try:
                datagram = self._socket.recv(4096)
            except BlockingIOError:
                return
            self._waiting.pop(int.from_bytes(datagram[:2])).set_result(None)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def peer(world: World, domains: Sequence[str], python: Path, threads: int) -> Measured:
    """checkdmarc's SPF, MX and DMARC of some domains, without its start-up time."""
    before = world.answered()
    output = subprocess.run(
        [
            *(str(python), str(Path(__file__).with_name("peer_script.py"))),
            *(RESOLVER, str(world.port), str(threads), *domains),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout
    seconds, cpu_seconds = map(float, output.split())
    return Measured(len(domains), world.answered() - before, seconds, cpu_seconds)


def peer_environment(folder: Path) -> Path:
    """The Python of a temporary environment with the peer, every file checked by hash."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--requirement", str(ROOT / "requirements-bench.txt")),
        ],
        check=True,
    )
    return python


def _measured(world: World, domains: int, work: Callable[[], object]) -> Measured:
    before, began, busy = world.answered(), time.perf_counter(), time.process_time()
    work()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - busy
    return Measured(domains, world.answered() - before, seconds, cpu_seconds)
