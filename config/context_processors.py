"""Template context for every page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenants.models import User
from tenants.notifications import bell_of
from tenants.tours import is_offered


def product_version(request: HttpRequest) -> dict[str, str]:
    """The version of Gangway, for the footer."""
    return {"product_version": settings.VERSION}


def live_streams(request: HttpRequest) -> dict[str, bool | int | str]:
    """Whether pages open streams, and their port; none if they have the origin of the page."""
    return {"live_streams": settings.LIVE_STREAMS, "live_port": settings.LIVE_PORT or ""}


def bell(request: HttpRequest) -> dict[str, object]:
    """The bell of the signed-in person. Only a page with the top bar reads it, in one query."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {"bell": SimpleLazyObject(lambda: bell_of(user))}


def tour(request: HttpRequest) -> dict[str, bool]:
    """Whether the home page offers the tour to the signed-in person."""
    user = getattr(request, "user", None)
    return {"is_tour_offered": isinstance(user, User) and is_offered(user)}
