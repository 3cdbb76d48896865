"""The UDP sockets of one batch: a few for each server, shared by many queries, then replaced.

These measures make a forged answer hard to place (RFC 5452 sections 4 and 9):

- A socket is connected, so the kernel drops datagrams from other addresses.
- The kernel selects a random source port, which is replaced after some time.
- Each query has a random id that no other query in flight on the socket has.
- A datagram that answers another question is ignored, and the query continues to wait.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.network import Endpoint
from checks.engine.dns.reply_validation import Truncated, read_reply
from checks.engine.dns.wire import DnsQuestion, encode_query

# Sockets for one server: another is opened while all are busy, up to this number.
_MAX_PER_SERVER = 4
_MAX_PENDING = 8
# A source port is replaced after this number of queries or seconds, whichever comes first.
_QUESTIONS_PER_PORT = 512
_SECONDS_PER_PORT = 20.0
# A batch can query thousands of servers once each: above this number, idle sockets are closed.
MAX_OPEN = 200
_MAX_BYTES = 65_535

ReceivedReply = DnsMessage | Truncated | LookupFailure


@dataclass(slots=True, eq=False)
class _PendingQuery:
    """One query in flight. `on_reply` is None once it has its reply or was dropped."""

    question: DnsQuestion
    query_id: int
    on_reply: Callable[[ReceivedReply], None] | None


@dataclass(slots=True, eq=False)
class _UdpSocket:
    """One connected socket and the queries in flight on it, by id."""

    socket: socket.socket
    endpoint: Endpoint
    retires_at: float
    questions: int = 0
    pending: dict[int, _PendingQuery] = field(default_factory=dict)

    def unused_id(self) -> int:
        """Return a random id that no query in flight on this socket has."""
        # `os.urandom`, because the ids of a predictable generator help an attacker (RFC 5452
        # section 9.2).
        while True:
            query_id = int.from_bytes(os.urandom(2))
            if query_id not in self.pending:
                return query_id


class UdpSockets:
    """The sockets of one batch. Belongs to one event loop; the owner calls `close`."""

    def __init__(self, *, max_open: int = MAX_OPEN) -> None:
        self.loop = asyncio.get_running_loop()
        self._max_open = max_open
        self._open: dict[_UdpSocket, None] = {}
        self._by_endpoint: dict[Endpoint, list[_UdpSocket]] = {}
        self._deadlines: dict[float, _Deadlines] = {}
        self._buffer = bytearray(_MAX_BYTES)

    @property
    def open_sockets(self) -> int:
        return len(self._open)

    async def query(
        self,
        question: DnsQuestion,
        endpoint: Endpoint,
        *,
        recursion: bool,
        edns: bool,
        timeout_seconds: float,
    ) -> ReceivedReply:
        """Send one query and wait for the datagram that answers it."""
        reply: asyncio.Future[ReceivedReply] = self.loop.create_future()

        def on_reply(received: ReceivedReply) -> None:
            if not reply.done():
                reply.set_result(received)

        sent = self.send(
            question,
            endpoint,
            recursion=recursion,
            edns=edns,
            timeout_seconds=timeout_seconds,
            on_reply=on_reply,
        )
        try:
            return await reply
        finally:
            # Cancelled while waiting: free the id, or the socket counts as busy until the timeout.
            if sent is not None and sent[1].on_reply is not None:
                self._drop(*sent)

    def send(
        self,
        question: DnsQuestion,
        endpoint: Endpoint,
        *,
        recursion: bool,
        edns: bool,
        timeout_seconds: float,
        on_reply: Callable[[ReceivedReply], None],
    ) -> tuple[_UdpSocket, _PendingQuery] | None:
        """Send one query. `on_reply` is called once, perhaps before this method returns."""
        try:
            udp_socket = self._socket_for(endpoint)
        except OSError as error:
            on_reply(_unreachable(error))
            return None
        # Registered before it is sent: a send that fails must find it to report the failure.
        pending = _PendingQuery(question, udp_socket.unused_id(), on_reply)
        udp_socket.pending[pending.query_id] = pending
        udp_socket.questions += 1
        self._expire(udp_socket, pending, timeout_seconds)
        self._send(
            udp_socket, encode_query(question, pending.query_id, recursion=recursion, edns=edns)
        )
        return udp_socket, pending

    def finish(self, udp_socket: _UdpSocket, pending: _PendingQuery, reply: ReceivedReply) -> None:
        on_reply = pending.on_reply
        if on_reply is not None:
            self._drop(udp_socket, pending)
            on_reply(reply)

    def _drop(self, udp_socket: _UdpSocket, pending: _PendingQuery) -> None:
        pending.on_reply = None
        udp_socket.pending.pop(pending.query_id, None)
        if not udp_socket.pending:
            self._close_if_idle(udp_socket)

    def close(self) -> None:
        for deadlines in self._deadlines.values():
            deadlines.stop()
        for udp_socket in list(self._open):
            self._close(udp_socket)

    def _socket_for(self, endpoint: Endpoint) -> _UdpSocket:
        now = self.loop.time()
        udp_sockets = self._by_endpoint.get(endpoint)
        if udp_sockets is None:
            return self._open_socket(endpoint, now)
        fresh = [c for c in udp_sockets if c.questions < _QUESTIONS_PER_PORT and now < c.retires_at]
        if len(fresh) < len(udp_sockets):
            self._by_endpoint[endpoint] = fresh
            for retired in [c for c in udp_sockets if c not in fresh and not c.pending]:
                self._close(retired)
        ready = [udp_socket for udp_socket in fresh if len(udp_socket.pending) < _MAX_PENDING]
        # A random socket, so that the source port of the next query cannot be predicted.
        if ready:
            return random.choice(ready)
        return (
            random.choice(fresh)
            if len(fresh) >= _MAX_PER_SERVER
            else self._open_socket(endpoint, now)
        )

    def _open_socket(self, endpoint: Endpoint, now: float) -> _UdpSocket:
        if len(self._open) >= self._max_open:
            for idle in [udp_socket for udp_socket in self._open if not udp_socket.pending]:
                self._close(idle)
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(endpoint)
        except OSError:
            opened.close()
            raise
        udp_socket = _UdpSocket(opened, endpoint, now + _SECONDS_PER_PORT)
        self.loop.add_reader(opened.fileno(), self._receive, udp_socket)
        self._open[udp_socket] = None
        self._by_endpoint.setdefault(endpoint, []).append(udp_socket)
        return udp_socket

    def _close_if_idle(self, udp_socket: _UdpSocket) -> None:
        """Close an idle socket when its port is retired or too many sockets are open."""
        is_retired = udp_socket not in self._by_endpoint.get(udp_socket.endpoint, ())
        if is_retired or len(self._open) > self._max_open:
            self._close(udp_socket)

    def _close(self, udp_socket: _UdpSocket) -> None:
        if udp_socket not in self._open:
            return
        del self._open[udp_socket]
        remaining = [
            c for c in self._by_endpoint.get(udp_socket.endpoint, ()) if c is not udp_socket
        ]
        if remaining:
            self._by_endpoint[udp_socket.endpoint] = remaining
        else:
            self._by_endpoint.pop(udp_socket.endpoint, None)
        self.loop.remove_reader(udp_socket.socket.fileno())
        udp_socket.socket.close()

    def _send(self, udp_socket: _UdpSocket, datagram: bytes) -> None:
        try:
            udp_socket.socket.send(datagram)
        except BlockingIOError:
            # The send buffer is full. The query counts as a lost datagram and is repeated later.
            return
        except OSError as error:
            self._fail(udp_socket, error)

    def _receive(self, udp_socket: _UdpSocket) -> None:
        """Read a few datagrams at most, so that no server can monopolise the event loop."""
        buffer = self._buffer
        for _ in range(_MAX_PENDING):
            try:
                length = udp_socket.socket.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(udp_socket, error)
                return
            self._read_datagram(udp_socket, bytes(memoryview(buffer)[:length]))
            # The reply may have closed this socket, and its descriptor may be another one's now.
            if udp_socket not in self._open:
                return

    def _read_datagram(self, udp_socket: _UdpSocket, datagram: bytes) -> None:
        pending = udp_socket.pending.get(int.from_bytes(datagram[:2]))
        if pending is None:
            return
        reply = read_reply(pending.question, pending.query_id, datagram)
        if reply is not None:
            self.finish(udp_socket, pending, reply)

    def _fail(self, udp_socket: _UdpSocket, error: OSError) -> None:
        """Report an ICMP error, such as a closed port: it concerns every query on the socket."""
        for pending in list(udp_socket.pending.values()):
            self.finish(udp_socket, pending, _unreachable(error))

    def _expire(
        self, udp_socket: _UdpSocket, pending: _PendingQuery, timeout_seconds: float
    ) -> None:
        deadlines = self._deadlines.get(timeout_seconds)
        if deadlines is None:
            deadlines = self._deadlines[timeout_seconds] = _Deadlines(self, timeout_seconds)
        deadlines.add(udp_socket, pending)


def _unreachable(error: OSError) -> LookupFailure:
    return LookupFailure("unreachable", type(error).__name__)


class _Deadlines:
    """One timer for all queries with the same timeout, which expire in the order of their start."""

    def __init__(self, udp_sockets: UdpSockets, seconds: float) -> None:
        self._sockets = udp_sockets
        self._loop = udp_sockets.loop
        self._seconds = seconds
        self._queue: deque[tuple[float, _UdpSocket, _PendingQuery]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, udp_socket: _UdpSocket, pending: _PendingQuery) -> None:
        expires_at = self._loop.time() + self._seconds
        self._queue.append((expires_at, udp_socket, pending))
        if self._timer is None:
            self._timer = self._loop.call_at(expires_at, self._expire_due)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()

    def _expire_due(self) -> None:
        now = self._loop.time()
        queue = self._queue
        try:
            while queue and (queue[0][2].on_reply is None or queue[0][0] <= now):
                _, udp_socket, pending = queue.popleft()
                self._sockets.finish(udp_socket, pending, LookupFailure("timeout"))
        finally:
            self._timer = self._loop.call_at(queue[0][0], self._expire_due) if queue else None
