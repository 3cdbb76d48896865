"""Template context for every page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product_version(request: HttpRequest) -> dict[str, str]:
    """The version of Gangway, for the footer."""
    return {"product_version": settings.VERSION}


def live_streams(request: HttpRequest) -> dict[str, bool | int | str]:
    """Whether pages open streams, and their port; none if they have the origin of the page."""
    return {"live_streams": settings.LIVE_STREAMS, "live_port": settings.LIVE_PORT or ""}
