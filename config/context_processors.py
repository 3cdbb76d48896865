"""Template context for every page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product_version(request: HttpRequest) -> dict[str, str]:
    """The version of Gangway, for the footer."""
    return {"product_version": settings.VERSION}
