"""Run calls of several people or workers at the same time, each with a connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def run_concurrently(actions: list[Callable[[], T]]) -> list[T]:
    start = Barrier(len(actions))

    def run(action: Callable[[], T]) -> T:
        start.wait()
        try:
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as threads:
        return [future.result() for future in [threads.submit(run, action) for action in actions]]
