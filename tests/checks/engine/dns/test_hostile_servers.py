"""Name servers that dribble, flood and lie: UNKNOWN in time, and never FAIL or PASS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import dns.flags
import dns.message
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Network
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import LOOPBACK, nameserver, network_of
from tests.checks.engine.outcomes import codes

ZONE = """
test          NS  ns1.dns.test
example.test  NS  ns1.dns.test
ns1.dns.test  A   127.0.0.2
"""
TIMEOUTS_SECONDS, BUDGET_SECONDS = (0.15, 0.15), 3.0
MEMORY_BYTES = 6 * 2**20

Reply = Callable[[bytes], bytes]


def answer(query: bytes) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query))
    message.flags |= dns.flags.AA
    return message.to_wire()


def truncated(query: bytes) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query))
    message.flags |= dns.flags.AA | dns.flags.TC
    return message.to_wire()


class HostileServer(threading.Thread):
    """UDP and TCP on one port, in a thread of its own: a flood must not slow the client's loop."""

    def __init__(self, port: int, udp: Udp, tcp: Tcp) -> None:
        super().__init__(daemon=True)
        self.udp_socket = socket.socket(type=socket.SOCK_DGRAM)
        self.udp_socket.bind(("127.0.0.2", port))
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.2", port))
        self.listener.listen()
        self.udp, self.tcp = udp, tcp
        self.ended = threading.Event()

    def run(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()
        self.udp_socket.settimeout(0.05)
        while not self.ended.is_set():
            with contextlib.suppress(OSError):
                query, source = self.udp_socket.recvfrom(4096)
                for datagram in self.udp(query):
                    if self.ended.is_set():
                        return
                    self.udp_socket.sendto(datagram, source)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            query = connection.recv(4096)[2:]
            for part in self.tcp(query):
                if self.ended.is_set():
                    return
                connection.sendall(part)

    def close(self) -> None:
        self.ended.set()
        self.udp_socket.close()
        self.listener.close()


Udp = Callable[[bytes], Iterator[bytes]]
Tcp = Callable[[bytes], Iterator[bytes]]


def once(reply: Reply) -> Udp:
    return lambda query: iter([reply(query)])


def flood(reply: Reply) -> Udp:
    """Send replies for twice the timeout of an attempt."""

    def send(query: bytes) -> Iterator[bytes]:
        ends_at = time.monotonic() + 2 * TIMEOUTS_SECONDS[0]
        while time.monotonic() < ends_at:
            yield reply(query)

    return send


def dribble(content: Reply) -> Tcp:
    def send(query: bytes) -> Iterator[bytes]:
        for byte in content(query):
            time.sleep(0.02)
            yield bytes((byte,))

    return send


def framed(query: bytes) -> bytes:
    reply = answer(query)
    return len(reply).to_bytes(2) + reply


def too_short(query: bytes) -> Iterator[bytes]:
    """Announce more bytes than follow, then wait."""
    yield b"\xff\xff" + answer(query)
    time.sleep(1)


def cut_off(query: bytes) -> Iterator[bytes]:
    yield b"\xff\xff" + answer(query)


def endless(query: bytes) -> Iterator[bytes]:
    yield b"\xff\xff" + query[:2]
    while True:
        yield b"\0" * 65_536


def silent_tcp(query: bytes) -> Iterator[bytes]:
    yield from ()
    time.sleep(1)


def other_id(query: bytes) -> bytes:
    return os.urandom(2) + answer(query)[2:]


def other_question(query: bytes) -> bytes:
    """The right id and another name, which only the slower decoder can reject."""
    other = dns.message.make_query("other.test", "MX")
    return query[:2] + dns.message.make_response(other).to_wire()[2:]


def noise(query: bytes) -> bytes:
    return query[:2] + os.urandom(4000)


def oversized(query: bytes) -> bytes:
    return answer(query) + b"\0" * 60_000


def none(query: bytes) -> Iterator[bytes]:
    yield from ()


# During its flood the server answers no other query, so that it is silent as well.
SILENT, TRUNCATES = {"dns.server-silent"}, {"dns.server-truncates"}
ROWS: dict[str, tuple[Udp, Tcp, set[str]]] = {
    "tcp one byte at a time": (once(truncated), dribble(framed), TRUNCATES),
    "tcp length one byte at a time": (
        once(truncated),
        dribble(lambda _: b"\xff" * 99),
        TRUNCATES,
    ),
    "tcp length above the data": (once(truncated), too_short, TRUNCATES),
    "tcp cut off": (once(truncated), cut_off, TRUNCATES),
    "tcp without end": (once(truncated), endless, {"dns.server-malformed"}),
    "tcp silent": (once(truncated), silent_tcp, TRUNCATES),
    "udp flood of other ids": (flood(other_id), none, SILENT),
    "udp flood of other questions": (flood(other_question), none, SILENT),
    "udp flood of noise": (flood(noise), none, SILENT | {"dns.server-malformed"}),
    "udp flood of large answers": (flood(oversized), none, SILENT | {"dns.server-oversized"}),
    "udp flood of truncated answers": (flood(truncated), none, SILENT | TRUNCATES),
}


@contextlib.contextmanager
def hostile_server(port: int, udp: Udp, tcp: Tcp) -> Iterator[None]:
    server = HostileServer(port, udp, tcp)
    server.start()
    try:
        yield
    finally:
        server.close()
        server.join(2)


def run_check(udp: Udp, tcp: Tcp) -> Outcome:
    async def run() -> Outcome:
        async with nameserver(ZONE) as dns_server:
            network: Network = replace(
                network_of(dns_server, authoritative_port=dns_server.port),
                timeouts_seconds=TIMEOUTS_SECONDS,
                allowed_networks=(LOOPBACK,),
            )
            with hostile_server(dns_server.port, udp, tcp):
                (outcome,) = await run_all(
                    [CheckRequest(CheckKind.MX_TTL, domain="example.test")],
                    network=network,
                    budget_seconds=BUDGET_SECONDS,
                    concurrency=1,
                )
            # The loop closes the sockets of TCP connections in its next iterations.
            await asyncio.sleep(0.05)
            return outcome

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_hostile_server_is_unknown_in_time(row: str) -> None:
    udp, tcp, expected = ROWS[row]
    tracemalloc.start()
    began = time.monotonic()
    try:
        outcome = run_check(udp, tcp)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert outcome.verdict is Verdict.UNKNOWN
    assert set(codes(outcome)) & expected
    assert not outcome.unanimous
    assert time.monotonic() - began < BUDGET_SECONDS
    assert peak < MEMORY_BYTES
