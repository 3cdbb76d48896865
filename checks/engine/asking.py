"""Questions shared by a batch: each put once, however many wait, with a limit on the wire.

The ordinary question costs no task: it is sent, its reply is read where the datagram arrives, and
whoever waits is woken. Only what is out of the ordinary (silence, truncation, an alias that leads
on, a server that refuses EDNS) goes on as a coroutine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from checks.engine.channels import Channels, Received
from checks.engine.decoding import End, Reply
from checks.engine.lookup import Answer, CouldNotTell
from checks.engine.messages import Message
from checks.engine.network import Endpoint
from checks.engine.transport import exchange, is_final
from checks.engine.wire import Question

_T = TypeVar("_T")
NOBODY_TO_ASK = CouldNotTell("unreachable", "no name server is configured")
Read = Callable[[Message, str, str], Reply | CouldNotTell]
Finish = Callable[[Reply], Coroutine[Any, Any, Answer]]


class Shared(Generic[_T]):
    """What one question came to, or who waits for it. It outlives whoever gave up waiting."""

    __slots__ = ("error", "is_done", "value", "waiting")

    value: _T

    def __init__(self) -> None:
        self.is_done = False
        self.error: BaseException | None = None
        self.waiting: list[Callable[[], None]] = []

    def settle(self, value: _T) -> None:
        self.value = value
        self._tell()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self._tell()

    def _tell(self) -> None:
        self.is_done = True
        waiting, self.waiting = self.waiting, []
        for tell in waiting:
            tell()

    def result(self) -> _T:
        if self.error is not None:
            raise self.error
        return self.value

    async def wait(self) -> _T:
        if not self.is_done:
            await _heard([self])
        return self.result()


async def wait_for_all(shared: Sequence[Shared[_T]]) -> list[_T]:
    """All of them at once: one waiting, and no task for each."""
    pending = [each for each in shared if not each.is_done]
    if pending:
        await _heard(pending)
    return [each.result() for each in shared]


async def _heard(pending: Sequence[Shared[Any]]) -> None:
    # A future of our own: cancelling who waits must not cancel what others wait for.
    heard = asyncio.get_running_loop().create_future()
    left = len(pending)

    def tell() -> None:
        nonlocal left
        left -= 1
        if not left and not heard.done():
            heard.set_result(None)

    for each in pending:
        each.waiting.append(tell)
    await heard


class Turns:
    """So many exchanges at once; the others wait in the order they came."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._line: deque[Callable[[], None]] = deque()
        self._is_calling = False

    def take(self, go: Callable[[], None]) -> None:
        """Call `go` when it is its turn, perhaps now. Each turn is given back once."""
        if self._free and not self._line:
            self._free -= 1
            go()
            return
        self._line.append(go)
        self._call()

    def give_back(self) -> None:
        self._free += 1
        if self._line:
            self._call()

    def _call(self) -> None:
        # A send that fails at once gives its turn back from within: a loop, so that thousands of
        # them do not nest.
        if self._is_calling:
            return
        self._is_calling = True
        try:
            while self._free and self._line:
                self._free -= 1
                self._line.popleft()()
        finally:
            self._is_calling = False

    async def __aenter__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.take(lambda: self.give_back() if turn.cancelled() else turn.set_result(None))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.give_back()


@dataclass(slots=True)
class Put:
    """One question to servers in turn: how it is asked, and how what comes back is read."""

    asked: Question
    servers: Sequence[Endpoint]
    name: str
    rtype: str
    recursion: bool
    read: Read
    # What a reply that ends in an alias leads to; without it, the reply stands as it is.
    finish: Finish | None = None


class Asking:
    """The questions of one batch. Belongs to one event loop."""

    def __init__(self, timeouts_seconds: Sequence[float], *, exchanges: int) -> None:
        self._timeouts_seconds = timeouts_seconds
        self._turns = Turns(exchanges)
        self._shared: dict[Hashable, Shared[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opened: Channels | None = None

    @property
    def _channels(self) -> Channels:
        if self._opened is None:
            self._opened = Channels()
        return self._opened

    def known(self, key: Hashable) -> Shared[Any] | None:
        """The same question as was put before, answered or not."""
        return self._shared.get(key)

    def once(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, _T]]) -> Shared[_T]:
        """What the coroutine of `ask` comes to; it is run once."""
        known = self._shared.get(key)
        if known is None:
            known = self._shared[key] = Shared()
            self._run(known, ask())
        return known

    def told(self, key: Hashable, value: _T) -> Shared[_T]:
        """What is known without asking anybody."""
        shared: Shared[_T] = Shared()
        self._shared[key] = shared
        shared.settle(value)
        return shared

    def put(self, key: Hashable, put: Put) -> Shared[Answer]:
        """Ask the first server; what its reply does not settle is gone on with."""
        # Not `Shared[Answer]()`, which takes four times as long.
        shared: Shared[Answer] = Shared()
        self._shared[key] = shared
        seconds = self._timeouts_seconds[0]

        def send() -> None:
            self._channels.send(
                put.asked,
                put.servers[0],
                recursion=put.recursion,
                edns=True,
                timeout_seconds=seconds,
                done=heard,
            )

        def heard(received: Received) -> None:
            self._turns.give_back()
            if type(received) is Message and is_final(received):
                reply = put.read(received, put.name, put.rtype)
                if type(reply) is Reply and (put.finish is None or reply.end is not End.UNFINISHED):
                    shared.settle(reply.as_answer())
                    return
            self._run(shared, self._go_on(put, received))

        self._turns.take(send)
        return shared

    async def _go_on(self, put: Put, first: Received) -> Answer:
        reply = await self.reply_to(put, first)
        if isinstance(reply, CouldNotTell):
            return reply
        return reply.as_answer() if put.finish is None else await put.finish(reply)

    async def reply_to(self, put: Put, first: Received | None = None) -> Reply | CouldNotTell:
        """Ask the servers in turn; only silence is worth another, longer try.

        `first` is what the first server has said already.
        """
        failure = NOBODY_TO_ASK
        waiting = list(put.servers)
        for timeout_seconds in self._timeouts_seconds:
            silent = []
            for endpoint in waiting:
                async with self._turns:
                    message = await exchange(
                        self._channels,
                        put.asked,
                        endpoint,
                        recursion=put.recursion,
                        timeout_seconds=timeout_seconds,
                        first=first,
                    )
                first = None
                reply = (
                    message
                    if isinstance(message, CouldNotTell)
                    else put.read(message, put.name, put.rtype)
                )
                if isinstance(reply, Reply):
                    return reply
                failure = reply
                if "timeout" in (reply.reason, reply.detail):
                    silent.append(endpoint)
            waiting = silent
        return failure

    def _run(self, shared: Shared[_T], coroutine: Coroutine[Any, Any, _T]) -> None:
        def done(task: asyncio.Task[_T]) -> None:
            self._tasks.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                shared.settle(task.result())
            else:
                shared.fail(error)

        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(done)

    async def close(self) -> None:
        """Drop the questions nobody waits for any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._opened is not None:
            self._opened.close()
