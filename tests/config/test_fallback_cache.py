"""Rate limits count on while Redis does not answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisConnectionError

from config import fallback_cache
from config.fallback_cache import FallbackRedisCache
from tests.config.product import free_port


@pytest.fixture
def cache() -> FallbackRedisCache:
    """No server listens at its address."""
    made = FallbackRedisCache(f"redis://127.0.0.1:{free_port()}/0", {})
    made.clear()
    return made


def test_process_counts_while_redis_is_down(
    cache: FallbackRedisCache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert cache.add("count", 0, timeout=60)
        assert not cache.add("count", 0, timeout=60)
        assert [cache.incr("count") for _ in range(3)] == [1, 2, 3]

    assert cache.get("count") == 3
    assert cache.get_many(["count"]) == {"count": 3}
    # Redis is not asked again for each operation.
    assert len(caplog.records) <= 1


def test_redis_is_asked_again_later(
    cache: FallbackRedisCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def get(self: RedisCache, key: str, *_: Any, **__: Any) -> str:
        asked.append(key)
        if len(asked) == 1:
            raise RedisConnectionError("refused")
        return "from Redis"

    monkeypatch.setattr(RedisCache, "get", get)
    cache._down_until = 0.0

    first, second = cache.get("a", "default"), cache.get("a", "default")
    cache._down_until -= fallback_cache.RETRY_AFTER_SECONDS

    assert (first, second, cache.get("a")) == ("default", "default", "from Redis")
    assert asked == ["a", "a"]
