"""Middleware for every page: headers, NUL characters, second factors, conflicting transactions."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib.messages.storage import default_storage
from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.cache import add_never_cache_headers

from tenants import retries
from tenants.models import User
from tenants.request_context import set_repeated
from tenants.rest.middleware import PREFIX as API_PREFIX
from tenants.second_factor import must_set_up
from tenants.visible_text import SHOWN_START, as_typed, visible

logger = logging.getLogger(__name__)

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
VISIBLE_TYPES = ("text/html", "text/csv", "text/plain")
# The URL names that a user without the required second factor can still open, by prefix.
OPEN_WITHOUT_FACTOR = ("mfa_", "account_reauthenticate", "account_logout", "health", "scim-v2-")

API_NAMESPACE = "api"


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


def visible_text_middleware(get_response: GetResponse) -> GetResponse:
    """Show invisible characters of outside values on every page and in every CSV file.

    A submitted form contains the characters again, in place of what the page showed.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        kind = response.get("Content-Type", "").partition(";")[0]
        if not response.streaming and kind in VISIBLE_TYPES:
            shown = visible(response.text)
            if shown != response.text:
                response.content = shown.encode(response.charset)
                if response.has_header("Content-Length"):
                    response["Content-Length"] = str(len(response.content))
        return response

    def process_view(request: HttpRequest, *args: object) -> None:
        # The API shows no text for a person, and its parsers read the body.
        is_form = request.method == "POST" and not request.path.startswith(API_PREFIX)
        if is_form and any(
            SHOWN_START in value for _, values in request.POST.lists() for value in values
        ):
            typed = request.POST.copy()
            for name, values in request.POST.lists():
                typed.setlist(name, [as_typed(value) for value in values])
            request.POST = typed  # type: ignore[assignment]  # a mutable QueryDict

    middleware.process_view = process_view  # type: ignore[attr-defined]  # Django reads this attribute
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
        if match is not None and match.namespace == API_NAMESPACE:
            # `tenants.rest.views` refuses it with problem details in place of a redirect.
            return None
        return redirect("mfa_index") if must_set_up(request.user) else None

    middleware.process_view = process_view  # type: ignore[attr-defined]  # Django reads this attribute
    return middleware


def conflict_middleware(get_response: GetResponse) -> GetResponse:
    """Repeat a request that another transaction overtook, if all its writes are rolled back.

    A request that has committed a write is not repeated: its first part would take effect twice.
    The answer is then the 500 page. It is the last middleware, so that it catches the error first.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        writes = request.__dict__["writes"] = retries.CommittedWrites()
        with connection.execute_wrapper(writes):
            return get_response(request)

    def process_exception(request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        for attempt in range(1, retries.MOST_ATTEMPTS):
            if not retries.is_conflict(error) or not _may_repeat(request):
                break
            retries.pause_before(attempt)
            logger.info("a conflict of transactions: %s is repeated", request.path)
            _forget_attempt(request)
            match = request.resolver_match
            assert match is not None, "a view raised the error"
            try:
                return match.func(request, *match.args, **match.kwargs)  # type: ignore[no-any-return]
            except retries.CAUGHT as next_error:
                error = next_error
        if attempt > 1:
            raise error
        return None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]  # Django reads this attribute
    return middleware


def _may_repeat(request: HttpRequest) -> bool:
    return not request.__dict__["writes"].found and not connection.in_atomic_block


def _forget_attempt(request: HttpRequest) -> None:
    """Remove the traces of a rolled back attempt from the request."""
    request.__dict__["is_repeated"] = True
    set_repeated()
    request.__dict__.pop("access", None)
    request.__dict__["_messages"] = default_storage(request)
    for files in request.FILES.lists():
        for file in files[1]:
            file.seek(0)
