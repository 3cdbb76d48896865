"""Rate limits of views. The counts are in the cache, which REDIS_URL shares between processes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
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
    name: str, rate: str, *, methods: tuple[str, ...] = ("POST",), only_refusals: bool = False
) -> Callable[[Callable[..., ResponseType]], Callable[..., ResponseType | HttpResponse]]:
    """Answer 429 with Retry-After when a user, or a client address, exceeds `rate`.

    `rate` is an amount for each second, minute, hour or day, such as "20/h". Views with the same
    `name` share one count. `only_refusals`: only requests with an error as the answer are counted.
    """

    def decorate(view: Callable[..., ResponseType]) -> Callable[..., ResponseType | HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> ResponseType | HttpResponse:
            # The count has the first attempt of a request that a conflict repeats.
            is_counted = request.method in methods and "is_repeated" not in request.__dict__
            if is_counted:
                count = usage_of if only_refusals else count_request
                usage = count(name, rate, client_of(request))
                if usage.is_exceeded:
                    return too_many_requests(request, usage.reset_seconds)
            response = view(request, *args, **kwargs)
            if is_counted and only_refusals and response.status_code >= 400:
                count_request(name, rate, client_of(request))
            return response

        # For the test that compares the documented limits with the URLs.
        guarded.__dict__["rate_limit"] = (name, rate, methods)
        return guarded

    return decorate


def limit_of(view: Callable[..., Any]) -> tuple[str, str]:
    """The name and the rate of a throttled view, for an endpoint that shares its count."""
    name, rate, _ = view.__dict__["rate_limit"]
    return name, rate


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


@dataclass(frozen=True)
class RateUsage:
    """The requests of one client in the present window, of `limit` in `window_seconds`."""

    limit: int
    window_seconds: int
    used: int
    reset_seconds: int

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


def count_request(name: str, rate: str, client: str) -> RateUsage:
    """Count one request of the client in its window."""
    amount, seconds = _parse(rate)
    window, gone = divmod(timezone.now().timestamp(), seconds)
    used = _increment(f"throttle:{name}:{client}:{int(window)}", seconds)
    return RateUsage(amount, seconds, used, math.ceil(seconds - gone))


def usage_of(name: str, rate: str, client: str) -> RateUsage:
    """The usage with one more request of the client, which is not counted."""
    amount, seconds = _parse(rate)
    window, gone = divmod(timezone.now().timestamp(), seconds)
    used = cache.get(f"throttle:{name}:{client}:{int(window)}") or 0
    return RateUsage(amount, seconds, used + 1, math.ceil(seconds - gone))


def client_of(request: HttpRequest) -> str:
    """The client that a rate limit counts: the signed-in user, or else the client address."""
    return f"user:{request.user.pk}" if request.user.is_authenticated else address_group(request)


def _parse(rate: str) -> tuple[int, int]:
    amount, _, unit = rate.partition("/")
    return int(amount), _UNITS[unit]


def _increment(key: str, seconds: int) -> int:
    # If two processes start a window, one adds the key, and both increment it.
    cache.add(key, 0, timeout=seconds * 2)
    try:
        return cache.incr(key)
    except ValueError:
        return 1  # evicted between the two calls
