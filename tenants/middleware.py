"""What holds for every page: who must first set up a second factor, and the headers."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers

from tenants.models import User
from tenants.second_factor import must_set_up

GetResponse = Callable[[HttpRequest], HttpResponse]

# None of a browser's sensors and devices is of use to us; passkeys and the clipboard are.
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
# What a person without the required second factor may still reach, by the address's name.
OPEN_WITHOUT_FACTOR = ("mfa_", "account_reauthenticate", "account_logout", "health")


def nul_middleware(get_response: GetResponse) -> GetResponse:
    """Refuse an address with a NUL character: it names nothing, and PostgreSQL cannot take it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or any("\0" in v for v in request.GET.values()):
            raise SuspiciousOperation("a NUL character in the address")
        return get_response(request)

    return middleware


def headers_middleware(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Static files are answered further in, before anybody looks who asks.
        user = getattr(request, "user", None)
        if user is not None and (user.is_authenticated or request.path.startswith("/accounts/")):
            add_never_cache_headers(response)
        return response

    return middleware


def second_factor_middleware(get_response: GetResponse) -> GetResponse:
    """Send staff without the second factor they must have to the page that sets one up."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, *args: object) -> HttpResponse | None:
        match = request.resolver_match
        name = (match.url_name or "") if match is not None else ""
        if not isinstance(request.user, User) or name.startswith(OPEN_WITHOUT_FACTOR):
            return None
        return redirect("mfa_index") if must_set_up(request.user) else None

    middleware.process_view = process_view  # type: ignore[attr-defined]  # Django looks for it here
    return middleware
