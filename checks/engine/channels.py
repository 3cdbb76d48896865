"""The UDP sockets of one batch: a few for each server, shared by many questions, then replaced.

What makes a forged answer hard to place (RFC 5452 sections 4 and 9): a socket is connected, so that
the kernel drops datagrams from elsewhere; its source port is the kernel's random choice and is
given up after a while; each question has a random id that no other in flight on the socket has;
and a datagram that answers something else is ignored rather than believed.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from checks.engine.lookup import CouldNotTell
from checks.engine.messages import Message
from checks.engine.network import Endpoint
from checks.engine.reading import Truncated, read_reply
from checks.engine.wire import Question, query

# To one server: another socket while those it has are busy, up to so many.
_MOST_PER_SERVER = 4
_BUSY = 8
# A source port lives for so many questions or seconds, whichever ends first.
_QUESTIONS_PER_PORT = 512
_SECONDS_PER_PORT = 20.0
# Thousands of servers have a question each in a batch: idle sockets are closed above this many.
MOST_OPEN = 200
_MOST_BYTES = 65_535

Received = Message | Truncated | CouldNotTell


@dataclass(slots=True, eq=False)
class _Waiting:
    """One question in flight, until it has its reply."""

    asked: Question
    number: int
    done: Callable[[Received], None] | None


@dataclass(slots=True, eq=False)
class _Channel:
    """One connected socket and the questions in flight on it, by id."""

    socket: socket.socket
    endpoint: Endpoint
    retires_at: float
    questions: int = 0
    waiting: dict[int, _Waiting] = field(default_factory=dict)

    def unused_number(self) -> int:
        """A random id that no question in flight on this socket has."""
        while True:
            number = int.from_bytes(os.urandom(2))
            if number not in self.waiting:
                return number


class Channels:
    """Belongs to one event loop, and is closed when its batch is done."""

    def __init__(self, *, most_open: int = MOST_OPEN) -> None:
        self.loop = asyncio.get_running_loop()
        self._most_open = most_open
        self._open: dict[_Channel, None] = {}
        self._to: dict[Endpoint, list[_Channel]] = {}
        self._deadlines: dict[float, _Deadlines] = {}
        self._buffer = bytearray(_MOST_BYTES)

    @property
    def open_sockets(self) -> int:
        return len(self._open)

    async def ask(
        self,
        asked: Question,
        endpoint: Endpoint,
        *,
        recursion: bool,
        edns: bool,
        timeout_seconds: float,
    ) -> Received:
        """Send one question and wait for the datagram that answers it."""
        reply: asyncio.Future[Received] = self.loop.create_future()

        def done(received: Received) -> None:
            if not reply.done():
                reply.set_result(received)

        sent = self.send(
            asked,
            endpoint,
            recursion=recursion,
            edns=edns,
            timeout_seconds=timeout_seconds,
            done=done,
        )
        try:
            return await reply
        finally:
            if sent is not None and sent[1].done is not None:
                self._drop(*sent)

    def send(
        self,
        asked: Question,
        endpoint: Endpoint,
        *,
        recursion: bool,
        edns: bool,
        timeout_seconds: float,
        done: Callable[[Received], None],
    ) -> tuple[_Channel, _Waiting] | None:
        """Send one question. `done` hears once what came of it, perhaps before this returns."""
        try:
            channel = self._channel_to(endpoint)
        except OSError as error:
            done(_unreachable(error))
            return None
        waiting = _Waiting(asked, channel.unused_number(), done)
        channel.waiting[waiting.number] = waiting
        channel.questions += 1
        self._expire(channel, waiting, timeout_seconds)
        self._send(channel, query(asked, waiting.number, recursion=recursion, edns=edns))
        return channel, waiting

    def settle(self, channel: _Channel, waiting: _Waiting, reply: Received) -> None:
        done = waiting.done
        if done is not None:
            self._drop(channel, waiting)
            done(reply)

    def _drop(self, channel: _Channel, waiting: _Waiting) -> None:
        waiting.done = None
        channel.waiting.pop(waiting.number, None)
        if not channel.waiting:
            self._tidy(channel)

    def close(self) -> None:
        for deadlines in self._deadlines.values():
            deadlines.stop()
        for channel in list(self._open):
            self._close(channel)

    def _channel_to(self, endpoint: Endpoint) -> _Channel:
        now = self.loop.time()
        channels = self._to.get(endpoint)
        if channels is None:
            return self._opened(endpoint, now)
        fresh = [c for c in channels if c.questions < _QUESTIONS_PER_PORT and now < c.retires_at]
        if len(fresh) < len(channels):
            self._to[endpoint] = fresh
            for retired in [c for c in channels if c not in fresh and not c.waiting]:
                self._close(retired)
        ready = [channel for channel in fresh if len(channel.waiting) < _BUSY]
        if ready:
            return random.choice(ready)
        return (
            random.choice(fresh) if len(fresh) >= _MOST_PER_SERVER else self._opened(endpoint, now)
        )

    def _opened(self, endpoint: Endpoint, now: float) -> _Channel:
        if len(self._open) >= self._most_open:
            for idle in [channel for channel in self._open if not channel.waiting]:
                self._close(idle)
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(endpoint)
        except OSError:
            opened.close()
            raise
        channel = _Channel(opened, endpoint, now + _SECONDS_PER_PORT)
        self.loop.add_reader(opened.fileno(), self._receive, channel)
        self._open[channel] = None
        self._to.setdefault(endpoint, []).append(channel)
        return channel

    def _tidy(self, channel: _Channel) -> None:
        """An idle socket is closed when its port has served its time, or too many are open."""
        is_retired = channel not in self._to.get(channel.endpoint, ())
        if is_retired or len(self._open) > self._most_open:
            self._close(channel)

    def _close(self, channel: _Channel) -> None:
        if channel not in self._open:
            return
        del self._open[channel]
        remaining = [c for c in self._to.get(channel.endpoint, ()) if c is not channel]
        if remaining:
            self._to[channel.endpoint] = remaining
        else:
            self._to.pop(channel.endpoint, None)
        self.loop.remove_reader(channel.socket.fileno())
        channel.socket.close()

    def _send(self, channel: _Channel, datagram: bytes) -> None:
        try:
            channel.socket.send(datagram)
        except BlockingIOError:
            # No room to send: lost like any datagram, and asked again when its time is up.
            return
        except OSError as error:
            self._fail(channel, error)

    def _receive(self, channel: _Channel) -> None:
        """Read what has come, a few at a time, so that no server keeps the loop to itself."""
        buffer = self._buffer
        for _ in range(_BUSY):
            try:
                length = channel.socket.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(channel, error)
                return
            self._take(channel, bytes(memoryview(buffer)[:length]))
            if channel not in self._open:
                return

    def _take(self, channel: _Channel, datagram: bytes) -> None:
        waiting = channel.waiting.get(int.from_bytes(datagram[:2]))
        if waiting is None:
            return
        reply = read_reply(waiting.asked, waiting.number, datagram)
        if reply is not None:
            self.settle(channel, waiting, reply)

    def _fail(self, channel: _Channel, error: OSError) -> None:
        """The network says that nobody is there. True of every question on the socket."""
        for waiting in list(channel.waiting.values()):
            self.settle(channel, waiting, _unreachable(error))

    def _expire(self, channel: _Channel, waiting: _Waiting, timeout_seconds: float) -> None:
        deadlines = self._deadlines.get(timeout_seconds)
        if deadlines is None:
            deadlines = self._deadlines[timeout_seconds] = _Deadlines(self, timeout_seconds)
        deadlines.add(channel, waiting)


def _unreachable(error: OSError) -> CouldNotTell:
    return CouldNotTell("unreachable", type(error).__name__)


class _Deadlines:
    """Questions with the same patience run out in the order they were asked: one timer for all."""

    def __init__(self, channels: Channels, seconds: float) -> None:
        self._channels = channels
        self._loop = channels.loop
        self._seconds = seconds
        self._line: deque[tuple[float, _Channel, _Waiting]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, channel: _Channel, waiting: _Waiting) -> None:
        at = self._loop.time() + self._seconds
        self._line.append((at, channel, waiting))
        if self._timer is None:
            self._timer = self._loop.call_at(at, self._run_out)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._line.clear()

    def _run_out(self) -> None:
        now = self._loop.time()
        line = self._line
        try:
            while line and (line[0][2].done is None or line[0][0] <= now):
                _, channel, waiting = line.popleft()
                self._channels.settle(channel, waiting, CouldNotTell("timeout"))
        finally:
            self._timer = self._loop.call_at(line[0][0], self._run_out) if line else None
