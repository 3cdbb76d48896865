"""Shared questions: who waits, who gives up, and how many are on the wire."""

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
        shared.set_result("said")
        other.set_result("first")
        return await patient, await both, hurried.cancelled() or hurried.cancelling() > 0

    assert asyncio.run(run()) == ("said", ["first", "said"], True)


def test_exception_reaches_all_waiters() -> None:
    async def run() -> list[object]:
        shared = SharedResult[str]()
        waiters = [asyncio.create_task(shared.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        shared.set_exception(ValueError("ours"))
        return [str(error) for error in await asyncio.gather(*waiters, return_exceptions=True)]

    assert asyncio.run(run()) == ["ours", "ours"]


def test_limiter_is_ordered_and_bounded() -> None:
    turns, taken = QueryLimiter(2), list[int]()

    for number in range(4):
        turns.acquire(lambda number=number: taken.append(number))  # type: ignore[misc]

    assert taken == [0, 1]
    turns.release()
    assert taken == [0, 1, 2]


def test_limiter_does_not_recurse() -> None:
    turns, taken = QueryLimiter(1), list[int]()

    def fail_at_once() -> None:
        taken.append(len(taken))
        turns.release()

    for _ in range(3):
        turns.acquire(lambda: taken.append(-1))
        for _ in range(5000):
            turns.acquire(fail_at_once)
        turns.release()

    assert len(taken) == 15_003


@pytest.mark.parametrize("moment", ["in line", "as its turn comes"])
def test_limiter_cancelled_slot_is_reused(moment: str) -> None:
    async def run() -> str:
        turns = QueryLimiter(1)

        async def one() -> str:
            async with turns:
                return "had a turn"

        turns.acquire(lambda: None)
        hurried = asyncio.create_task(one())
        await asyncio.sleep(0)
        if moment == "as its turn comes":
            turns.release()
            hurried.cancel()
        else:
            hurried.cancel()
            await asyncio.sleep(0)
            turns.release()
        return await asyncio.wait_for(one(), 1)

    assert asyncio.run(run()) == "had a turn"
