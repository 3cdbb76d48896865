"""The streams of the hub: new revisions, waiting messages, limits, other origins."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from config.live.application import _cross_origin_headers
from config.live.gateway import Gateway
from config.live.hub import Hub
from config.live.stream import BEAT, END, Stream
from tenants.streams import StreamResponse, Subscription
from tests.clock import Clock


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def _add(hub: Hub, revision: str, **parts: Any) -> Stream:
    subscription = Subscription(**{"owner": "user:1", "tenant_id": 1, **parts})
    number = int(revision.partition(".")[0])
    return hub.add(StreamResponse(subscription, revision, plan_revision=number), {})


async def _waiting(stream: Stream) -> bytes:
    """The message that waits, or nothing."""
    try:
        return await asyncio.wait_for(stream.next_message(), 0.01)
    except TimeoutError:
        return b""


def test_only_streams_of_the_tenant_change() -> None:
    async def run() -> None:
        hub = Hub(Gateway())
        own, other = _add(hub, "3"), _add(hub, "3", tenant_id=2)

        hub.receive([(1, 4)], is_complete=False)

        assert await _waiting(own) == b"id: 4\ndata: 4\n\n"
        assert await _waiting(other) == b""

    _run(run())


def test_older_revision_is_ignored() -> None:
    async def run() -> None:
        hub = Hub(Gateway())
        stream = _add(hub, "3")
        hub.receive([(1, 5)], is_complete=False)
        await _waiting(stream)

        hub.receive([(1, 4)], is_complete=True)

        assert await _waiting(stream) == b""

    _run(run())


def test_change_before_the_stream_opens() -> None:
    """The view read revision 3, and the notification of 4 arrived before the stream was added."""

    async def run() -> None:
        hub = Hub(Gateway())
        _add(hub, "3")
        hub.receive([(1, 4)], is_complete=False)

        late = _add(hub, "3")

        assert await _waiting(late) == b"id: 4\ndata: 4\n\n"

    _run(run())


def test_timed_revision_has_its_slot(fixed_monday: Clock) -> None:
    async def run() -> None:
        hub = Hub(Gateway())
        slot = int(fixed_monday.now.timestamp()) // 15
        stream = _add(hub, f"3.{slot}", refresh_seconds=15)

        hub.receive([(1, 4)], is_complete=True)

        assert await _waiting(stream) == f"id: 4.{slot}\ndata: 4.{slot}\n\n".encode()

    _run(run())


def test_any_tenant_changes_lists() -> None:
    async def run() -> None:
        hub = Hub(Gateway())
        computed = _add(hub, "3", tenant_id=None, recompute_seconds=10)

        hub.receive([(7, 1)], is_complete=False)

        assert computed.is_stale
        assert await _waiting(computed) == b""

    _run(run())


def test_only_newest_message_waits() -> None:
    async def run() -> None:
        stream = Stream(Subscription("user:1", 1), {}, "3")
        for number in range(4, 1000):
            stream.offer(str(number))
        stream.beat()

        assert await _waiting(stream) == b"id: 999\ndata: 999\n\n"
        stream.beat()
        assert await _waiting(stream) == BEAT
        stream.end()
        assert await _waiting(stream) == END

    _run(run())


def test_last_event_id_suppresses_revision() -> None:
    async def run() -> None:
        stream = Stream(Subscription("user:1", 1), {}, "3")

        assert stream.first_message("2").endswith(b"id: 3\ndata: 3\n\n")
        assert b"data" not in stream.first_message("3")

    _run(run())


def test_limits_count_open_streams(settings: Any) -> None:
    settings.LIVE_MAX_STREAMS, settings.LIVE_MAX_STREAMS_PER_PERSON = 3, 1

    async def run() -> None:
        hub = Hub(Gateway())
        first = _add(hub, "3")

        assert hub.has_capacity(1)
        assert not hub.has_capacity(2)
        assert not hub.has_capacity_for(first.subscription)
        hub.remove(first)
        assert hub.has_capacity_for(first.subscription)
        assert hub.tenants == []

    _run(run())


@pytest.mark.parametrize(
    ("port", "origin", "allowed"),
    [
        (8001, b"http://localhost:8000", True),
        (8001, b"http://localhost.attacker.test:8000", False),
        (8001, b"null", False),
        (0, b"http://localhost:8000", False),
    ],
)
def test_other_origin(settings: Any, port: int, origin: bytes, allowed: bool) -> None:
    settings.LIVE_PORT = port

    headers = dict(_cross_origin_headers({b"origin": origin, b"host": b"localhost:8001"}))

    assert (headers.get(b"access-control-allow-origin") == origin) is allowed
