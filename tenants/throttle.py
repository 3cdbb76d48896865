"""Rate limits of views. The counts are in the cache, which REDIS_URL shares between processes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from tenants.client_address import address_group

ResponseType = TypeVar("ResponseType", bound=HttpResponseBase)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# The waiting time for the library's own sign-in limits, which count by the minute.
SIGN_IN_WAIT_SECONDS = 60


def throttled(
    name: str, rate: str, *, methods: tuple[str, ...] = ("POST",)
) -> Callable[[Callable[..., ResponseType]], Callable[..., ResponseType | HttpResponse]]:
    """Answer 429 with Retry-After when a user, or a client address, exceeds `rate`.

    `rate` is an amount for each second, minute, hour or day, such as "20/h". Views with the same
    `name` share one count.
    """
    amount, seconds = _parse(rate)

    def decorate(view: Callable[..., ResponseType]) -> Callable[..., ResponseType | HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> ResponseType | HttpResponse:
            # The count has the first attempt of a request that a conflict repeats.
            if request.method in methods and "is_repeated" not in request.__dict__:
                window, gone = divmod(timezone.now().timestamp(), seconds)
                if _count(name, request, window, seconds) > amount:
                    return too_many_requests(request, math.ceil(seconds - gone))
            return view(request, *args, **kwargs)

        # For the test that compares the documented limits with the URLs.
        guarded.__dict__["rate_limit"] = (name, rate, methods)
        return guarded

    return decorate


def too_many_requests(request: HttpRequest, seconds: int = SIGN_IN_WAIT_SECONDS) -> HttpResponse:
    """The 429 page, which shows the waiting time."""
    minutes = math.ceil(seconds / 60)
    context = {"seconds": seconds, "minutes": minutes}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def is_within(name: str, subject: str, rate: str) -> bool:
    """Count one event of the subject, and return whether it is within the rate.

    The cache contains a hash of the subject, which may be an address.
    """
    amount, seconds = _parse(rate)
    digest = hashlib.sha256(subject.encode()).hexdigest()
    window = timezone.now().timestamp() // seconds
    return _increment(f"throttle:{name}:{digest}:{int(window)}", seconds) <= amount


def _parse(rate: str) -> tuple[int, int]:
    amount, _, unit = rate.partition("/")
    return int(amount), _UNITS[unit]


def _count(name: str, request: HttpRequest, window: float, seconds: int) -> int:
    """Count this request in its window. Returns the number of requests in the window."""
    client = f"user:{request.user.pk}" if request.user.is_authenticated else address_group(request)
    return _increment(f"throttle:{name}:{client}:{int(window)}", seconds)


def _increment(key: str, seconds: int) -> int:
    # If two processes start a window, one adds the key, and both increment it.
    cache.add(key, 0, timeout=seconds * 2)
    try:
        return cache.incr(key)
    except ValueError:
        return 1  # evicted between the two calls
