"""The shared cache in Redis, and a cache of each process while Redis does not answer.

The cache counts requests for the rate limits. While Redis is down, each process counts for itself:
the pages work, and a limit is at most as many times higher as there are processes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Redis is tried again after this time, so that a request does not wait for each operation.
RETRY_AFTER_SECONDS = 5.0
# The beginnings of the keys of all limits: Gangway's own, the library's, and single sign-on.
COUNTS = ("throttle:", "allauth", "logout-token:")
# About 300 bytes each.
MOST_COUNTS = 50_000


class ProcessCache(LocMemCache):
    """The cache of one process. Counts have a store of their own.

    Pages store rows and figures in any number. In one store they would evict the counts, so that
    requests for lists would reset the limits of sign-in.
    """

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(name, params)
        options = params.get("OPTIONS", {}) | {"MAX_ENTRIES": MOST_COUNTS}
        self._counts = LocMemCache(f"{name}-counts", params | {"OPTIONS": options})

    def _of(self, name: str, key: str, *args: Any, **options: Any) -> Any:
        store = self._counts if key.startswith(COUNTS) else super()
        return getattr(store, name)(key, *args, **options)

    def clear(self) -> None:
        super().clear()
        self._counts.clear()


def _by_key(name: str) -> Callable[..., Any]:
    def operation(self: ProcessCache, key: str, *args: Any, **options: Any) -> Any:
        return self._of(name, key, *args, **options)

    operation.__name__ = name
    return operation


# The operations on many keys call these.
for _name in ("add", "get", "set", "touch", "delete", "has_key", "incr"):
    setattr(ProcessCache, _name, _by_key(_name))


class FallbackRedisCache(RedisCache):
    """RedisCache whose operations never raise a RedisError."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._local = ProcessCache("fallback", params)
        self._down_until = 0.0

    def _either(self, name: str, *args: Any, **options: Any) -> Any:
        if time.monotonic() >= self._down_until:
            try:
                return getattr(super(), name)(*args, **options)
            except (RedisError, OSError) as error:
                self._down_until = time.monotonic() + RETRY_AFTER_SECONDS
                logger.warning("Redis does not answer; this process counts alone: %s", error)
        if name == "incr":
            _count_event()
        return getattr(self._local, name)(*args, **options)


def _count_event() -> None:
    # The cache is created before the models can be imported.
    from tenants import event_counts  # noqa: PLC0415

    event_counts.count(event_counts.Event.RATE_LIMIT_IN_PROCESS)


def _with_fallback(name: str) -> Callable[..., Any]:
    def operation(self: FallbackRedisCache, *args: Any, **options: Any) -> Any:
        return self._either(name, *args, **options)

    operation.__name__ = name
    return operation


for _name in (
    "add",
    "get",
    "set",
    "touch",
    "delete",
    "get_many",
    "has_key",
    "incr",
    "set_many",
    "delete_many",
    "clear",
):
    setattr(FallbackRedisCache, _name, _with_fallback(_name))
