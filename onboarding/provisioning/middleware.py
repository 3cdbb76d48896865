"""Middleware of SCIM: every error has the shape of SCIM."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from onboarding.provisioning.endpoint import CONTENT_TYPE, error_response

PREFIX = "/scim/v2/"
_DETAILS = {
    400: "The request is malformed.",
    429: "Too many requests.",
    500: "Gangway has a fault. Its operator finds the details in the log.",
    503: "The database does not answer. Repeat the request later.",
    507: "The disk of the installation is full. Its operator has to free space.",
}


def scim_error_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Replace the error pages of Django below the address of SCIM."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_ours = request.path.startswith(PREFIX) and response.status_code >= 400
        if not is_ours or response.get("Content-Type", "") == CONTENT_TYPE:
            return response
        status = response.status_code
        replaced = error_response(status, _DETAILS.get(status, response.reason_phrase))
        if "Retry-After" in response:
            replaced["Retry-After"] = response["Retry-After"]
        return replaced

    return middleware
