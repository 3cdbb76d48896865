"""Responses that take the same time, whether an address has an account or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tenants.throttle import too_many_requests

# The waiting requests of one web process, which has eight threads for pages. Visitors without an
# account must not occupy all of them.
WAITING_AT_ONCE = 2
_places = threading.BoundedSemaphore(WAITING_AT_ONCE)


def _is_accepted(response: HttpResponseBase) -> bool:
    """A redirect, or allauth's answer to a script. A refused form is a page with status 200."""
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return response.status_code == 302 or (response.status_code == 200 and is_json)


def takes_equal_time(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Answer an accepted POST no earlier than EQUAL_TIME_SECONDS after the request.

    The work for a known address takes a few milliseconds longer. Nothing of that difference remains
    while the work ends before that time. Other responses, such as a refusal, do not depend on the
    account and are not delayed. While WAITING_AT_ONCE requests wait, a further one is refused
    before any work.
    """

    @wraps(view)
    def delayed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        if not _places.acquire(blocking=False):
            return too_many_requests(request, seconds=1)
        try:
            ends_at = time.monotonic() + settings.EQUAL_TIME_SECONDS
            response = view(request, *args, **kwargs)
            if _is_accepted(response):
                time.sleep(max(0.0, ends_at - time.monotonic()))
            return response
        finally:
            _places.release()

    return delayed
