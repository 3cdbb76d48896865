"""One stream: the revision that its page has, and the message that is sent next."""

from __future__ import annotations

import asyncio
import random

from config.live.gateway import Scope
from tenants.streams import Subscription

BEAT = b"event: beat\ndata:\n\n"
END = b"event: end\ndata:\n\n"
_RETRY_MS = (1000, 5000)
_random = random.SystemRandom()


class Stream:
    """Only the newest message waits, so that the queue of a slow reader never grows."""

    __slots__ = (
        "_bell_message",
        "_message",
        "_waiter",
        "bell_revision",
        "bucket",
        "computed_at",
        "is_ended",
        "is_rerun",
        "is_stale",
        "request",
        "revision",
        "subscription",
    )

    def __init__(self, subscription: Subscription, request: Scope, revision: str) -> None:
        self.subscription, self.request, self.revision = subscription, request, revision
        self.bucket = 0
        self.computed_at = asyncio.get_running_loop().time()
        self.is_ended = self.is_stale = self.is_rerun = False
        self._message = self._bell_message = b""
        self.bell_revision = ""
        self._waiter: asyncio.Future[None] | None = None

    def first_message(self, last_event_id: str) -> bytes:
        """The time until a new connection, and the revision unless the page has it.

        Each page has another time: after a restart of the process they do not all return at once.
        """
        retry = b"retry: %d\n" % _random.randint(*_RETRY_MS)
        return retry + (b"\n" if last_event_id == self.revision else _event(self.revision))

    def offer(self, revision: str) -> None:
        """Send the revision, if it is another one."""
        if revision != self.revision:
            self.revision = revision
            self._put(_event(revision))

    def offer_bell(self, revision: str) -> None:
        """Send the revision of the person's notifications, if it is another one."""
        if revision != self.bell_revision:
            self.bell_revision = revision
            self._bell_message = f"event: bell\ndata: {revision}\n\n".encode()
            self._wake()

    def beat(self) -> None:
        """Show proxy and page that the connection works."""
        self._put(self._message or BEAT)

    def end(self) -> None:
        self.is_ended = True
        self._put(END)

    async def next_message(self) -> bytes:
        """Wait for the next message. The last one is END."""
        if not (self._message or self._bell_message):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message, self._message = self._message, b""
        if message == END:
            return END
        bell, self._bell_message = self._bell_message, b""
        return bell + message

    def _put(self, message: bytes) -> None:
        self._message = message
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _event(revision: str) -> bytes:
    return f"id: {revision}\ndata: {revision}\n\n".encode()
