"""Shared queries: waiters, cancelled waiters, and the limit of queries in flight."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine.dns.query_pool import QueryLimiter, SharedResult, wait_for_all


def test_waiters_share_result_despite_cancel() -> None:
    async def run() -> tuple[str, list[str], bool]:
        shared, other = SharedResult[str](), SharedResult[str]()
        patient = asyncio.create_task(shared.wait())
        both = asyncio.create_task(wait_for_all([other, shared]))
        hurried = asyncio.create_task(shared.wait())
        await asyncio.sleep(0)
        hurried.cancel()
        shared.set_result("answered")
        other.set_result("first")
        return await patient, await both, hurried.cancelled() or hurried.cancelling() > 0

    assert asyncio.run(run()) == ("answered", ["first", "answered"], True)


def test_exception_reaches_all_waiters() -> None:
    async def run() -> list[object]:
        shared = SharedResult[str]()
        waiters = [asyncio.create_task(shared.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        shared.set_exception(ValueError("ours"))
        return [str(error) for error in await asyncio.gather(*waiters, return_exceptions=True)]

    assert asyncio.run(run()) == ["ours", "ours"]


def test_limiter_is_ordered_and_bounded() -> None:
    limiter, started = QueryLimiter(2), list[int]()

    for number in range(4):
        limiter.acquire(lambda number=number: started.append(number))  # type: ignore[misc]

    assert started == [0, 1]
    limiter.release()
    assert started == [0, 1, 2]


def test_limiter_does_not_recurse() -> None:
    limiter, started = QueryLimiter(1), list[int]()

    def fail_at_once() -> None:
        started.append(len(started))
        limiter.release()

    for _ in range(3):
        limiter.acquire(lambda: started.append(-1))
        for _ in range(5000):
            limiter.acquire(fail_at_once)
        limiter.release()

    assert len(started) == 15_003


@pytest.mark.parametrize("cancelled_when", ["in line", "as its turn comes"])
def test_limiter_cancelled_slot_is_reused(cancelled_when: str) -> None:
    async def run() -> str:
        limiter = QueryLimiter(1)

        async def one() -> str:
            async with limiter:
                return "had a turn"

        limiter.acquire(lambda: None)
        hurried = asyncio.create_task(one())
        await asyncio.sleep(0)
        if cancelled_when == "as its turn comes":
            limiter.release()
            hurried.cancel()
        else:
            hurried.cancel()
            await asyncio.sleep(0)
            limiter.release()
        return await asyncio.wait_for(one(), 1)

    assert asyncio.run(run()) == "had a turn"
