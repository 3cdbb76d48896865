"""Rate limits count on while Redis does not answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.cache import cache as shared
from django.core.cache.backends.redis import RedisCache
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError

from config import fallback_cache
from config.fallback_cache import FallbackRedisCache
from tests.config.product import free_port
from tests.tenants.sign_in import request_code, sign_in


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


def test_lists_do_not_reset_counts(cache: FallbackRedisCache) -> None:
    """More rows of lists than the cache of a process contains."""
    cache.add("throttle:sign-in-code:1", 0, timeout=60)
    cache.incr("throttle:sign-in-code:1")
    cache.set("allauth:rl:account:login", [1.0], timeout=60)
    cache.set("logout-token:1", 1, timeout=60)

    for number in range(1000):
        cache.set(f"row:{number}", number)
    cache.set_many({f"row:{number}": number for number in range(1000)})

    assert cache.incr("throttle:sign-in-code:1") == 2
    assert cache.get("allauth:rl:account:login") == [1.0]
    assert cache.has_key("logout-token:1")
    cache.clear()
    assert cache.get_many(["throttle:sign-in-code:1", "row:999"]) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("is_redis_down", [True, False])
def test_sign_in_is_limited_while_lists_are_stored(settings: Any, *, is_redis_down: bool) -> None:
    """The limits of Gangway and of the sign-in library, with Redis down and without Redis."""
    backend = {"BACKEND": "config.fallback_cache.ProcessCache", "LOCATION": "limits"}
    if is_redis_down:
        backend["BACKEND"] = "config.fallback_cache.FallbackRedisCache"
        backend["LOCATION"] = f"redis://127.0.0.1:{free_port()}/0"
    settings.CACHES = {"default": backend}
    client, statuses = Client(), []

    for attempt in range(6):
        statuses.append(sign_in(client, "jo@northwind.test", "wrong").status_code)
        shared.set_many({f"row:{attempt}:{number}": number for number in range(400)})
    codes = []
    for attempt in range(11):
        codes.append(request_code(client, f"jo{attempt}@northwind.test").status_code)
        shared.set_many({f"row:{attempt}:{number}": number for number in range(400)})
    shared.clear()

    assert statuses == [200] * 5 + [429]
    assert codes == [302] * 10 + [429]


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
