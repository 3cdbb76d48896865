"""Responses that take the same time, whether an address has an account or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase


def takes_equal_time(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Send the response to a POST no earlier than EQUAL_TIME_SECONDS after the request.

    The work for a known address takes a few milliseconds longer. Nothing of that difference remains
    while the work ends before that time.
    """

    @wraps(view)
    def delayed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        ends_at = time.monotonic() + settings.EQUAL_TIME_SECONDS
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            time.sleep(max(0.0, ends_at - time.monotonic()))
        return response

    return delayed
