"""The DNS queries of a batch: each is sent once for all waiters, with a limit on those in flight.

An ordinary query needs no asyncio task. The pool sends it, decodes the reply when the datagram
arrives and notifies the waiters. Only the exceptions continue as a coroutine: timeout, truncation,
an alias to another zone, a server that rejects EDNS.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from checks.engine.dns.answers import DecodedReply, ReplyEnding
from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import Answer, LookupFailure, Referral
from checks.engine.dns.network import Endpoint
from checks.engine.dns.transport import exchange, is_final
from checks.engine.dns.udp_sockets import ReceivedReply, UdpSockets
from checks.engine.dns.wire import DnsQuestion

_T = TypeVar("_T")
NO_SERVER = LookupFailure("unreachable", "no name server is configured")
ReplyReader = Callable[[DnsMessage, str, str], DecodedReply | LookupFailure]
AliasFollower = Callable[[DecodedReply], Coroutine[Any, Any, Answer]]


class SharedResult(Generic[_T]):
    """The result of one query, or its waiters. It outlives a waiter that is cancelled."""

    __slots__ = ("error", "is_done", "value", "waiters")

    value: _T

    def __init__(self) -> None:
        self.is_done = False
        self.error: BaseException | None = None
        self.waiters: list[Callable[[], None]] = []

    def set_result(self, value: _T) -> None:
        self.value = value
        self._notify()

    def set_exception(self, error: BaseException) -> None:
        self.error = error
        self._notify()

    def _notify(self) -> None:
        # Detached first: a waiter may add another waiter while it is notified.
        self.is_done = True
        waiters, self.waiters = self.waiters, []
        for notify in waiters:
            notify()

    def result(self) -> _T:
        if self.error is not None:
            raise self.error
        return self.value

    async def wait(self) -> _T:
        if not self.is_done:
            await _wait_for([self])
        return self.result()


async def wait_for_all(shared: Sequence[SharedResult[_T]]) -> list[_T]:
    """Wait for all results with one future, without a task for each."""
    pending = [each for each in shared if not each.is_done]
    if pending:
        await _wait_for(pending)
    return [each.result() for each in shared]


async def _wait_for(pending: Sequence[SharedResult[Any]]) -> None:
    # A future of its own for each waiter: its cancellation must not cancel the shared query.
    all_done = asyncio.get_running_loop().create_future()
    left = len(pending)

    def notify() -> None:
        nonlocal left
        left -= 1
        if not left and not all_done.done():
            all_done.set_result(None)

    for each in pending:
        each.waiters.append(notify)
    await all_done


class QueryLimiter:
    """Limits the number of concurrent exchanges; the others wait in order."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiters: deque[Callable[[], None]] = deque()
        self._is_waking = False

    def acquire(self, start: Callable[[], None]) -> None:
        """Call `start` when a slot is free, perhaps immediately. Release each slot once."""
        # With waiters in the queue a free slot is theirs, or a newcomer would overtake them.
        if self._free and not self._waiters:
            self._free -= 1
            start()
            return
        self._waiters.append(start)
        self._wake_next()

    def release(self) -> None:
        self._free += 1
        if self._waiters:
            self._wake_next()

    def _wake_next(self) -> None:
        # A send that fails immediately releases its slot inside `start`. The loop prevents a
        # recursion of thousands of levels.
        if self._is_waking:
            return
        self._is_waking = True
        try:
            while self._free and self._waiters:
                self._free -= 1
                self._waiters.popleft()()
        finally:
            self._is_waking = False

    async def __aenter__(self) -> None:
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acquire(lambda: self.release() if slot.cancelled() else slot.set_result(None))
        try:
            await slot
        except asyncio.CancelledError:
            # The slot was assigned in the same loop iteration as the cancellation: return it.
            if slot.done() and not slot.cancelled():
                self.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.release()


@dataclass(slots=True)
class ServerQuery:
    """One question, the servers to query one after another, and the reader of their replies."""

    question: DnsQuestion
    servers: Sequence[Endpoint]
    name: str
    rtype: str
    recursion: bool
    read_reply: ReplyReader
    # The same question in lower case, to repeat one in mixed case that has no records.
    plain: DnsQuestion | None = None
    # Resolves a reply that ends in an alias; without it, the reply is final.
    follow_alias: AliasFollower | None = None
    # One answer with records shows for all questions with this key that a server ignores case.
    case_key: Hashable = ""


class QueryPool:
    """The queries of one batch. Belongs to one event loop."""

    def __init__(self, timeouts_seconds: Sequence[float], *, max_in_flight: int) -> None:
        self._timeouts_seconds = timeouts_seconds
        self._limiter = QueryLimiter(max_in_flight)
        self._shared: dict[Hashable, SharedResult[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sockets: UdpSockets | None = None
        # The servers that have answered a question in mixed case with records, with its case key.
        self._ignoring_case: set[tuple[Endpoint, Hashable]] = set()

    @property
    def limiter(self) -> QueryLimiter:
        """The limit on queries in flight, for queries outside the pool."""
        return self._limiter

    @property
    def _udp_sockets(self) -> UdpSockets:
        if self._sockets is None:
            self._sockets = UdpSockets()
        return self._sockets

    def get(self, key: Hashable) -> SharedResult[Any] | None:
        """Return the shared result of an earlier equal query, complete or not."""
        return self._shared.get(key)

    def run_once(
        self, key: Hashable, start: Callable[[], Coroutine[Any, Any, _T]]
    ) -> SharedResult[_T]:
        """Return the shared result of the coroutine of `start`, which runs once for each key."""
        known = self._shared.get(key)
        if known is None:
            known = self._shared[key] = SharedResult()
            self._run(known, start())
        return known

    def set_known(self, key: Hashable, value: _T) -> SharedResult[_T]:
        """Store a result that needs no query."""
        shared: SharedResult[_T] = SharedResult()
        self._shared[key] = shared
        shared.set_result(value)
        return shared

    def submit(self, key: Hashable, server_query: ServerQuery) -> SharedResult[Answer]:
        """Query the first server; continue as a coroutine when its reply is not final."""
        # Not `SharedResult[Answer]()`, which takes four times as long.
        shared: SharedResult[Answer] = SharedResult()
        self._shared[key] = shared
        seconds = self._timeouts_seconds[0]

        def send() -> None:
            self._udp_sockets.send(
                server_query.question,
                server_query.servers[0],
                recursion=server_query.recursion,
                edns=True,
                timeout_seconds=seconds,
                on_reply=on_reply,
            )

        def on_reply(received: ReceivedReply) -> None:
            # Released before anything else: the continuation needs a slot of its own.
            self._limiter.release()
            # `type() is` and not isinstance: this line runs for every reply of a batch.
            if type(received) is DnsMessage and is_final(received):
                reply = server_query.read_reply(received, server_query.name, server_query.rtype)
                if type(reply) is DecodedReply and self._is_complete(server_query, reply):
                    shared.set_result(reply.as_answer())
                    return
            self._run(shared, self._continue(server_query, received))

        self._limiter.acquire(send)
        return shared

    def _is_complete(self, server_query: ServerQuery, reply: DecodedReply) -> bool:
        """Return whether the reply needs no further query: no alias, no other spelling."""
        if reply.end is ReplyEnding.UNRESOLVED_ALIAS and server_query.follow_alias is not None:
            return False
        return server_query.plain is None or self._ignores_case(server_query, reply)

    def _ignores_case(self, server_query: ServerQuery, reply: DecodedReply | None) -> bool:
        """Return whether the server has answered mixed case with records, now or earlier."""
        known = (server_query.servers[0], server_query.case_key)
        if reply is not None and (reply.records or reply.chain):
            self._ignoring_case.add(known)
        return known in self._ignoring_case

    async def _in_lower_case(
        self, server_query: ServerQuery, reply: DecodedReply | LookupFailure
    ) -> DecodedReply | LookupFailure:
        """Repeat a question whose mixed case has no answer. Return the answer with records."""
        decoded = reply if isinstance(reply, DecodedReply) else None
        if isinstance(reply, Referral) or self._ignores_case(server_query, decoded):
            return reply
        # A silent server has not answered in lower case either.
        if isinstance(reply, LookupFailure) and reply.reason == "timeout":
            return reply
        assert server_query.plain is not None
        again = await self.query_servers(
            replace(server_query, question=server_query.plain, plain=None)
        )
        if isinstance(again, DecodedReply) and again.records:
            return replace(again, is_case_sensitive=True)
        return again if isinstance(reply, LookupFailure) else reply

    async def _continue(self, server_query: ServerQuery, first_reply: ReceivedReply) -> Answer:
        reply = await self.query_servers(server_query, first_reply)
        if server_query.plain is not None:
            reply = await self._in_lower_case(server_query, reply)
        if isinstance(reply, LookupFailure):
            return reply
        return (
            reply.as_answer()
            if server_query.follow_alias is None
            else await server_query.follow_alias(reply)
        )

    async def query_servers(
        self, server_query: ServerQuery, first_reply: ReceivedReply | None = None
    ) -> DecodedReply | LookupFailure:
        """Query the servers one after another. Only a timeout leads to another, longer attempt.

        `first_reply` is the reply that the first server has already sent.
        """
        failure = NO_SERVER
        pending = list(server_query.servers)
        question = server_query.question
        for timeout_seconds in self._timeouts_seconds:
            timed_out = []
            for endpoint in pending:
                async with self._limiter:
                    message = await exchange(
                        self._udp_sockets,
                        question,
                        endpoint,
                        recursion=server_query.recursion,
                        timeout_seconds=timeout_seconds,
                        first_reply=first_reply,
                    )
                first_reply = None
                reply = (
                    message
                    if isinstance(message, LookupFailure)
                    else server_query.read_reply(message, server_query.name, server_query.rtype)
                )
                if isinstance(reply, DecodedReply):
                    return reply
                failure = reply
                # The detail too: a truncated reply whose TCP repeat timed out.
                if "timeout" in (reply.reason, reply.detail):
                    timed_out.append(endpoint)
            pending = timed_out
            # Some firewalls drop mixed case, so the later attempts are in lower case.
            question = server_query.plain or question
        return failure

    def _run(self, shared: SharedResult[_T], coroutine: Coroutine[Any, Any, _T]) -> None:
        def done(task: asyncio.Task[_T]) -> None:
            self._tasks.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                shared.set_result(task.result())
            else:
                shared.set_exception(error)

        task = asyncio.create_task(coroutine)
        # The event loop has only weak references to tasks, so the pool needs a strong one.
        self._tasks.add(task)
        task.add_done_callback(done)

    async def close(self) -> None:
        """Cancel the queries that are still in flight and close the sockets."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sockets is not None:
            self._sockets.close()
