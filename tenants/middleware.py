"""Middleware for every page: response headers, NUL characters, required second factors."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers

from tenants.models import User
from tenants.second_factor import must_set_up

GetResponse = Callable[[HttpRequest], HttpResponse]

# Gangway uses none of these sensors and devices. Passkeys and the clipboard stay allowed.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)
# The URL names that a user without the required second factor can still open, by prefix.
OPEN_WITHOUT_FACTOR = ("mfa_", "account_reauthenticate", "account_logout", "health")


def nul_middleware(get_response: GetResponse) -> GetResponse:
    """Reject a URL with a NUL character: PostgreSQL cannot store one, and no row has one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or any("\0" in v for v in request.GET.values()):
            raise SuspiciousOperation("a NUL character in the URL")
        return get_response(request)

    return middleware


def headers_middleware(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # WhiteNoise answers static files before the authentication middleware sets `user`.
        user = getattr(request, "user", None)
        if user is not None and (user.is_authenticated or request.path.startswith("/accounts/")):
            add_never_cache_headers(response)
        return response

    return middleware


def second_factor_middleware(get_response: GetResponse) -> GetResponse:
    """Redirect staff without a required second factor to the page that sets one up."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, *args: object) -> HttpResponse | None:
        match = request.resolver_match
        name = (match.url_name or "") if match is not None else ""
        if not isinstance(request.user, User) or name.startswith(OPEN_WITHOUT_FACTOR):
            return None
        return redirect("mfa_index") if must_set_up(request.user) else None

    middleware.process_view = process_view  # type: ignore[attr-defined]  # Django reads this attribute
    return middleware
